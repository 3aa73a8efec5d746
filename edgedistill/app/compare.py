"""Any two ONNX files beside each other on the same samples: what the second does otherwise."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgedistill.app.compared import Compared, assemble_comparison
from edgedistill.app.compared_samples import bring, labels_for, read_names, ready, shown_split
from edgedistill.app.environment import processors
from edgedistill.app.foreign_model import read_foreign, require_runs, single_sample_faults
from edgedistill.app.matching import match_inputs
from edgedistill.app.paired_costs import costs_of
from edgedistill.app.side_by_side import Pair
from edgedistill.catalog.profiles import load
from edgedistill.core.profile import TargetProfile
from edgedistill.core.recipe import Benchmark
from edgedistill.core.stage import SilentProgress, StageContext
from edgedistill.errors import Fault, InputError
from edgedistill.render.comparison import comparison_markdown
from edgedistill.render.document import report_text
from edgedistill.render.page.comparison import comparison_html
from edgedistill.store import write_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edgedistill.core.comparison import Comparison
    from edgedistill.core.preprocessing import Preprocessing
    from edgedistill.core.recipe import Columns
    from edgedistill.core.stage import Progress

JSON_FILE = "compare.json"
MARKDOWN_FILE = "compare.md"
PAGE_FILE = "compare.html"
_OWN = (JSON_FILE, MARKDOWN_FILE, PAGE_FILE)
"""All that a comparison leaves in its folder."""


@dataclass(frozen=True)
class ComparisonRun:
    """A finished comparison."""

    folder: Path
    comparison: Comparison


def compare(  # noqa: PLR0913  # the public call; all but the first three have defaults
    first: str | Path,
    second: str | Path,
    data: str | Path,
    *,
    target: str | Path | TargetProfile = "host",
    out: str | Path | None = None,
    preprocessing: Preprocessing | Mapping[str, Any] | None = None,
    columns: Columns | Mapping[str, Any] | None = None,
    labels: bool = True,
    class_names: str | Path | Sequence[str] | None = None,
    samples: int | None = None,
    examples: int = 24,
    latency: bool = True,
    rounds: int = 30,
    runs_per_round: int = 10,
    seed: int = 0,
    threads: int | None = None,
    folders: Sequence[str | Path] = (),
    progress: Progress | None = None,
) -> ComparisonRun:
    """Says what one ONNX file does otherwise than another, whoever made them.

    With labels: accuracy, class by class and group by group, flips, calibration error and the
    samples that only the second gets wrong. Without: how near their outputs are, and how often
    their answers differ. Both are measured in interleaved rounds where the target is this machine,
    else estimated.

    Args:
        first: The ONNX file compared with, for instance a float model.
        second: The ONNX file judged, for instance its int8 twin. Its inputs are the first one's, by
            name, or by type and shape where there is one way only.
        data: A folder with a folder of pictures for each class; a folder of pictures; a .npz, a
            .npy or a folder of such with what the models take, where a .npz may hold `labels`
            (class numbers, -1 for unknown) and `groups` beside it; or a CSV file of texts with
            their classes.
        target: A profile's name, the path of a profile of your own, or a profile.
        out: Where to; SECOND.against.FIRST where absent. What an earlier comparison left there is
            replaced.
        preprocessing: What becomes of a picture or a text: a `Preprocessing`, or those of its keys
            that the models' metadata does not declare or declares otherwise.
        columns: What the columns of a CSV file are called, as in a recipe.
        labels: Whether labels are used where there are some.
        class_names: The classes in the order of the models' outputs, or a text file with a class a
            line; where absent, as the models' metadata says, or the folders in alphabetical order.
        samples: How many samples at most, drawn at random; all where absent.
        examples: How many samples that only the second gets wrong are kept at most; 0 for private
            data.
        latency: Whether latency is measured or estimated.
        rounds: Interleaved rounds of measuring.
        runs_per_round: Timed runs of each model in a round.
        seed: Draws the samples and the order of the measurement.
        threads: Processor threads for what is not timed; all of them where absent.
        folders: Folders of your own profiles.
        progress: Where it tells how far it is; None for nobody.

    Raises:
        InputError: If anything given is wrong; nothing is written.
        DeviceError: If the device failed.
    """
    _require_numbers(samples, examples)
    bench = Benchmark.read({"rounds": rounds, "runs_per_round": runs_per_round}, file="compare")
    profile = _profile(target, folders)
    files = Path(first), Path(second)
    folder = Path(out or f"{files[1].stem}.against.{files[0].stem}")
    _require_own(folder)
    threads, progress = threads or processors(), progress or SilentProgress()
    with tempfile.TemporaryDirectory(prefix="edgedistill-") as temporary:
        scratch = _Scratch(Path(temporary))
        pair = _read_pair(files, scratch)
        brought, origin = bring(pair, Path(data), preprocessing, columns, labelled=labels)
        brought = labels_for(brought, read_names(class_names), files).draw(samples, seed)
        taken = ready(brought, pair.first.inputs, scratch.new(), threads=threads, progress=progress)
        sample = taken.batch(np.array([0]))
        require_runs(pair.first.file, pair.first.whole.parent, sample)
        require_runs(pair.second.file, pair.second.whole.parent, pair.for_second(sample))
        asked = pair.ask(taken, threads=threads, progress=progress)
        context = StageContext(folder=scratch.new(), seed=seed, progress=progress, threads=threads)
        costs = costs_of(pair, taken, profile, bench=bench if latency else None, context=context)
        comparison = assemble_comparison(
            Compared(pair, brought, origin, asked, costs, profile),
            show=shown_split(brought, taken),
            examples=examples,
            seed=seed,
        )
    write_file(folder / PAGE_FILE, comparison_html(comparison).encode())
    write_file(folder / MARKDOWN_FILE, comparison_markdown(comparison).encode())
    write_file(folder / JSON_FILE, report_text(comparison).encode())
    return ComparisonRun(folder, comparison)


@dataclass
class _Scratch:
    """Empty folders that are gone at the end."""

    root: Path
    made: int = 0

    def new(self) -> Path:
        """One that is empty."""
        folder = self.root / str(self.made)
        folder.mkdir()
        self.made += 1
        return folder


def _read_pair(files: tuple[Path, Path], scratch: _Scratch) -> Pair:
    first, second = (read_foreign(file, scratch.new()) for file in files)
    faults = [
        fault for one in (first, second) for fault in single_sample_faults(one.file, one.inputs)
    ]
    if faults:
        raise InputError(*faults)
    return Pair(first, second, match_inputs(first.inputs, second.inputs, second.file))


def _profile(target: str | Path | TargetProfile, folders: Sequence[str | Path]) -> TargetProfile:
    if isinstance(target, TargetProfile):
        return target
    return load(str(target), [Path(folder) for folder in folders])


def _require_numbers(samples: int | None, examples: int) -> None:
    faults = [
        Fault(field=field, given=repr(number), problem=f"is below {least}", remedy="Give more")
        for field, number, least in (("samples", samples, 1), ("examples", examples, 0))
        if number is not None and not number >= least
    ]
    if faults:
        raise InputError(*faults)


def _require_own(folder: Path) -> None:
    """Refuses a folder that holds other things than a comparison.

    Raises:
        InputError: If it does.
    """
    if not folder.exists():
        return
    there = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else ["a file"]
    foreign = [name for name in there if name not in _OWN]
    if foreign:
        raise InputError(
            Fault(
                file=folder,
                given=", ".join(foreign[:5]),
                problem="holds other things than a comparison",
                remedy="Give another folder with --out",
            )
        )
