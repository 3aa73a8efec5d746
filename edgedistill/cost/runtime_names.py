"""What ONNX Runtime calls the nodes that it rewrote."""

from __future__ import annotations

import re

_MARKS = re.compile(r"(_token_\d+|_nchwc|/[A-Za-z]+Fusion/?)$")


def name_in_file(name: str) -> str:
    """The name that a node has in the file, where the runtime only marked it.

    In the runtime's own blocked layout a node is called after the tensor it gives.

    >>> name_in_file("node_Conv_133_token_1"), name_in_file("node_matmul/MatMulScaleFusion/")
    ('node_Conv_133', 'node_matmul')
    """
    return _MARKS.sub("", name)
