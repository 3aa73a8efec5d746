"""Which candidates of a network a target is worth: planned from its runtime and the recipe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from edgedistill.core.naming import told_apart

if TYPE_CHECKING:
    from edgedistill.core.profile import QuantizationScheme, Runtime
    from edgedistill.core.quantizing import Quantize

_HALF_BY_OPTION = frozenset({"NnapiExecutionProvider", "QNNExecutionProvider"})
"""Providers that compute a float file in half precision by an option of their own and take no
half-precision file for it (NNAPI_FLAG_USE_FP16; QNN's enable_htp_fp16_precision, on by default:
"set up graphs with float32 tensors"). There the float file is the candidate."""

_DYNAMIC = frozenset({"CPUExecutionProvider"})
"""Providers with kernels for DynamicQuantizeLinear and MatMulInteger."""


@dataclass(frozen=True)
class Variant:
    """One candidate beside the network as it is.

    Attributes:
        name: What it is called, for instance int8-U8S8.
        kind: How it is made.
        scheme: Of int8; None for fp16.
        required: Whether a run fails that cannot make it: so with the profile's first scheme.
        tuned: Whether it is made of the network after it has learned in rounded numbers, which
            happens only where the first scheme breaks the accuracy budget.
    """

    name: str
    kind: Literal["static", "dynamic", "half"]
    scheme: QuantizationScheme | None
    required: bool = False
    tuned: bool = False

    @property
    def is_further(self) -> bool:
        """Whether it is static int8 in a scheme beside the profile's first."""
        return self.kind == "static" and not self.required and not self.tuned

    @property
    def step(self) -> Literal["fp16", "int8"]:
        """The step of the waterfall that it is."""
        return "fp16" if self.kind == "half" else "int8"


def variants(runtime: Runtime, config: Quantize, *, learned: bool) -> tuple[Variant, ...]:
    """What is made of the last network, beside fp32, in the profile's order.

    Static int8 in the first scheme of the profile, if need be of a network that learned in rounded
    numbers, and in each other scheme; dynamic int8 with the weights of the first scheme, and fp16
    where a file of half precision is what the runtime takes.

    Args:
        runtime: The target's.
        config: Which of them the recipe wants.
        learned: Whether the network learned from a teacher's answers, so that it can again.
    """
    schemes = [runtime.int8, *runtime.other_int8] if runtime.int8 else []
    names = told_apart([_named(scheme, schemes[0]) for scheme in schemes])
    found = [
        Variant(name, "static", scheme, required=place == 0)
        for place, (name, scheme) in enumerate(zip(names, schemes, strict=True))
    ]
    if found and learned and config.fine_tune is not None:
        found.insert(1, Variant(f"{found[0].name}-tuned", "static", schemes[0], tuned=True))
    if config.candidates == "first":
        return tuple(one for one in found if one.scheme is schemes[0])
    if schemes and runtime.provider in _DYNAMIC:
        found.append(Variant("int8-dynamic", "dynamic", schemes[0]))
    if "fp16" in runtime.precisions and runtime.provider not in _HALF_BY_OPTION:
        found.append(Variant("fp16", "half", None))
    return tuple(found)


def in_words(variant: Variant) -> str | None:
    """How int8 stands for real numbers, for a person; None where nothing is int8."""
    scheme = variant.scheme
    if scheme is None:
        return None
    weights = "a scale per channel" if scheme.per_channel else "a scale per tensor"
    symmetric = ", symmetric activations" if scheme.symmetric_activation else ""
    seven = ", seven-bit weights" if scheme.reduce_range else ""
    return f"{variant.kind} {scheme.label}, {weights}{symmetric}{seven}"


def _named(scheme: QuantizationScheme, first: QuantizationScheme) -> str:
    """After the scheme's label, and its weights where these alone tell it from the first."""
    name = f"int8-{scheme.label}"
    if scheme.label == first.label and scheme.per_channel != first.per_channel:
        return f"{name}-per-{'channel' if scheme.per_channel else 'tensor'}"
    return name
