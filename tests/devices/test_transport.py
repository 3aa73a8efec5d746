from __future__ import annotations

import pytest

from edgedistill.devices.transport import check_name
from edgedistill.errors import DeviceError


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../a", "/etc/passwd", "a\\b", "a\0b"])
def test_a_name_that_leaves_the_folder_is_refused(name: str) -> None:
    with pytest.raises(DeviceError, match="no plain file name"):
        check_name(name)
