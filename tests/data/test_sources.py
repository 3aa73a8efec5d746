from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edgedistill.core.preprocessing import Preprocessing
from edgedistill.core.recipe import Data
from edgedistill.data import open_source
from edgedistill.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("imagefolder:x", "is not a known source .*Did you mean 'image-folder'?"),
        ("flowers", "is not a known source .*Write image-folder:DIR"),
        ("sklearn:digit", "Did you mean 'sklearn:digits'?"),
        ("npz:", "is not a known source"),
        ("python:data.py", r"Write python:FILE.py:FUNCTION"),
        ("python:absent.py:load", "absent.py: data.source: does not exist"),
        ("npz:x.npz", "data.preprocessing: is needed: .*kind: array"),
        ("image-folder:x", "data.preprocessing: is needed: .*kind: image, color: rgb"),
    ],
)
def test_a_source_that_cannot_be_opened_says_what_to_write(
    tmp_path: Path, source: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        open_source(Data(source=source), base=tmp_path)


def test_a_folder_of_pictures_needs_pictures_declared(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"kind: does not fit a folder of pictures .*array"):
        open_source(
            Data(source="image-folder:.", preprocessing=Preprocessing(kind="array")), base=tmp_path
        )
