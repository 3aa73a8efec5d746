from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from edgedistill.catalog.yaml_file import parse_yaml, read_yaml, yaml_text
from edgedistill.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

# The core schema's own table (YAML 1.2.2, section 10.3.2), and what YAML 1.1 would have bent.
SCALARS: list[tuple[str, Any]] = [
    ("1e-3", 0.001),
    ("-2.5E+3", -2500.0),
    (".5", 0.5),
    ("12", 12),
    ("-0", 0),
    ("0x1F", 31),
    ("true", True),
    ("null", None),
    ("~", None),
    ("", None),
    (".inf", math.inf),
    ("no", "no"),
    ("on", "on"),
    ("010", "010"),
    ("12:30", "12:30"),
    ("1_000", "1_000"),
    ("2024-01-01", "2024-01-01"),
    ("1.2.3", "1.2.3"),
]


@pytest.mark.parametrize(("text", "value"), SCALARS)
def test_scalars_follow_the_core_schema(text: str, value: Any) -> None:
    found = parse_yaml(f"key: {text}", file="-")["key"]
    assert found == value
    assert type(found) is type(value)


def test_nan_is_kept_for_the_schema_to_refuse() -> None:
    assert math.isnan(parse_yaml("key: .nan", file="-")["key"])


def test_file_is_read_with_or_without_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_bytes(b"\xef\xbb\xbfname: caf\xc3\xa9\n")
    assert read_yaml(path) == {"name": "café"}


@pytest.mark.parametrize("text", ["", "# only a comment\n"])
def test_an_empty_document_is_none(text: str) -> None:
    assert parse_yaml(text, file="-") is None


def test_anchors_and_merge_keys_work() -> None:
    text = "a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: [*a, *a]"
    assert parse_yaml(text, file="-") == {
        "a": {"x": 1, "y": 2},
        "b": {"x": 1, "y": 3},
        "c": [{"x": 1, "y": 2}] * 2,
    }


def bomb() -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    for level in range(1, 20):
        aliases = ", ".join([f"*a{level - 1}"] * 10)
        lines.append(f"a{level}: &a{level} [{aliases}]")
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: [1, 2\nc: 3\n", "line 3"),
        ("a: 1\n  b: 2\n", "line 2"),
        ("a: 'x\n", "is not YAML"),
        ("a: 1\nb: 2\na: 3\n", "line 3: is a key that stands in line 1 already (given: a)"),
        ("{a: 1, a: 2}", "stands in line 1 already"),
        ("top:\n  deep:\n    k: 1\n    k: 2\n", "line 4: is a key that stands in line 3"),
        ("a: !!python/object/apply:os.system ['true']", "line 1"),
        ("a: !!int 1x", "holds a value that is none"),
        ("? [1, 2]\n: 3\n", "unhashable key"),
        ("a: 1\n---\nb: 2\n", "is not YAML"),
        ("a: \x07", "is not YAML"),
        ("&a [*a]", "aliases"),
        (bomb(), "stands for more than 100000 values"),
        ("[" * 5000, "is nested too deeply"),
    ],
)
def test_what_is_wrong_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_yaml(text, file="recipe.yaml")
    assert message in str(caught.value)
    assert "recipe.yaml" in str(caught.value)


def test_all_duplicate_keys_are_named_at_once() -> None:
    with pytest.raises(InputError) as caught:
        parse_yaml("a: 1\na: 2\nb: {c: 1, c: 2}\n", file="-")
    assert [fault.given for fault in caught.value.faults] == ["a", "c"]


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    latin = tmp_path / "latin.yaml"
    latin.write_bytes("name: café\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"latin\.yaml: is not UTF-8 text \(byte 9\)"):
        read_yaml(latin)
    with pytest.raises(InputError, match=r"absent\.yaml: does not exist"):
        read_yaml(tmp_path / "absent.yaml")
    with pytest.raises(InputError, match="cannot be read"):
        read_yaml(tmp_path)


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**12), 10**12)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
    | st.sampled_from(["no", "yes", "010", "1e5", "12:30", "0x1F", ".5e3", "~", "1234e567", "<<"]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abc01e.", max_size=4), inner)
    ),
    max_leaves=12,
)


@example("a\x85b\u2028c\u2029d")
@given(PLAIN)
def test_what_is_written_reads_back_here_and_in_a_yaml_1_1_reader(document: Any) -> None:
    text = yaml_text({"document": document})
    assert parse_yaml(text, file="-") == {"document": document}
    if not has_exponent(document):
        assert yaml.safe_load(text) == {"document": document}


def has_exponent(document: Any) -> bool:
    if isinstance(document, dict):
        return any(map(has_exponent, document.values()))
    if isinstance(document, list):
        return any(map(has_exponent, document))
    return isinstance(document, float) and "e" in repr(document)
