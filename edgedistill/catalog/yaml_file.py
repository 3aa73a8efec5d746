"""YAML as data: safe, without surprises, with the line of every fault.

Scalars follow the core schema of YAML 1.2, so that `1e-3` is a number and `no` is the word it looks
like. Text that only looks like a number (`010`, `12:30`) stays text and is then refused by the
schema that expected a number, instead of being converted silently.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

import yaml

from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edgedistill.core.strict import Strict

Document = TypeVar("Document", bound="Strict")
"""A kind of document."""

MAX_VALUES = 100_000
"""A document that stands for more values than this (aliases counted as often as they are used) is
refused: a recipe has some dozens, an alias bomb has billions."""

_FLOAT = re.compile(
    r"^(?:[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
)
_INT = re.compile(r"^(?:[-+]?(?:0|[1-9][0-9]*)|0x[0-9a-fA-F]+)$")
_TAG = "tag:yaml.org,2002:"


class _Loader(yaml.SafeLoader):
    """The safe loader with the scalars of YAML 1.2."""


_Loader.yaml_implicit_resolvers = {}
_Loader.add_implicit_resolver(f"{_TAG}null", re.compile(r"^(?:~|null|Null|NULL|)$"), [*"~nN", ""])
_Loader.add_implicit_resolver(
    f"{_TAG}bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), [*"tTfF"]
)
_Loader.add_implicit_resolver(f"{_TAG}int", _INT, [*"-+0123456789"])
_Loader.add_implicit_resolver(f"{_TAG}float", _FLOAT, [*"-+.0123456789"])
_Loader.add_implicit_resolver(f"{_TAG}merge", re.compile(r"^<<$"), ["<"])


class _Dumper(yaml.SafeDumper):
    """Quotes what either this reader or a YAML 1.1 reader would take for something else."""


_Dumper.add_implicit_resolver(f"{_TAG}float", _FLOAT, [*"-+.0123456789"])

_RARE_BREAKS = re.compile(r"[\x85\u2028\u2029]")
"""Line breaks to YAML 1.1, which come back as others unless they are escaped."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = '"' if _RARE_BREAKS.search(text) else None
    return dumper.represent_scalar(f"{_TAG}str", text, style=style)


_Dumper.add_representer(str, _text)


def _represented(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    """Text with a line break that is none in ASCII is written in quotes, where it is escaped."""
    style = '"' if any(mark in text for mark in "\x85\u2028\u2029") else None
    return dumper.represent_scalar(f"{_TAG}str", text, style=style)


_Dumper.add_representer(str, _represented)


def read_yaml(path: Path) -> Any:
    """Reads one YAML document as mappings, lists and plain values.

    NaN and infinity are kept, so that the schema refuses them by name.

    Raises:
        InputError: If the file is missing or not UTF-8, the syntax is wrong, a key stands twice, a
            tag asks for an object, or aliases blow the document up.
    """
    return parse_yaml(_read_text(path), file=path)


def read_document(kind: type[Document], path: Path) -> Document:
    """Reads a file as a document of a kind; again only when the file has changed.

    A table of estimates asks for the same profile thousands of times. Documents are frozen, so one
    may be given to all.

    Raises:
        InputError: As `read_yaml`, and with one fault for each thing wrong in the document.
    """
    if not path.is_file():
        return kind.read(read_yaml(path), file=path)  # says what is wrong with the path
    state = path.stat()
    document: Document = _read_once(kind, path.absolute(), path, (state.st_mtime_ns, state.st_size))
    return document


@lru_cache(maxsize=256)
def _read_once(
    kind: type[Document], absolute: Path, path: Path, state: tuple[int, int]
) -> Document:
    """The key holds where the file lies, how it was named (faults say so), and its state."""
    return kind.read(read_yaml(path), file=path)


def parse_yaml(text: str, *, file: str | Path) -> Any:
    r"""Reads one YAML document from text.

    Args:
        text: The document.
        file: Where it came from, for the error.

    Raises:
        InputError: As `read_yaml`.

    >>> parse_yaml("rate: 1e-3\nanswer: no", file="-")
    {'rate': 0.001, 'answer': 'no'}
    """
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        faults = list(_faults(node, file))
        if faults:
            raise InputError(*faults)
        return loader.construct_document(node)
    except yaml.YAMLError as error:
        raise InputError(_syntax_fault(error, file)) from error
    except ValueError as error:
        raise InputError(
            Fault(file=file, problem=f"holds a value that is none: {error}", remedy="Correct it")
        ) from error
    except RecursionError as error:
        raise InputError(
            Fault(file=file, problem="is nested too deeply", remedy="Give a flatter document")
        ) from error


def yaml_text(document: Any) -> str:
    """A document of mappings, lists and plain values as YAML that `parse_yaml` reads back.

    Keys keep their order.

    >>> print(yaml_text({"key": "1234e567", "rate": 0.001}), end="")
    key: '1234e567'
    rate: 0.001
    """
    text: str = yaml.dump(
        document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100, indent=2
    )
    return text


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise InputError(
            Fault(file=path, problem="does not exist", remedy="Check the path")
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(
            Fault(
                file=path,
                problem=f"is not UTF-8 text (byte {error.start})",
                remedy="Save it as UTF-8",
            )
        ) from error
    except OSError as error:
        raise InputError(
            Fault(
                file=path,
                problem=f"cannot be read: {error.strerror}",
                remedy="Give a YAML file that can be read",
            )
        ) from error


def _syntax_fault(error: yaml.YAMLError, file: str | Path) -> Fault:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    where = None if mark is None else f"line {mark.line + 1}, column {mark.column + 1}"
    return Fault(
        file=file,
        field=where,
        problem=f"is not YAML that can be read: {problem}",
        remedy="Correct the line (plain values, mappings and lists only)",
    )


def _faults(node: yaml.Node, file: str | Path) -> Iterator[Fault]:
    try:
        count = _count_values(node, {}, ())
    except _EndlessAliasError as endless:
        count = MAX_VALUES + 1
        node = endless.node
    if count > MAX_VALUES:
        yield Fault(
            file=file,
            field=f"line {node.start_mark.line + 1}",
            problem=f"stands for more than {MAX_VALUES} values through its aliases",
            remedy="Write the values out instead of repeating aliases of aliases",
        )
        return
    yield from _duplicates(node, file, set())


class _EndlessAliasError(Exception):
    """An alias that holds itself."""

    def __init__(self, node: yaml.Node) -> None:
        self.node = node


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _count_values(node: yaml.Node, known: dict[int, int], above: tuple[int, ...]) -> int:
    if id(node) in above:
        raise _EndlessAliasError(node)
    if id(node) not in known:
        below = (*above, id(node)) if not isinstance(node, yaml.ScalarNode) else above
        known[id(node)] = 1 + sum(_count_values(child, known, below) for child in _children(node))
    return known[id(node)]


def _duplicates(node: yaml.Node, file: str | Path, done: set[int]) -> Iterator[Fault]:
    if id(node) in done:
        return
    done.add(id(node))
    if isinstance(node, yaml.MappingNode):
        seen: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            line = key.start_mark.line + 1
            if (key.tag, key.value) not in seen:
                seen[key.tag, key.value] = line
                continue
            yield Fault(
                file=file,
                field=f"line {line}",
                given=key.value,
                problem=f"is a key that stands in line {seen[key.tag, key.value]} already",
                remedy="Keep one of the two",
            )
    for child in _children(node):
        yield from _duplicates(child, file, done)
