"""What the quantized file was promised to be, held against the file that was written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgedistill.errors import Fault, InputError, PromiseError
from edgedistill.stages.quantize.session import open_session
from edgedistill.units import format_percent

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import onnx

    from edgedistill.core.profile import QuantizationScheme
    from edgedistill.stages.quantize.calibration import CalibrationSet
    from edgedistill.stages.quantize.check import Coverage

STAGE = "quantize"

_OWN_DOMAIN = "com.microsoft"

_TINY_BYTES = 256_000
"""Below this a file is not promised to shrink: some hundred bytes of scales, zero points and
quantizer nodes an operator may outweigh what its weights save."""


def promise_limits(
    source: onnx.ModelProto, result: onnx.ModelProto, *, sixteen_bits: bool = False
) -> None:
    """The file asks no more of a runtime than the float file: IR version, opsets and domains.

    Args:
        source: The float file.
        result: The quantized file.
        sixteen_bits: Whether the runtime is known to run activations of sixteen bits, which before
            opset 21 take operators of onnxruntime's own domain.

    Raises:
        PromiseError: If it does.
    """
    before = {item.domain: item.version for item in source.opset_import} | {"IR": source.ir_version}
    after = {item.domain: item.version for item in result.opset_import} | {"IR": result.ir_version}
    risen = [
        f"{name or 'opset'} {version}"
        for name, version in after.items()
        if version > before.get(name, 0) and not (sixteen_bits and name == _OWN_DOMAIN)
    ]
    if risen:
        raise PromiseError(
            stage=STAGE,
            promised="a file that asks no more of a runtime than the float file",
            found=", ".join(risen),
            remedy="Export in a newer opset where the target allows it",
        )


def promise_share(
    coverage: Coverage,
    wanted: float,
    scheme: QuantizationScheme,
    *,
    here: bool,
    meant_in_float: int = 0,
) -> None:
    """Enough of the heavy operators that are meant to be in int8 run in int8.

    Args:
        coverage: Heavy operators as they run, or as they stand in the file.
        wanted: The share.
        scheme: For the error.
        here: Whether the coverage is that of this machine's runtime.
        meant_in_float: How many were left in float on purpose. They are counted and not looked up
            by name: a runtime that fuses operators gives them names of its own.

    Raises:
        PromiseError: If not, with the names of those that stay in float.
    """
    if coverage.share_beside(meant_in_float) >= wanted:
        return
    place_checked = "this machine's onnxruntime" if here else "the file"
    names = ", ".join(coverage.floating)
    raise PromiseError(
        stage=STAGE,
        promised=f"at least {format_percent(wanted)} of the heavy operators in int8",
        found=f"{format_percent(coverage.share_beside(meant_in_float))} in {place_checked} with "
        f"{scheme.label}; "
        f"{len(coverage.floating)} of {len(coverage.int8) + len(coverage.floating)} stay in "
        f"float: {names}",
        remedy="Give the target's profile a scheme that its runtime fuses (uint8 activations "
        "with int8 weights on x86), lower stages.quantize.min_int8_share, or ship fp32",
    )


def promise_output(before: Path, after: Path, samples: CalibrationSet, threads: int) -> None:
    """The file runs on a calibration sample, its outputs finite and of the float file's shape.

    Raises:
        InputError: If the float file itself gives NaN or infinity.
        PromiseError: If only the quantized file does, or a shape differs.
    """
    sample = next(iter(samples))
    expected = open_session(before, threads).run(None, sample)
    found = open_session(after, threads).run(None, sample)
    for place_in_list, (old, new) in enumerate(zip(expected, found, strict=True)):
        if not np.isfinite(old).all():
            raise InputError(
                Fault(
                    file=before,
                    field=f"output {place_in_list}",
                    problem="the float model gives NaN or infinity on a calibration sample",
                    remedy="Train or export the model again",
                )
            )
        if old.shape != new.shape or not np.isfinite(new).all():
            raise PromiseError(
                stage=STAGE,
                promised=f"finite outputs of shape {list(old.shape)}",
                found=f"shape {list(new.shape)}, "
                f"{int((~np.isfinite(new)).sum())} values not finite",
                remedy="Try another calibration method under stages.quantize.calibration",
            )


def promise_size(sizes: Mapping[str, int], scheme: QuantizationScheme) -> None:
    """The file is smaller, unless the float file is tiny or the scheme keeps weights in float.

    Raises:
        PromiseError: If it is not.
    """
    weights_stay_float = scheme.symmetric_activation
    if weights_stay_float or sizes["fp32"] < _TINY_BYTES or sizes["int8"] < sizes["fp32"]:
        return
    raise PromiseError(
        stage=STAGE,
        promised=f"a smaller file than the float one ({sizes['fp32']} bytes)",
        found=f"{sizes['int8']} bytes",
        remedy="The weights were not stored in int8; ship fp32",
    )
