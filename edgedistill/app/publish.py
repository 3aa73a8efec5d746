"""What a finished run puts beside its steps: notes for the reader, models, reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgedistill.app.asked_teacher import asked_notes
from edgedistill.app.library_licences import library_licences
from edgedistill.app.manifest import manifest_of, recipe_file, step_files
from edgedistill.app.model_facts import model_facts
from edgedistill.app.outcome import REPORT_FILE, TARGETS_FOLDER, waterfall_file
from edgedistill.app.shelf import Shelf, listed_file
from edgedistill.app.shipping import MODEL_FILE
from edgedistill.core.manifest import MANIFEST_FILE
from edgedistill.data import open_dataset
from edgedistill.render.card import CARD_FILE, model_card
from edgedistill.render.document import report_text
from edgedistill.render.markdown import report_markdown
from edgedistill.render.page.index import INDEX_FILE, index_page
from edgedistill.render.page.page import PAGE_FILE, report_page
from edgedistill.render.pareto import PARETO_FILE, pareto_svg
from edgedistill.store import file_sha256
from edgedistill.units import format_percent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from edgedistill.app.networks import Networks
    from edgedistill.app.pipeline import Finished
    from edgedistill.app.resolve import Resolved
    from edgedistill.app.road import Road, TargetRoad
    from edgedistill.core.manifest import GivenFile
    from edgedistill.core.recipe import Recipe
    from edgedistill.core.report import Report
    from edgedistill.core.verdict import Verdict
    from edgedistill.store import RunFolder


def code_of(resolved: Resolved) -> tuple[str, ...]:
    """The Python functions that the recipe names, as FILE.py:FUNCTION."""
    recipe = resolved.recipe
    networks = (*recipe.teacher.parts, *recipe.students)
    sources = [recipe.data.source, *(network.source for network in networks)]
    prefix = "python:"
    found = [source.removeprefix(prefix) for source in sources if source.startswith(prefix)]
    return tuple(dict.fromkeys(found))


def notes_of(
    resolved: Resolved, networks: Networks, road: Road, finished: Finished
) -> tuple[str, ...]:
    """What a reader of the reports must know."""
    recipe = resolved.recipe
    notes = [f"Code was run: {file}." for file in code_of(resolved)]
    if road.responses is not None:
        asked, understood = finished.facts(road.responses), finished.facts(road.teacher)
        notes += asked_notes(recipe.teacher, asked, understood)
    if networks.teacher_training is not None:
        accuracy = finished.facts(road.teacher)["validation_accuracy_after"]
        notes.append(
            "The teacher had no weights and was trained by this run on the labels "
            f"(validation accuracy {format_percent(accuracy)})."
        )
    if recipe.data.splits.labelled < 1:
        notes.append(
            f"Only {format_percent(recipe.data.splits.labelled)} of the training labels were "
            "used; on the rest the student learned from the teacher's answers alone."
        )
    return tuple(notes)


def publish(
    shelf: Shelf,
    report: Report,
    *,
    verdict: Verdict,
    road: Road,
    finished: Finished,
    recipe: Recipe,
    given: Sequence[GivenFile],
) -> None:
    """Copies a target's models, and what prepares their inputs, beside its report, which is last.

    A tokenizer that a device needs lies there too, a card that tells what the model is, and a
    manifest that lists every file.

    Args:
        shelf: The target's folder.
        report: Of the target.
        verdict: Of the target, in the gate over all targets of the run.
        road: Where the target's results stand in the plan.
        finished: The stored steps.
        recipe: The resolved recipe.
        given: The files that the recipe names.
    """
    from edgedistill.render.bom import BILL_FILE, Ingredients, bill_of_materials

    shipped = _put_models(shelf, report, road.targets[report.target], finished)
    dataset = open_dataset(finished.folder(road.data))
    for file in dataset.companions:
        shelf.put(file.name, file.read_bytes(), "companion")
    if report.students:
        shelf.put(PARETO_FILE, pareto_svg(report).encode(), "document")
    shelf.put("report.md", report_markdown(report, verdict).encode(), "document")
    shelf.put(PAGE_FILE, report_page(report, verdict).encode(), "document")
    facts = model_facts(report, recipe, dataset, shipped)
    card = shelf.put(CARD_FILE, model_card(report, verdict, facts).encode(), "document")
    ingredients = Ingredients(
        facts=facts,
        given=given,
        licences=library_licences(report.provenance.versions),
        card_sha256=file_sha256(card),
    )
    bill = bill_of_materials(report, ingredients)
    shelf.put(BILL_FILE, bill.encode(), "bill-of-materials")
    last = report_text(report).encode()
    steps = [step for step in road.plan.steps if report.target in step.targets]
    inputs = [recipe_file(shelf.run), *step_files(shelf.run, steps, finished)]
    listed = [*shelf.files, listed_file(REPORT_FILE, last, "report")]
    manifest = manifest_of(report, files=listed, run_files=inputs, given=given)
    shelf.put(MANIFEST_FILE, report_text(manifest).encode())
    shelf.put(REPORT_FILE, last, "report")


def _put_models(shelf: Shelf, report: Report, road: TargetRoad, finished: Finished) -> Path:
    """Copies every model of the waterfall, and once more the one that ships; gives its place."""
    shipped = report.shipped()
    for branch in road.branches:
        ships = report.choice.student in (branch.student, None)
        student = branch.student if report.students else None
        for name, export in branch.exports.items():
            model = finished.folder(export) / MODEL_FILE
            if not model.is_file():  # a candidate that could not be made; the report says why
                continue
            content = model.read_bytes()
            shelf.put(waterfall_file(name, student), content, "waterfall-model")
            if ships and name == (shipped.variant or shipped.step):
                shelf.put(report.choice.model, content, "shipped-model")
    return shelf.run.root / shelf.folder / report.choice.model


def publish_index(
    run: RunFolder, reports: Mapping[str, Report], verdicts: Mapping[str, Verdict]
) -> None:
    """Writes the page that compares the targets of a run, at the run's top."""
    results = [(report, verdicts[target]) for target, report in reports.items()]
    links = {target: f"{TARGETS_FOLDER}/{target}/{PAGE_FILE}" for target in reports}
    run.write(INDEX_FILE, index_page(results, links=links).encode())
