"""From a float ONNX file and unlabelled samples to the int8 file that is worth shipping."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgedistill.app.agreement_limits import AgreementLimits
from edgedistill.app.choose import SHIPPED
from edgedistill.app.environment import processors
from edgedistill.app.foreign_model import require_runs
from edgedistill.app.given_model import read_model
from edgedistill.app.given_preprocessing import (
    picture_preprocessing,
    require_picture_input,
    several_inputs,
)
from edgedistill.app.outcome import COMPLETE, RUNNING
from edgedistill.app.pipeline import execute
from edgedistill.app.quantize_results import (
    CANDIDATES_FOLDER,
    PAGE_FILE,
    REPORT_FILE,
    STATE_FILE,
    Asked,
    assemble_quantized,
    publish_quantized,
)
from edgedistill.app.quantize_road import Wishes, lay_quantize_road
from edgedistill.catalog.profiles import load
from edgedistill.core.attempts import TECHNIQUES
from edgedistill.core.preprocessing import Preprocessing
from edgedistill.core.profile import TargetProfile
from edgedistill.core.quantizing import Quantize
from edgedistill.core.recipe import Benchmark
from edgedistill.core.stage import Alone, SilentProgress
from edgedistill.core.strict import plain
from edgedistill.data.unlabelled import draw, find_samples
from edgedistill.errors import DiskFullError, Fault, InputError
from edgedistill.store import RunFolder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edgedistill.app.quantize_road import QuantizeRoad
    from edgedistill.core.quantized import QuantizeReport
    from edgedistill.core.stage import Progress
    from edgedistill.data.unlabelled import Found

_OWN = (".lock", "steps", STATE_FILE, REPORT_FILE, PAGE_FILE, SHIPPED, CANDIDATES_FOLDER)
"""All that a run leaves in its folder."""


@dataclass(frozen=True)
class QuantizeRun:
    """A finished run of `quantize`."""

    folder: Path
    report: QuantizeReport
    steps_made: int
    """How many steps this call ran; 0 where all was stored already."""
    steps_reused: int

    @property
    def model(self) -> Path:
        """The ONNX file that ships."""
        return self.folder / self.report.choice.file


def quantize(  # noqa: PLR0913  # the public call; all but the first three have defaults
    model: str | Path,
    data: str | Path,
    target: str | Path | TargetProfile = "host",
    *,
    out: str | Path | None = None,
    preprocessing: Preprocessing | Mapping[str, Any] | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    samples: int = 256,
    judging_samples: int = 1000,
    min_agreement: float = 0.99,
    max_relative_error: float | None = None,
    calibration: str = "min-max",
    methods: Sequence[str] = TECHNIQUES,
    candidates: str = "all",
    rounds: int = 30,
    runs_per_round: int = 10,
    seed: int = 0,
    threads: int | None = None,
    measure_again: bool = False,
    folders: Sequence[str | Path] = (),
    progress: Progress | None = None,
) -> QuantizeRun:
    """Quantizes a float ONNX file with unlabelled samples, and says what is worth shipping.

    The float model and its int8 twins in the target's schemes are compared on samples that did not
    calibrate, and measured in interleaved rounds where the target is this machine, else estimated.
    The fastest that agrees with the float model ships.

    Args:
        model: Any float ONNX file, with one or several inputs.
        data: A folder of pictures, of .npy files or of .npz files with an array for each input, or
            one such file. Arrays are what the model takes; one with as many axes as the model's
            input holds several samples, one with an axis less holds one.
        target: A profile's name, the path of a profile of your own, or a profile.
        out: The run folder, MODEL.TARGET where absent; the same call again takes what is finished
            there.
        preprocessing: What becomes of a picture: a `Preprocessing`, or those of its keys that the
            model's metadata does not declare or declares otherwise (color, resize, center_crop,
            scale, mean, std, layout).
        shapes: By input name, the whole shape with a batch of 1 first, for inputs whose open sizes
            are to be fixed in what ships; needed where the target takes fixed sizes only.
        samples: How many calibrate at most.
        judging_samples: How many others judge at most.
        min_agreement: What agrees less with the float model does not ship; a fraction.
        max_relative_error: What is further from the float model's outputs does not ship: root mean
            square of the difference over that of their spread. None for no such limit.
        calibration: How the range of an activation follows from the samples, as a recipe names it.
        methods: What may be tried where plain int8 does not agree, as a recipe names it; () for
            nothing.
        candidates: all, or first for fp32 and static int8 in the profile's first scheme alone.
        rounds: Interleaved rounds of measuring.
        runs_per_round: Timed runs of each candidate in a round.
        seed: Draws the samples and the order of the measurement.
        threads: Processor threads for everything that is not timed; all of them where absent.
        measure_again: Takes new latency samples in place of stored ones.
        folders: Folders of your own profiles.
        progress: Where it tells how far it is; None for nobody.

    Raises:
        InputError: If anything given is wrong; nothing half-written is left.
        DeviceError: If the device failed.
    """
    limits = AgreementLimits(min_agreement, max_relative_error)
    _require_numbers(samples, judging_samples, limits)
    quantizing = {
        "calibration": calibration,
        "candidates": candidates,
        "methods": list(methods),
        "min_int8_share": _MIN_INT8_SHARE,
    }
    config = Quantize.read(quantizing, file="quantize")
    bench = Benchmark.read({"rounds": rounds, "runs_per_round": runs_per_round}, file="quantize")
    threads = threads or processors()
    profile = _profile(target, folders)
    runtime = profile.runtimes[profile.default_runtime]
    with tempfile.TemporaryDirectory(prefix="edgedistill-") as scratch:
        fixed = {name: tuple(shape) for name, shape in (shapes or {}).items()}
        given = read_model(Path(model), runtime, profile, fixed, Path(scratch))
        found = find_samples(Path(data))
        declared, origin = _preprocessing(given.file, found, preprocessing, len(given.inputs))
        drawn = draw(
            found,
            given.inputs,
            preprocessing=declared,
            calibration=samples,
            judging=judging_samples,
            seed=seed,
            threads=threads,
        )
        if declared is not None:
            require_picture_input(given.file, given.inputs, declared, drawn.pixels())
        require_runs(given.file, Path(scratch), drawn.first())
    asked = Asked(given, drawn, profile, profile.default_runtime, declared, origin)
    wishes = Wishes(config, bench, limits, seed, threads)
    road = lay_quantize_road(given, drawn, profile, runtime, wishes)
    folder = Path(out or f"{given.file.stem}.{profile.name}")
    return _run(
        asked,
        road,
        folder,
        wishes,
        measure_again=measure_again,
        progress=progress or SilentProgress(),
    )


_MIN_INT8_SHARE = 0.5
"""How many of the heavy operators must run in int8, else the float model is not worth leaving. How
many do stands in the report, and what they are worth is measured."""


def _run(
    asked: Asked,
    road: QuantizeRoad,
    folder: Path,
    wishes: Wishes,
    *,
    measure_again: bool,
    progress: Progress,
) -> QuantizeRun:
    """Runs the road in a folder, which is as it was where what was given turns out wrong."""
    is_new = _require_own(folder)
    try:
        with RunFolder(folder) as run:
            if measure_again and road.measurement is not None:
                run.discard(road.measurement.name, road.measurement.key)
            _begin(run, asked)
            finished = execute(
                road.plan,
                run,
                seed=wishes.seed,
                threads=wishes.threads,
                progress=progress,
                checks={},
                company=Alone(),
            )
            report = assemble_quantized(asked, road, finished, wishes)
            publish_quantized(run, report, road, finished)
            run.write(STATE_FILE, asked.document(COMPLETE))
    except DiskFullError:
        raise
    except InputError:
        if is_new:
            shutil.rmtree(folder)
        raise
    return QuantizeRun(folder, report, finished.made, finished.reused)


def _begin(run: RunFolder, asked: Asked) -> None:
    """Marks the run as running, and takes away what a run of another kind or model left here."""
    state = run.root / STATE_FILE
    same = (asked.document(RUNNING), asked.document(COMPLETE))
    if not state.is_file() or state.read_bytes() not in same:
        for left in (REPORT_FILE, PAGE_FILE, SHIPPED, CANDIDATES_FOLDER):
            run.remove(left)
    run.write(STATE_FILE, asked.document(RUNNING))


def _preprocessing(
    model: Path,
    found: Found,
    given: Preprocessing | Mapping[str, Any] | None,
    inputs: int,
) -> tuple[Preprocessing | None, Any]:
    """What is done to the samples, and who said so; nothing where they are arrays."""
    whole = isinstance(given, Preprocessing)
    keys = plain(given) if isinstance(given, Preprocessing) else dict(given or {})
    if found.kind == "pictures":
        if inputs > 1:
            raise InputError(several_inputs(model, inputs))
        return picture_preprocessing(model, keys, whole=whole)
    if keys:
        raise InputError(
            Fault(
                file=found.path,
                given=", ".join(sorted(keys)),
                problem="holds arrays, which are taken as they are, and a preprocessing is given",
                remedy="Leave the preprocessing out, or give pictures",
            )
        )
    return None, None


def _profile(target: str | Path | TargetProfile, folders: Sequence[str | Path]) -> TargetProfile:
    if isinstance(target, TargetProfile):
        return target
    return load(str(target), [Path(folder) for folder in folders])


def _require_numbers(samples: int, judging_samples: int, limits: AgreementLimits) -> None:
    faults = [
        Fault(field=field, given=repr(number), problem="is below 1", remedy="Give 1 or more")
        for field, number in (("samples", samples), ("judging_samples", judging_samples))
        if not number >= 1
    ]
    faults += limits.faults()
    if faults:
        raise InputError(*faults)


def _require_own(folder: Path) -> bool:
    """Refuses a folder that holds other things than a run of this kind; whether it is new."""
    if not folder.exists():
        return True
    if not folder.is_dir():
        raise InputError(
            Fault(file=folder, problem="is a file", remedy="Give another folder with --out")
        )
    there = sorted(path.name for path in folder.iterdir())
    if not there:
        return True
    begun = (folder / STATE_FILE).is_file() or set(there) <= {".lock", "steps"}
    if begun and set(there) <= {*_OWN, *(f".{name}.unfinished" for name in _OWN)}:
        return False
    foreign = [name for name in there if name not in _OWN] or there
    raise InputError(
        Fault(
            file=folder,
            given=", ".join(foreign[:5]),
            problem="holds other things, which are not overwritten",
            remedy="Give another folder with --out",
        )
    )
