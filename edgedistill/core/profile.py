"""A target profile: what a device is and how it likes its models."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from edgedistill.core.budget import Budget
from edgedistill.core.fitted import FittedCost
from edgedistill.core.hardware import Accelerator, Cluster, IsaLevel, PowerMode, Source
from edgedistill.core.opening import OpenedWith, Opening
from edgedistill.core.strict import Strict

NAME_PATTERN = r"^[a-z0-9][a-z0-9.-]*$"

Precision = Literal["fp32", "fp16", "int8"]
"""What numbers a network computes with."""

_SOURCED = {
    "memory_source": "memory_mb",
    "memory_bandwidth_source": "memory_bandwidth_gb_per_s",
}


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
    fall_back: Literal["float", "sixteen-bit-activations"] = "float"
    """What single operators fall back to where eight bits cost too much accuracy: float, or
    activations of sixteen bits where the runtime's unit computes in them and leaves float to
    another."""
    reason: str
    """Why this scheme, with the source."""

    @model_validator(mode="after")
    def _sixteen_bits_are_unsigned(self) -> Self:
        if self.fall_back != "float" and (self.activation == "int8" or self.symmetric_activation):
            raise ValueError(
                "fall_back to sixteen bits needs unsigned activations that are not symmetric. "
                "Give activation: uint8, or fall_back: float"
            )
        return self

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
    precisions: tuple[Precision, ...] = Field(strict=False, min_length=1)
    """What this runtime runs."""
    default_precision: Literal["fp32", "int8"]
    """What ships where nothing was measured or the measurement cannot tell."""
    threads: int = Field(default=1, ge=1)
    """Threads of one inference."""
    int8: QuantizationScheme | None = None
    """The int8 scheme; absent where the runtime runs no int8."""
    other_int8: tuple[QuantizationScheme, ...] = Field(default=(), strict=False)
    """Further schemes that the runtime runs well, worth a measurement."""
    openings: dict[Precision, Opening] = Field(default_factory=dict)
    """By what a file holds: how its session is opened where the provider's defaults would not run
    it, or not as meant."""
    cost: dict[Precision, FittedCost] = Field(default_factory=dict)
    """By precision: fitted parameters of the cost model."""
    source: Source
    """Where these facts stand."""

    @model_validator(mode="after")
    def _int8_has_a_scheme(self) -> Self:
        if ("int8" in self.precisions) != (self.int8 is not None):
            raise ValueError(
                "int8 in precisions and a scheme under int8 belong together. Give both or neither"
            )
        if self.default_precision not in self.precisions:
            raise ValueError("default_precision is not one of precisions. Choose one of them")
        if self.int8 is None and self.other_int8:
            raise ValueError("other_int8 needs a first choice. Give it under int8")
        _refuse_costs_of_other_precisions(self.cost, self.precisions)
        return self

    def opened_with(self, holds: Precision) -> OpenedWith:
        """What a session of a file is opened with.

        Args:
            holds: The narrowest numbers in the file.
        """
        own = self.openings.get(holds)
        special = {} if own is None else own.model_dump(exclude={"source"})
        return OpenedWith(provider=self.provider, threads=self.threads, **special)


class ConvertedRuntime(Strict):
    """A runtime that takes a file of its own: latencies are estimated, models are not made for it.

    A recipe cannot choose it. It is here because measurements of it are published, and because a
    reader may want to know what a converted model would cost.
    """

    engine: str
    """The runtime's name, with the version its measurements belong to where that is known."""
    file_format: str
    """What it reads, for instance tflite or ncnn."""
    precisions: tuple[Precision, ...] = Field(strict=False, min_length=1)
    """What this runtime runs on the device."""
    threads: int = Field(default=1, ge=1)
    """Threads of one inference."""
    int8_reason: str | None = None
    """How it stands with int8 here, with the source; absent where it runs no int8."""
    cost: dict[Precision, FittedCost] = Field(default_factory=dict)
    """By precision: fitted parameters of the cost model."""
    source: Source
    """Where these facts stand."""

    @model_validator(mode="after")
    def _int8_has_a_reason(self) -> Self:
        if ("int8" in self.precisions) != (self.int8_reason is not None):
            raise ValueError(
                "int8 in precisions and int8_reason belong together. Give both or neither"
            )
        _refuse_costs_of_other_precisions(self.cost, self.precisions)
        return self


class DefaultBudget(Strict):
    """What this device is usually asked to keep; a choice with a reason, not a fact."""

    limits: Budget
    """The limits."""
    reason: str
    """Why these."""


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
    memory_source: Source | None = Field(default=None, validate_default=True)
    """Where the memory's size stands."""
    memory_type: str | None = None
    """Kind and width of the memory, for instance LPDDR4-3200, 32 bits."""
    memory_bandwidth_gb_per_s: float | None = Field(default=None, gt=0)
    """Bandwidth between memory and chip by the data sheet (10^9 bytes a second); one core reaches
    a part of it."""
    memory_bandwidth_source: Source | None = Field(default=None, validate_default=True)
    """Where the bandwidth stands, or what it follows from."""
    power_modes: tuple[PowerMode, ...] = Field(default=(), strict=False)
    """The power modes; empty where no figure is published."""
    default_power_mode: str | None = Field(default=None, validate_default=True)
    """The mode that the clocks of clusters and accelerators and the energy figures belong to."""
    runtimes: dict[str, Runtime] = Field(min_length=1)
    """By name, for instance cpu: the runtimes that the device has."""
    default_runtime: str
    """The runtime of a recipe that names none."""
    converted_runtimes: dict[str, ConvertedRuntime] = Field(default_factory=dict)
    """By name, for instance ncnn: runtimes that read no ONNX file, for estimates only."""
    accelerators: tuple[Accelerator, ...] = Field(default=(), strict=False)
    """GPU, NPU and the like."""
    default_budget: DefaultBudget | None = None
    """Limits worth starting from where the user has none of their own."""
    notes: tuple[str, ...] = Field(default=(), strict=False)
    """What a reader should know about the device."""

    # Checks of single fields, so that all that is wrong is told at once, each with its field.
    # A check that needs another field passes where that one is wrong itself and told already.

    @field_validator("memory_source", "memory_bandwidth_source")
    @classmethod
    def _a_figure_has_its_source(cls, source: str | None, info: ValidationInfo) -> str | None:
        figure = _SOURCED[str(info.field_name)]
        if figure in info.data and (info.data[figure] is None) != (source is None):
            raise ValueError(f"belongs together with {figure}. Give both or neither")
        return source

    @field_validator("power_modes")
    @classmethod
    def _no_mode_stands_twice(cls, modes: tuple[PowerMode, ...]) -> tuple[PowerMode, ...]:
        if len({mode.name for mode in modes}) < len(modes):
            raise ValueError("has a name twice. Keep one of the two")
        return modes

    @field_validator("default_power_mode")
    @classmethod
    def _default_power_mode_exists(cls, name: str | None, info: ValidationInfo) -> str | None:
        modes = [mode.name for mode in info.data.get("power_modes", ())]
        if "power_modes" in info.data and name not in (modes or [None]):
            raise ValueError(
                "is not one of power_modes. "
                + (f"Choose one of: {', '.join(modes)}" if modes else "Leave it out")
            )
        return name

    @field_validator("default_runtime")
    @classmethod
    def _default_runtime_exists(cls, name: str, info: ValidationInfo) -> str:
        runtimes = info.data.get("runtimes")
        if runtimes is not None and name not in runtimes:
            raise ValueError(
                f"is not one of runtimes. Choose one of: {', '.join(sorted(runtimes))}"
            )
        return name

    @field_validator("converted_runtimes")
    @classmethod
    def _no_runtime_stands_twice(
        cls, converted: dict[str, ConvertedRuntime], info: ValidationInfo
    ) -> dict[str, ConvertedRuntime]:
        both = sorted(converted.keys() & info.data.get("runtimes", {}).keys())
        if both:
            raise ValueError(f"'{both[0]}' stands in runtimes too. Rename one of the two")
        return converted

    @field_validator("accelerators")
    @classmethod
    def _served_by_what_there_is(
        cls, accelerators: tuple[Accelerator, ...], info: ValidationInfo
    ) -> tuple[Accelerator, ...]:
        if not {"runtimes", "converted_runtimes"} <= info.data.keys():
            return accelerators
        known = {*info.data["runtimes"], *info.data["converted_runtimes"]}
        missing = {name for unit in accelerators for name in unit.served_by} - known
        if missing:
            raise ValueError(
                f"served_by names '{min(missing)}', which is not one of runtimes. "
                f"Choose one of: {', '.join(sorted(known))}"
            )
        return accelerators

    @property
    def isa_level(self) -> IsaLevel:
        """How the processor multiplies int8, by the first cluster: profiles list the fastest."""
        return self.clusters[0].isa_level if self.clusters else "none"


def _refuse_costs_of_other_precisions(
    cost: dict[Precision, FittedCost], precisions: tuple[Precision, ...]
) -> None:
    others = sorted(cost.keys() - set(precisions))
    if others:
        raise ValueError(
            f"cost has the precision '{others[0]}', which is not one of precisions. Add it there "
            "or leave its cost out"
        )
