"""A target profile: what a device is and how it likes its models."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from edgedistill.core.strict import Strict

NAME_PATTERN = r"^[a-z0-9][a-z0-9.-]*$"


class Cluster(Strict):
    """One group of equal processor cores."""

    core: str
    """The core's name, for instance Cortex-A76."""
    count: int = Field(ge=1)
    """How many cores the cluster has."""
    clock_ghz: float | None = Field(default=None, gt=0)
    """Highest clock in GHz; unknown where the machine does not tell."""
    isa_flags: tuple[str, ...] = Field(default=(), strict=False)
    """What chooses a kernel: neon, fp16, dotprod, i8mm, sve2, avx2, avx512_vnni and the like."""
    source: str
    """Where these figures stand."""


class QuantizationScheme(Strict):
    """How int8 numbers stand for real ones on a runtime."""

    activation: Literal["uint8", "int8"]
    """Type of the activations."""
    weight: Literal["int8", "uint8"] = "int8"
    """Type of the weights."""
    per_channel: bool = True
    """One weight scale per output channel instead of one per tensor."""
    symmetric_activation: bool = False
    """Zero point 0 for activations (TensorRT wants it)."""
    symmetric_weight: bool = True
    """Zero point 0 for weights."""
    reduce_range: bool = False
    """Seven-bit weights, for x86 processors without VNNI, whose 16-bit sums saturate."""
    reason: str
    """Why this scheme, with the source."""

    @property
    def label(self) -> str:
        """The usual short name, for instance U8S8."""
        letters = {"uint8": "U8", "int8": "S8"}
        return letters[self.activation] + letters[self.weight]


class Runtime(Strict):
    """What one runtime on the device accepts and how it likes int8."""

    provider: str
    """ONNX Runtime execution provider, for instance CPUExecutionProvider."""
    max_opset: int = Field(ge=13)
    """The newest ONNX operator set that the runtime accepts."""
    max_ir_version: int = Field(ge=7)
    """The newest version of the ONNX file format that the runtime accepts."""
    shapes: Literal["static", "dynamic"] = "dynamic"
    """static: the model is exported for one sample at a time."""
    precisions: tuple[Literal["fp32", "fp16", "int8"], ...] = Field(strict=False, min_length=1)
    """What this runtime runs."""
    default_precision: Literal["fp32", "int8"]
    """What ships where nothing was measured or the measurement cannot tell."""
    threads: int = Field(default=1, ge=1)
    """Threads of one inference."""
    int8: QuantizationScheme | None = None
    """The int8 scheme; absent where the runtime runs no int8."""
    source: str
    """Where these facts stand."""

    @model_validator(mode="after")
    def _int8_has_a_scheme(self) -> Self:
        if ("int8" in self.precisions) != (self.int8 is not None):
            raise ValueError(
                "int8 in precisions and a scheme under int8 belong together. Give both or neither"
            )
        if self.default_precision not in self.precisions:
            raise ValueError("default_precision is not one of precisions. Choose one of them")
        return self


class TargetProfile(Strict):
    """A device: processors, memory, runtimes; every figure with its source."""

    schema_version: Literal[1]
    """Version of this document's schema."""
    name: str = Field(pattern=NAME_PATTERN)
    """What recipes call the target: the file's name without its suffix."""
    title: str
    """The name a person knows it by."""
    soc: str | None = None
    """The system on a chip."""
    machine: str
    """Instruction set, for instance aarch64 or x86_64; `host` for this machine's own."""
    transport: Literal["local", "none"] = "none"
    """How the device is reached: local is this machine; none is not at hand."""
    clusters: tuple[Cluster, ...] = Field(default=(), strict=False)
    """The processor's cores, alike ones together; empty where unknown."""
    memory_mb: int | None = Field(default=None, gt=0)
    """Main memory (10^6 bytes); the smallest board sold where there are several."""
    memory_source: str | None = None
    """Where the memory's size stands."""
    accelerator: str | None = None
    """GPU or NPU, as the maker calls it."""
    runtimes: dict[str, Runtime] = Field(min_length=1)
    """By name, for instance cpu: the runtimes that the device has."""
    default_runtime: str
    """The runtime of a recipe that names none."""
    notes: tuple[str, ...] = Field(default=(), strict=False)
    """What a reader should know about the device."""

    @model_validator(mode="after")
    def _default_runtime_exists(self) -> Self:
        if self.default_runtime not in self.runtimes:
            raise ValueError(
                f"default_runtime '{self.default_runtime}' is not one of runtimes. "
                f"Choose one of: {', '.join(sorted(self.runtimes))}"
            )
        return self
