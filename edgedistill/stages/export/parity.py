"""The proof that the exported file answers as the network does, on real inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
import torch
from onnxruntime.capi import onnxruntime_pybind11_state as runtime_errors

from edgedistill.errors import PromiseError
from edgedistill.models.signature import logits
from edgedistill.stages.export.graph import OUTPUT

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from edgedistill.data.dataset import Split
    from edgedistill.models.signature import Signature

    Array = np.ndarray[Any, Any]

MAX_SAMPLES = 256
BATCH = 32
ROUNDING = 1e-6
"""Of the largest logit: a few steps of a float32, allowed however small the spread is."""


@dataclass(frozen=True)
class Parity:
    """How near the file's answers are to the network's.

    Attributes:
        samples: How many real inputs were compared.
        max_difference: The largest difference of a logit.
        spread: Standard deviation of the network's logits.
        agreement: Share of samples with the same highest logit.
    """

    samples: int
    max_difference: float
    spread: float
    agreement: float


def prove_parity(
    file: Path,
    module: nn.Module,
    signature: Signature,
    split: Split,
    *,
    max_difference: float,
    threads: int,
    static: bool,
) -> Parity:
    """Runs the first samples of a split through both and compares.

    Args:
        file: The exported model.
        module: The network in eval mode.
        signature: What both take.
        split: Real inputs.
        max_difference: Largest allowed difference of a logit, relative to the logits' spread.
        threads: Threads for the runtime.
        static: Whether the file takes one sample at a time.

    Raises:
        PromiseError: If the runtime refuses the file, an answer is NaN or infinite, has another
            shape, or differs more than allowed.
    """
    count = min(MAX_SAMPLES, len(split))
    size = 1 if static else BATCH
    session = _session(file, threads)
    expected, found = [], []
    for start in range(0, count, size):
        batch = _batch(split, np.arange(start, min(start + size, count)), signature)
        with torch.no_grad():
            answer = logits(module, {name: torch.from_numpy(x) for name, x in batch.items()})
        expected.append(answer.numpy())
        found.append(_answers(session, batch))
    return compare(np.concatenate(expected), np.concatenate(found), max_difference)


def compare(expected: Array, found: Array, max_difference: float) -> Parity:
    """Compares the file's logits with the network's, both [samples, classes].

    Raises:
        PromiseError: If one is NaN or infinite, the shapes differ, or a difference is too large.
    """
    if found.shape != expected.shape:
        raise _broken(f"answers of shape {expected.shape}", f"shape {found.shape}")
    if not (np.isfinite(expected).all() and np.isfinite(found).all()):
        raise _broken("finite answers", "NaN or infinity")
    spread = float(expected.astype(np.float64).std())
    difference = float(np.abs(expected.astype(np.float64) - found).max())
    allowed = max_difference * spread + ROUNDING * float(np.abs(expected).max())
    if not difference <= allowed:
        raise _broken(
            f"answers within {allowed:.3g} of the network's", f"a difference of {difference:.3g}"
        )
    same = expected.argmax(axis=1) == found.argmax(axis=1)
    return Parity(len(expected), difference, spread, float(same.mean()))


def _batch(split: Split, indices: Array, signature: Signature) -> dict[str, Array]:
    return {
        name: values.astype(signature.dtypes.get(name, "float32"), copy=False)
        for name, values in split.batch(indices).items()
    }


def _session(file: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(
            str(file), sess_options=options, providers=["CPUExecutionProvider"]
        )
    except (
        runtime_errors.Fail,
        runtime_errors.InvalidGraph,
        runtime_errors.InvalidArgument,
        runtime_errors.NotImplemented,
        runtime_errors.RuntimeException,
    ) as error:
        raise _broken("a model that ONNX Runtime loads", str(error).splitlines()[0]) from error


def _answers(session: onnxruntime.InferenceSession, batch: dict[str, Array]) -> Array:
    answers: Array = session.run([OUTPUT], batch)[0]
    return answers


def _broken(promised: str, found: str) -> PromiseError:
    return PromiseError(
        stage="export",
        promised=promised,
        found=found,
        remedy="Try another opset under stages.export, or a larger max_difference if the "
        "difference is harmless",
    )
