"""The steps that need a target's device at hand: latencies, and where the time goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgedistill.app.reach import device_facts, transport
from edgedistill.app.shipping import MODEL_FILE
from edgedistill.bench.candidates import Candidate
from edgedistill.bench.measure import Measuring
from edgedistill.bench.profile import Profiling
from edgedistill.core.strict import plain
from edgedistill.data import open_dataset

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from edgedistill.app.plan import Plan, PlannedStep
    from edgedistill.app.resolve import Resolved
    from edgedistill.core.recipe import Benchmark

_MEASURED_SAMPLES = 8
_CODE = ("bench", "devices", "worker.py")


@dataclass(frozen=True)
class DeviceSteps:
    """Plans what is measured on one target's device.

    Candidates that could not be made have no file and take no part.

    Attributes:
        target: The target's name.
        resolved: The recipe and profiles.
        plan: Where the steps go.
        data: The step with the prepared data.
        exports: What each network is called in the samples, to the step that writes its ONNX file.
        config: How many rounds.
    """

    target: str
    resolved: Resolved
    plan: Plan
    data: PlannedStep
    exports: Mapping[str, PlannedStep]
    config: Benchmark

    def latencies(self, name: str = "measure", called: str = "") -> PlannedStep:
        """Raw latency samples of all these ONNX files, interleaved on the device.

        Args:
            name: The step's.
            called: Whose files they are, where they are not all.
        """

        def make(folders: Mapping[str, Path]) -> Measuring:
            return Measuring(**self._measured(folders))

        return self.plan.add(
            name,
            f"{name}: {called}latency on {self._device}, {self.config.rounds} interleaved rounds",
            config={"benchmark": plain(self.config), **self._device_facts()},
            inputs={"data": self.data, **self.exports},
            code=_CODE,
            make=make,
            target=self.target,
        )

    def operators(self) -> PlannedStep | None:
        """Raw times of every operator; None where the runtime's profiler does not tell them.

        Other providers than the processor's own take whole parts of a graph as one operator.
        """
        if self.resolved.runtime(self.target)[1].provider != "CPUExecutionProvider":
            return None

        def make(folders: Mapping[str, Path]) -> Profiling:
            return Profiling(**self._measured(folders))

        told = {key: plain(self.config)[key] for key in ("warmup_runs", "rounds")}
        return self.plan.add(
            "profile",
            f"profile: every operator on {self._device}, {self.config.rounds} interleaved rounds",
            config={"benchmark": told, **self._device_facts()},
            inputs={"data": self.data, **self.exports},
            code=_CODE,
            make=make,
            target=self.target,
        )

    @property
    def _device(self) -> str:
        return self.resolved.profiles[self.target].name

    def _device_facts(self) -> dict[str, Any]:
        """What of the device enters a step's key."""
        return device_facts(
            self.resolved.profiles[self.target], self.resolved.runtime(self.target)[1]
        )

    def _measured(self, folders: Mapping[str, Path]) -> dict[str, Any]:
        samples = open_dataset(folders["data"]).validation
        return {
            "candidates": tuple(
                Candidate(name=name, model=folders[name] / MODEL_FILE)
                for name in self.exports
                if (folders[name] / MODEL_FILE).is_file()
            ),
            "inputs": samples.batch(np.arange(min(_MEASURED_SAMPLES, len(samples)))),
            "config": self.config,
            "transport": transport(),
            "device": self._device,
            "runtime": self.resolved.runtime(self.target)[1],
        }
