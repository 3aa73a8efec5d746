"""What pruned networks cost on a target, each in the form in which it would ship.

Measured in interleaved rounds beside the unpruned network where the device is at hand, estimated
where it is away, counted where the goal is the file itself.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Literal

import numpy as np

from edgedistill.app.estimate import estimate
from edgedistill.app.forms import FP32
from edgedistill.app.latencies import reason_of
from edgedistill.app.reach import transport
from edgedistill.bench.measure import Candidate, Measuring
from edgedistill.bench.samples import read_samples
from edgedistill.bench.statistics import percentile_interval, ratio_interval
from edgedistill.core.engine import engine_of
from edgedistill.core.evidence import Evidence, Quantity
from edgedistill.core.recipe import Benchmark
from edgedistill.core.stage import StageContext
from edgedistill.cost.graph import count
from edgedistill.cost.memory import peak_memory
from edgedistill.cost.model_file import file_size_mb
from edgedistill.errors import Fault, InputError
from edgedistill.stages.prune.pricing import Price, Prices
from edgedistill.units import NS_PER_MS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edgedistill.app.forms import Forms
    from edgedistill.bench.samples import Samples
    from edgedistill.core.profile import TargetProfile
    from edgedistill.models import Network

PricedGoal = Literal["max_size_mb", "max_peak_memory_mb", "target_latency_ms"]
"""The goals whose cost only the finished file has."""
_UNPRUNED = "unpruned"
_ROUNDS = 40
_RUNS = (2, 20)
_MACS_A_ROUND = 1e9
"""About so many multiply-accumulates are run of each network in a round, within `_RUNS`."""
_FAR_SLOWER = 1.3
"""Forms that take so many times as long as the quickest, unpruned, are left out."""
_CONFIDENCE = 0.95
_MEASURED_SAMPLES = 8


@dataclass(frozen=True)
class ShippedPricing:
    """Prices of networks as the files that would ship to one target.

    Attributes:
        goal: What is asked for.
        forms: Makes the files.
        profile: The device.
        runtime: The name of the runtime that runs them.
    """

    goal: PricedGoal
    forms: Forms
    profile: TargetProfile
    runtime: str
    _unpruned: dict[str, bytes] = field(default_factory=dict)
    """The files of the unpruned network, by form, of the forms that are in the running."""

    @property
    def exact(self) -> bool:
        """Whether the same file has the same price each time."""
        return self.goal != "target_latency_ms" or not self._measured

    def prices(
        self, unpruned: Network, networks: Sequence[Network], folder: Path, context: StageContext
    ) -> Prices:
        """The prices of some networks; see `edgedistill.stages.prune.pricing.Pricing`.

        Raises:
            InputError: If there is no way to tell the price on this target.
            DeviceError: If the device failed.
        """
        with tempfile.TemporaryDirectory(dir=folder, prefix=".work-") as work:
            files = {_UNPRUNED: self._whole(unpruned, Path(work), context)}
            for place, network in enumerate(networks):
                name, forms = f"{place}", self._unpruned.keys()
                files[name] = self.forms.write(network, Path(work) / name, context, only=forms)
            if self.goal == "target_latency_ms" and self._measured:
                return self._by_measuring(files, folder, context)
            return self._one_by_one(files)

    @property
    def _measured(self) -> bool:
        return self.profile.transport != "none"

    def _whole(self, network: Network, work: Path, context: StageContext) -> Mapping[str, Path]:
        """The unpruned network's files, made once; it takes part in every batch."""
        folder = work / _UNPRUNED
        if not self._unpruned:
            found = self._in_the_running(self.forms.write(network, folder, context), work)
            self._unpruned.update({form: file.read_bytes() for form, file in found.items()})
            return found
        folder.mkdir()
        found = {form: folder / f"{form}.onnx" for form in self._unpruned}
        for form, content in self._unpruned.items():
            found[form].write_bytes(content)
        return found

    def _in_the_running(self, files: Mapping[str, Path], work: Path) -> Mapping[str, Path]:
        """The forms that may turn out cheapest: fp32, and what is not far slower unpruned."""
        if self.goal != "target_latency_ms":
            form = self.forms.default if self.forms.default in files else FP32
            return {form: files[form]}
        if len(files) == 1:
            return files
        if not self._measured:
            return {form: files[form] for form in dict.fromkeys((FP32, self._figure(files)[1]))}
        folder = work / "race"
        folder.mkdir()
        samples = self._measure({_UNPRUNED: files}, folder, StageContext(folder))
        middles = {form: _middle(samples, f"{_UNPRUNED} {form}") for form in files}
        far = _FAR_SLOWER * min(middles.values())
        return {form: file for form, file in files.items() if form == FP32 or middles[form] <= far}

    def _by_measuring(
        self, files: Mapping[str, Mapping[str, Path]], folder: Path, context: StageContext
    ) -> Prices:
        """Every form of every network takes its turn in every round."""
        samples = self._measure(files, folder, context)
        form = min(files[_UNPRUNED], key=lambda one: _middle(samples, f"{_UNPRUNED} {one}"))
        reference = f"{_UNPRUNED} {form}"
        return Prices(
            unpruned=_milliseconds(samples, reference),
            form=form,
            networks=tuple(
                min(
                    (_price(samples, name, form, reference) for form in forms),
                    key=lambda price: price.share,
                )
                for name, forms in files.items()
                if name != _UNPRUNED
            ),
        )

    def _measure(
        self, files: Mapping[str, Mapping[str, Path]], folder: Path, context: StageContext
    ) -> Samples:
        candidates = tuple(
            Candidate(name=f"{name} {form}", model=file)
            for name, forms in files.items()
            for form, file in forms.items()
        )
        least, most = _RUNS
        macs = max(1, count(next(iter(files[_UNPRUNED].values()))).macs)
        runs = round(min(most, max(least, _MACS_A_ROUND / macs)))
        split = self.forms.dataset.validation
        Measuring(
            candidates=candidates,
            inputs=split.batch(np.arange(min(_MEASURED_SAMPLES, len(split)))),
            config=Benchmark(rounds=_ROUNDS, runs_per_round=runs),
            transport=transport(),
            device=self.profile.name,
            runtime=self.forms.runtime,
        ).run(StageContext(folder, context.seed, context.threads))
        return read_samples(folder)

    def _one_by_one(self, files: Mapping[str, Mapping[str, Path]]) -> Prices:
        """What is counted or estimated of each file."""
        figures = {name: self._figure(forms) for name, forms in files.items()}
        unpruned, form = figures.pop(_UNPRUNED)
        return Prices(
            unpruned=unpruned,
            form=form,
            networks=tuple(
                Price(
                    share=own.value / unpruned.value,
                    low=own.low / unpruned.value,
                    high=own.high / unpruned.value,
                    form=its_form,
                )
                for own, its_form in figures.values()
            ),
        )

    def _figure(self, forms: Mapping[str, Path]) -> tuple[Quantity, str]:
        """A network's figure and its form: the quickest, or for a size or memory the default."""
        if self.goal == "target_latency_ms":
            found = {form: self._estimated(file) for form, file in forms.items()}
            known = {form: own for form, own in found.items() if isinstance(own, Quantity)}
            if not known:
                raise self._no_estimate(str(found[FP32]))
            form = min(known, key=lambda one: known[one].value)
            return known[form], form
        ((form, file),) = forms.items()
        if self.goal == "max_size_mb":
            return file_size_mb(file), form
        if engine_of(self.forms.runtime) != "onnxruntime-cpu":
            raise self._no_memory()
        return peak_memory(file, machine=self.profile.machine), form

    def _estimated(self, file: Path) -> Quantity | str:
        """The estimated latency of a file, or why there is none."""
        try:
            found = estimate(file, self.profile, runtime=self.runtime)
        except InputError as error:  # the file runs, but its sizes cannot be told beforehand
            return reason_of(error)
        return found.latency_ms or found.reason or "nothing is known of it"

    def _no_estimate(self, reason: str) -> InputError:
        return InputError(
            Fault(
                field="stages.prune.target_latency_ms",
                given=f"target {self.profile.name}, runtime {self.runtime}",
                problem=f"the device is not at hand, and its latency cannot be estimated: {reason}",
                remedy="Run on the device itself with the target host, choose a runtime that has "
                "a cost (edgedistill targets show), fit one from your own measurements "
                "(edgedistill targets fit), or give macs_ratio in place of target_latency_ms",
            )
        )

    def _no_memory(self) -> InputError:
        return InputError(
            Fault(
                field="stages.prune.max_peak_memory_mb",
                given=f"target {self.profile.name}, runtime {self.runtime}",
                problem="how much memory an inference takes is known for ONNX Runtime on a "
                "processor only",
                remedy="Give max_size_mb or parameters_ratio in place of max_peak_memory_mb",
            )
        )


def _clock(samples: Samples) -> Mapping[str, Sequence[Sequence[int]]]:
    """The processor's clock on one thread: it does not count what else the machine does."""
    return samples.cpu_ns if samples.processor_bound else samples.wall_ns


def _middle(samples: Samples, name: str) -> float:
    return median(run for runs in _clock(samples)[name] for run in runs)


def _price(samples: Samples, name: str, form: str, reference: str) -> Price:
    """One form of a network against the unpruned network, round by round."""
    above, below = _clock(samples)[f"{name} {form}"], _clock(samples)[reference]
    found = ratio_interval(above, below, _CONFIDENCE)
    if found is not None:
        return Price(share=found.value, low=found.low, high=found.high, form=form)
    ratios = [median(own) / median(its) for own, its in zip(above, below, strict=True)]
    return Price(share=median(ratios), low=min(ratios), high=max(ratios), form=form)


def _milliseconds(samples: Samples, name: str) -> Quantity:
    """The median latency of one model."""
    rounds = samples.wall_ns[name]
    value = median(run for runs in rounds for run in runs)
    found = percentile_interval(rounds, 0.5, _CONFIDENCE)
    ends = [median(runs) for runs in rounds]
    low, high = (found.low, found.high) if found else (min(ends), max(ends))
    return Quantity(
        value=value / NS_PER_MS,
        low=min(low, value) / NS_PER_MS,
        high=max(high, value) / NS_PER_MS,
        confidence=_CONFIDENCE,
        evidence=Evidence.MEASURED_ON_DEVICE,
        samples=sum(map(len, rounds)),
        method="median wall clock of one inference of the unpruned network; of a pruned one, that "
        "times the median over interleaved rounds of its share of the unpruned network's time",
    )
