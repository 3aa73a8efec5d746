"""How a model is opened on its target, as the lines of a program and in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgedistill.core.opening import OpenedWith, Opening

_ANYWHERE = "CPUExecutionProvider"


def opening_program(session: OpenedWith | None, model: str) -> str | None:
    """Python that opens a model as it is opened on the target.

    Text from profiles enters it as Python literals only.

    Args:
        session: What it is opened with there; None where that is not known.
        model: The file's name.

    Returns:
        None where any ONNX Runtime opens it so, by itself.
    """
    if session is None or session.provider == _ANYWHERE:
        return None
    lines = [
        "import onnxruntime",
        "",
        "options = onnxruntime.SessionOptions()",
        f"options.intra_op_num_threads = {session.threads}",
    ]
    if session.graph_optimization == "none":
        off = "onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL"
        lines.append(f"options.graph_optimization_level = {off}")
    lines += [
        f"provider = ({session.provider!r}, {dict(session.provider_options)!r})",
        f"session = onnxruntime.InferenceSession({model!r}, options, providers=[provider])",
    ]
    return "\n".join(lines)


def opening_words(opening: Opening | OpenedWith) -> str:
    """Options in words, for instance trt_int8_enable=True, no graph optimization."""
    words = [f"{name}={value}" for name, value in opening.provider_options.items()]
    words += ["no graph optimization"] if opening.graph_optimization == "none" else []
    return ", ".join(words) or "no options"
