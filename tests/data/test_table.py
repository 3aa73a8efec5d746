from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedistill.core.recipe import Columns
from edgedistill.data.table import Table, scan
from edgedistill.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS = Columns(label="category")


def table(folder: Path, content: str | bytes, columns: Columns = COLUMNS) -> Table:
    file = folder / "train.csv"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return scan(file, columns)


def test_rows_are_found_by_the_names_of_their_columns(tmp_path: Path) -> None:
    found = table(
        tmp_path,
        '\ufeffid, who ,text,category\r\n1,ann,"one, two\nlines",b\r\n\r\n'
        '2,bob,"say ""hi""", a \r\n',
        Columns(label="category", group="who"),
    )
    assert list(found.texts([1, 0])) == ['say "hi"', "one, two\nlines"]
    assert found.labels == ("b", "a")
    assert found.numbers.tolist() == [0, 1]
    assert found.lines.tolist() == [2, 5]
    assert found.groups is not None
    assert found.groups.tolist() == ["ann", "bob"]


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(codec="utf-8", exclude_characters="\r"), min_size=1).filter(
                lambda text: text.strip() and not text.startswith("\ufeff")
            ),
            st.sampled_from(["a", "b"]),
        ),
        min_size=1,
        max_size=20,
    ),
    st.sampled_from(["\n", "\r\n"]),
)
def test_what_the_csv_module_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], end: str
) -> None:
    stream = io.StringIO()
    csv.writer(stream, lineterminator=end).writerows([("text", "category"), *rows])
    found = table(tmp_path_factory.mktemp("csv"), stream.getvalue())
    assert list(found.texts(range(len(found)))) == [text for text, _ in rows]
    assert [found.labels[number] for number in found.numbers] == [label for _, label in rows]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("text,label\nhi,a\n", r"columns\.label: is not a column .*category.*names: text, label"),
        ("text\tcategory\nhi\ta\n", r"separated by commas"),
        ("text,text,category\nhi,b,a\n", r"columns\.text: stands more than once"),
        ("", r"columns\.text: is not a column .*nothing"),
        ("text,category\n", "holds no text"),
        ("text,category\nhi,a\n  ,a\n", r"line 3, text: is empty \(given: '  '\)"),
        ("text,category\nhi,\n", r"line 2, label: is empty"),
        ("text,category\nhi, there,a\n", r"line 2: does not have a value for each of the 2 col"),
        ('text,category\nhi,a\n"no end,b\nmore,c\n', r"line 3: holds a quote that is not closed"),
        (b"text,category\nhi,a\ncaf\xe9,b\n", r"line 3: is not UTF-8 \(given: b'caf\\xe9,b"),
        ("text,category\rhi,a\r", r"line 1: cannot be read: new-line character"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(
    tmp_path: Path, content: str | bytes, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        table(tmp_path, content)


def test_all_wrong_rows_are_told_at_once_and_counted_beyond_twenty(tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        table(tmp_path, "text,category\n" + ",a\n" * 30 + 'x,"')
    assert len(raised.value.faults) == 22
    assert "10 more rows are wrong" in str(raised.value)
    assert "line 32: holds a quote" in str(raised.value)


def test_a_file_that_changes_while_it_is_read_is_told(tmp_path: Path) -> None:
    found = table(tmp_path, "text,category\nhi,a\nho,b\n")
    (tmp_path / "train.csv").write_text("text\n")
    with pytest.raises(InputError, match="changed while it was read"):
        list(found.texts([1]))
