"""The gate's result as JUnit XML, which CI servers show as tests: a suite a target, a case a check.

PASS is a passed case, FAIL a `failure`, UNJUDGED an `error`: servers count both as not passed. A
check that may stay unjudged (`on_unjudged: warn`) is `skipped`, never a plain pass. There is no
time stamp and no host name, so that the same result is the same file.
"""

from __future__ import annotations

import re
from itertools import groupby
from typing import TYPE_CHECKING

from edgedistill.render.gate_cases import cases
from edgedistill.render.gate_text import figure_lines

if TYPE_CHECKING:
    from collections.abc import Iterable
    from xml.etree.ElementTree import Element

    from edgedistill.core.gate_document import GateDocument
    from edgedistill.render.gate_cases import Case, State

_NOT_IN_XML = "[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
"""What the production Char of XML 1.0, section 2.2, leaves out. Compiled only where it is needed:
that takes as long as all other reading of a gate."""
_TITLE = "edgedistill gate"
_RESULTS: dict[State, str] = {"FAIL": "failure", "UNJUDGED": "error", "WARNING": "skipped"}
_NO_TIME = "0"
"""Judging takes none worth telling; some servers refuse a case without it."""


def junit_xml(document: GateDocument) -> bytes:
    """JUnit XML in UTF-8, the same bytes for the same document."""
    from xml.etree.ElementTree import Element, indent, tostring  # a gate without it starts quicker

    listed = cases(document)
    root = Element("testsuites", {"name": _TITLE, "time": _NO_TIME, **_counts(listed)})
    by_suite = groupby(sorted(listed, key=lambda case: case.suite), key=lambda case: case.suite)
    for suite, group in by_suite:
        root.append(_suite(suite, list(group)))
    indent(root)
    written: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return written + b"\n"


def _suite(name: str, listed: list[Case]) -> Element:
    from xml.etree.ElementTree import Element, SubElement

    skipped = str(sum(case.state == "WARNING" for case in listed))
    counts = {**_counts(listed), "skipped": skipped}
    suite = Element("testsuite", {"name": _text(name), "time": _NO_TIME, **counts})
    for case in listed:
        place = {"name": _text(case.name), "classname": _text(f"edgedistill.gate.{case.suite}")}
        found = SubElement(suite, "testcase", {**place, "time": _NO_TIME})
        numbers = figure_lines(case.check) if case.check else []
        result = _RESULTS.get(case.state)
        if result is None:
            told = SubElement(found, "system-out")
        else:
            told = SubElement(found, result, message=_text(case.message), type=case.state)
        told.text = _text("\n".join([case.message, *numbers]))
    return suite


def _counts(listed: Iterable[Case]) -> dict[str, str]:
    """Without `skipped`, which the schema of Jenkins' xUnit plugin refuses at the top."""
    states = [case.state for case in listed]
    return {
        "tests": str(len(states)),
        "failures": str(states.count("FAIL")),
        "errors": str(states.count("UNJUDGED")),
    }


def _text(text: str) -> str:
    """Text that XML can hold; its markup is escaped by the writer."""
    return re.sub(_NOT_IN_XML, "\ufffd", text)
