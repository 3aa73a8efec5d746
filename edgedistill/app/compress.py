"""The main use case: from a recipe, or from live objects, to a gated model per target."""

from __future__ import annotations

import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from edgedistill.app.asked_teacher import require_askable
from edgedistill.app.assemble import assemble
from edgedistill.app.given_files import given_files
from edgedistill.app.live import (
    data_document,
    model_document,
    source_of,
    students_document,
    targets_document,
)
from edgedistill.app.networks import Networks
from edgedistill.app.outcome import (
    COMPLETE,
    LOCK_FILE,
    REPORT_FILE,
    RUNNING,
    STATE_FILE,
    TARGETS_FOLDER,
    CompressionRun,
    state_document,
    verdicts_of,
)
from edgedistill.app.pipeline import execute, follow
from edgedistill.app.plan import tree
from edgedistill.app.publish import code_of, notes_of, publish, publish_index
from edgedistill.app.resolve import resolve
from edgedistill.app.road import lay_road
from edgedistill.app.shelf import Shelf
from edgedistill.company import company_of_launch
from edgedistill.core.recipe import Recipe
from edgedistill.core.report import Report
from edgedistill.core.stage import SilentProgress
from edgedistill.data import open_dataset, open_source
from edgedistill.render.page.index import INDEX_FILE
from edgedistill.stages.distill import require_layers
from edgedistill.store import RunFolder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torch import nn

    from edgedistill.app.live import AnyModel
    from edgedistill.app.resolve import Resolved
    from edgedistill.app.road import Road
    from edgedistill.core.budget import Budget
    from edgedistill.core.learning import LayerPair
    from edgedistill.core.stage import Company, Progress
    from edgedistill.data import Dataset, Source
    from edgedistill.models import Live


def compress(  # noqa: PLR0913  # the public call; every argument is a part of a recipe
    *,
    teacher: AnyModel,
    data: str | Mapping[str, Any],
    targets: Mapping[str, Budget | Mapping[str, Any]] | Sequence[str],
    out: str | Path,
    student: AnyModel | Sequence[AnyModel] | None = None,
    stages: Mapping[str, Any] | None = None,
    name: str | None = None,
    seed: int = 0,
    threads: int | None = None,
    progress: Progress | None = None,
) -> CompressionRun:
    """Compresses a network for one or more targets.

    Args:
        teacher: A torch module with its weights, a source such as `builtin:residual-cnn`, or a
            mapping with the keys of a recipe's `teacher`.
        data: Live data: a mapping with `train` and, where they exist, `validation` and `test`,
            each a DataLoader of (inputs, labels) batches or a tuple (inputs, labels[, groups]) of
            arrays, `class_names`, and the keys of a recipe's `data` that are wanted
            (`preprocessing`, `splits`, `augmentation`). Or a source such as `image-folder:DIR`,
            or a mapping with the keys of a recipe's `data`.
        targets: Profile name to budget or to the keys of a recipe's target, or profile names.
        out: The run folder; the same call again takes what is finished there.
        student: As `teacher`; None compresses the teacher itself. A list or tuple of them makes
            several students of the one teacher, of which one ships to each target; a mapping may
            then give its `name`.
        stages: The keys of a recipe's `stages` that differ from the defaults.
        name: The run's name; the folder's where absent.
        seed: Seeds weights, order of samples and measurement order.
        threads: Processor threads for training; all of them where absent.
        progress: Where the run tells how far it is; None for nobody.

    Returns:
        The finished run with its reports and its verdict.

    Raises:
        InputError: If anything given is wrong; nothing half-written is left.
        PromiseError: If a stage did not do what it promised.
    """
    out = Path(out)
    live: dict[str, nn.Module] = {}
    document = {
        "schema_version": 1,
        "name": name or _run_name(out),
        "seed": seed,
        "threads": threads,
        "data": data_document(data),
        "teacher": model_document(teacher, "teacher", live),
        "student": students_document(student, live),
        "stages": dict(stages or {}),
        "targets": targets_document(targets),
    }
    recipe = Recipe.read(document, file="compress()")
    resolved = resolve(recipe, file="compress()", base=Path.cwd())
    source = source_of(data, recipe.data)
    return run_recipe(resolved, out=out, live=live, source=source, progress=progress)


def _run_name(out: Path) -> str:
    """The folder's name, as far as a run may be called so."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", out.resolve().name).strip("-._") or "run"


def run_recipe(
    resolved: Resolved,
    *,
    out: str | Path,
    live: Live | None = None,
    source: Source | None = None,
    measure_again: bool = False,
    progress: Progress | None = None,
) -> CompressionRun:
    """Runs a resolved recipe in a run folder, taking what is finished there.

    Args:
        resolved: What `read_recipe` gave.
        out: The run folder.
        live: Modules of the caller's, for sources that begin with `live:`.
        source: Data of the caller's, for the data source `live:data`.
        measure_again: Takes new latency samples in place of stored ones, for instance where the
            machine was disturbed.
        progress: Where the run tells how far it is; None for nobody.
    """
    company, out = company_of_launch(), Path(out)
    progress = SilentProgress() if company.rank or progress is None else progress
    _announce_code(resolved, progress)
    networks = Networks(resolved.recipe, live or {})
    source = source or _open_source(resolved)
    road = lay_road(resolved, source, networks, company)
    if company.rank:
        return _take_part(resolved, road, out, company)
    given = given_files(resolved.recipe)
    with RunFolder(out) as run, _same_threads_after():
        if measure_again:
            for step in road.measurements:
                run.discard(step.name, step.key)

        def begin(data: Path) -> None:
            _preflight(networks, open_dataset(data))
            _begin(run, resolved)

        finished = execute(
            road.plan,
            run,
            seed=resolved.recipe.seed,
            threads=resolved.threads,
            progress=progress,
            checks={road.data.key: begin},
            company=company,
        )
        notes = notes_of(resolved, networks, road, finished)
        reports = {
            target: assemble(target, resolved=resolved, road=road, finished=finished, notes=notes)
            for target in resolved.recipe.targets
        }
        verdicts = verdicts_of(reports)
        for target, report in reports.items():
            publish(
                Shelf(run, f"{TARGETS_FOLDER}/{target}"),
                report,
                verdict=verdicts[target],
                road=road,
                finished=finished,
                recipe=resolved.recipe,
                given=given,
            )
        publish_index(run, reports, verdicts)
        run.write(STATE_FILE, state_document(resolved, COMPLETE))
    company.share({target: report.model_dump(mode="json") for target, report in reports.items()})
    company.part()
    return CompressionRun(
        folder=out, reports=reports, steps_made=finished.made, steps_reused=finished.reused
    )


def _take_part(resolved: Resolved, road: Road, out: Path, company: Company) -> CompressionRun:
    """What a process does that is not the first: its share of the common steps, no more."""
    with _same_threads_after():
        follow(road.plan, seed=resolved.recipe.seed, threads=resolved.threads, company=company)
    documents = company.share(None)
    company.part()
    reports = {
        target: Report.read(document, file=f"{TARGETS_FOLDER}/{target}/{REPORT_FILE}")
        for target, document in documents.items()
    }
    steps = len(road.plan.steps)
    return CompressionRun(out, reports, steps_made=0, steps_reused=steps, rank=company.rank)


def plan_lines(
    resolved: Resolved, *, out: str | Path, progress: Progress | None = None
) -> list[str]:
    """The plan of a recipe as a tree of text: what is shared, stored and to be run.

    No step runs, but code that the recipe names as `python:` does: what it gives decides what is
    stored already.
    """
    _announce_code(resolved, progress or SilentProgress())
    networks = Networks(resolved.recipe)
    road = lay_road(resolved, _open_source(resolved), networks, company_of_launch())
    run = RunFolder(Path(out))
    return tree(
        road.plan,
        stored=lambda step: run.holds(step.name, step.key),
        targets=len(resolved.recipe.targets),
    )


@contextmanager
def _same_threads_after() -> Iterator[None]:
    """Stages set torch's threads; the caller's own work goes on with as many as before."""
    threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _open_source(resolved: Resolved) -> Source:
    return open_source(resolved.recipe.data, base=Path())


def _announce_code(resolved: Resolved, progress: Progress) -> None:
    for file in code_of(resolved):
        progress.say(f"This recipe runs code from {file}")


def _begin(run: RunFolder, resolved: Resolved) -> None:
    """Marks the run as running, and takes away reports that another recipe left here."""
    lock = resolved.lock().encode()
    old = run.root / LOCK_FILE
    another = not old.is_file() or old.read_bytes() != lock
    run.write(STATE_FILE, state_document(resolved, RUNNING))
    if another:
        run.remove(TARGETS_FOLDER)
        run.remove(INDEX_FILE)
    run.write(LOCK_FILE, lock)


def _preflight(networks: Networks, dataset: Dataset) -> None:
    """Builds teacher and students once, so that what does not fit is told at once."""
    if networks.teacher_is_asked:
        require_askable(dataset)
        teacher = None
    else:
        teacher = networks.fresh_teacher(dataset)
    for learner in networks.learners:
        student = networks.fresh_student(learner, dataset)
        for key, pairs in _layers(networks.recipe):
            if teacher is not None:
                require_layers(student, teacher, pairs, recipe_key=key)


def _layers(recipe: Recipe) -> set[tuple[str, tuple[LayerPair, ...]]]:
    """The pairs of layers of every lesson that has some, and where they stand in the recipe."""
    found = set()
    for target in recipe.targets:
        stages = recipe.stages_for(target)
        lessons = [("stages.distill", stages.distill)]
        if stages.prune is not None:
            lessons.append(("stages.prune.recover", stages.prune.recover))
        found |= {(key, each.layers) for key, each in lessons if each and each.layers}
    return found
