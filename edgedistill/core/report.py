"""The report of one target: facts only. JSON is the truth; everything else is a view of it."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from edgedistill.core.attempts import Attempts
from edgedistill.core.budget import Budget
from edgedistill.core.damage import Damage
from edgedistill.core.evidence import Conditions, Quantity
from edgedistill.core.learned import LearningStep
from edgedistill.core.learning import Fraction
from edgedistill.core.opening import OpenedWith
from edgedistill.core.operator_times import OperatorTimes
from edgedistill.core.pruned import Pruned
from edgedistill.core.strict import Strict

Step = Literal["teacher", "distilled", "pruned", "fp16", "int8"]
Precision = Literal["fp32", "fp16", "int8"]


class Worst(Strict):
    """The class or group that lost most against the teacher."""

    name: str
    drop: Quantity
    """Accuracy lost, a fraction; the interval holds for all classes or groups at once."""


class Latency(Strict):
    """Latency of one inference, in milliseconds."""

    p50_ms: Quantity
    p90_ms: Quantity | None = None
    p95_ms: Quantity | None = None
    """Absent where too few samples were taken to claim them."""
    speedup: Quantity | None = None
    """Teacher's median over this model's, from interleaved rounds."""
    stable: bool
    """False where the machine was disturbed while measuring."""


class Int8Check(Strict):
    """Whether int8 is really int8."""

    scheme: str
    int8_operators: int
    float_operators: int
    """Heavy operators (Conv, Gemm, MatMul) that stayed in float."""
    float_names: tuple[str, ...] = Field(default=(), strict=False)
    """Type and name of each of them."""
    float_reasons: dict[str, str] = Field(default_factory=dict)
    """Why each of them stayed in float, by type and name; empty in reports of schema version 1."""
    verified: Literal["in-runtime", "unverified"]
    """in-runtime: counted in the optimized graph of the target's own runtime and instruction
    set; unverified: the placement of quantizers was checked in the file only."""
    int8_mac_share: Fraction | None = None
    """Share of the heavy operators' multiply-accumulates that was meant to be in int8; absent
    where shapes are open."""
    attempts: Attempts | None = None
    """What was tried to keep the accuracy; absent where there was nobody to judge it."""


class Row(Strict):
    """One step of the waterfall: the network as it stood after it, as an ONNX file.

    A teacher behind an endpoint has answers and no file: what is counted in a file is absent.
    """

    step: Step
    precision: Precision | None
    """Absent for a teacher behind an endpoint."""
    model_sha256: str | None
    """Of the ONNX file; absent for a teacher behind an endpoint."""
    accuracy: Quantity
    """On the validation split."""
    test_accuracy: Quantity | None
    """On the test split; decides nothing."""
    accuracy_drop: Quantity | None
    """Lost against the teacher on the same validation samples; absent for the teacher."""
    agreement: Quantity | None
    """Share of validation samples on which it answers as the teacher does."""
    worst_class: Worst | None
    worst_group: Worst | None
    latency: Latency | None
    """Absent where nothing was measured and nothing can be estimated."""
    size_mb: Quantity | None
    """Absent for a teacher behind an endpoint, as the next two."""
    macs: Quantity | None
    parameters: Quantity | None
    peak_memory_mb: Quantity | None = None
    """What one inference adds to the memory of a process (10^6 bytes); absent where it cannot be
    told."""
    energy_mj: Quantity | None = None
    """Energy of one inference in millijoules; absent where the profile has no power figures or
    there is no latency."""
    instructions: Quantity | None = None
    """Instructions that the processor retires for one inference; absent where nobody counted them
    (a device report may bring them)."""
    parity_error: Quantity | None = None
    """The largest difference between a logit of the network and of the ONNX file it was exported
    to, over the standard deviation of the logits, on real inputs; exact on those. Of a file made
    from another ONNX file (fp16, int8) it is that of the export at its root."""
    int8: Int8Check | None = None
    variant: str | None = None
    """Which candidate of the last network it is, for instance int8-U8S8; absent for a step of which
    there is one only."""

    @property
    def has_file(self) -> bool:
        """Whether there is an ONNX file; a teacher behind an endpoint has none."""
        return self.model_sha256 is not None

    @model_validator(mode="after")
    def _has_a_file_or_only_answers(self) -> Self:
        counted_in_it = (self.precision, self.model_sha256, self.size_mb, self.macs)
        absent = [figure is None for figure in (*counted_in_it, self.parameters)]
        if any(absent) and not (all(absent) and self.step == "teacher" and self.latency is None):
            raise ValueError(
                f"the row of '{self.step}' lacks what its ONNX file is. Run compress again"
            )
        return self


class Choice(Strict):
    """Which candidate ships and why."""

    step: Step
    model: str
    """The file's name beside the report."""
    decided: bool
    """False where the measurement could not tell or there was none."""
    reason: str
    student: str | None = None
    """Which student it is, where there are several."""
    variant: str | None = None
    """The name of the candidate that ships; absent where there was no other."""


class Candidate(Strict):
    """One way to ship the last network: as it is, in half precision, or in int8 in one scheme."""

    name: str
    """What it is called in the measurement and as a file, for instance int8-U8S8; fp32 is the
    network as it is."""
    precision: Precision
    """What it computes with."""
    model: str | None
    """The file's name beside the report; absent where it could not be made."""
    row: Row | None
    """Its figures; absent where it could not be made."""
    speedup: Quantity | None = None
    """How many times as fast as fp32 it is; the interval holds for all comparisons of the
    candidates at once. Absent for fp32 itself and where latencies are not known."""
    keeps_accuracy: bool | None = None
    """Whether it keeps the budget's limits on accuracy; absent where it could not be made."""
    ships: bool
    """Whether it is the one that ships, of this student."""
    reason: str
    """Why it ships, why it does not, or why it could not be made."""

    @model_validator(mode="after")
    def _made_or_not(self) -> Self:
        present = [part is not None for part in (self.model, self.row, self.keeps_accuracy)]
        if any(present) != all(present) or (self.ships and self.row is None):
            raise ValueError(
                f"the candidate '{self.name}' is neither made nor missing. Run compress again"
            )
        return self


class StudentResult(Strict):
    """One of several students that were taught by the same teacher and measured together."""

    name: str
    """As in the recipe."""
    rows: tuple[Row, ...] = Field(strict=False, min_length=1)
    """Its steps, without the teacher's."""
    choice: Choice
    """Which of its steps would ship if it were the only student."""
    on_front: bool
    """Whether no network of this report, the teacher's among them, beats the one it would ship:
    at least as accurate and as fast, and better in one of the two."""
    candidates: tuple[Candidate, ...] = Field(default=(), strict=False)
    """Every candidate of its last network; empty where there is fp32 alone."""

    @model_validator(mode="after")
    def _ships_a_row(self) -> Self:
        if all(row.step != self.choice.step for row in self.rows):
            raise ValueError(f"choice.step '{self.choice.step}' has no row. Run compress again")
        _require_one_that_ships(self.candidates, self.choice, self.shipped())
        return self

    def shipped(self) -> Row:
        """The row of the model that would ship."""
        return next(row for row in self.rows if row.step == self.choice.step)


def _require_one_that_ships(
    candidates: tuple[Candidate, ...], choice: Choice, shipped: Row
) -> None:
    """Of the candidates exactly the chosen one ships, and its row is the row that ships."""
    ships = [(one.name, one.row) for one in candidates if one.ships]
    wanted = [(choice.variant, shipped)] if candidates else []
    if ships != wanted:
        raise ValueError(
            f"choice.variant '{choice.variant}' is not the candidate that ships. Run compress again"
        )


class Provenance(Strict):
    """What made this, so that it can be made again."""

    recipe_sha256: str
    data_sha256: str
    data_source: str
    data_licence: str | None = None
    """The licence of the data, as its source or the recipe names it; absent where unknown."""
    seed: int
    versions: dict[str, str]
    steps: dict[str, str]
    """Step name to its content-addressed key."""


class Report(Strict):
    """All facts about one target of one run."""

    schema_version: Literal[1, 2]
    kind: Literal["edgedistill-report"] = "edgedistill-report"
    run: str
    target: str
    target_title: str
    runtime: str
    session: OpenedWith | None = None
    """What a session of the model that ships is opened with on the target; absent in reports made
    before this was told."""
    budget: Budget
    rows: tuple[Row, ...] = Field(strict=False, min_length=1)
    """Of the student that ships, the teacher's first."""
    choice: Choice
    candidates: tuple[Candidate, ...] = Field(default=(), strict=False)
    """Every candidate of the last network of the student that ships, fp32 first; empty where there
    is fp32 alone."""
    students: tuple[StudentResult, ...] = Field(default=(), strict=False)
    """All students in the recipe's order, where there are several; else empty."""
    learning: tuple[LearningStep, ...] = Field(default=(), strict=False)
    """Every step in which one of the networks learned, in their order."""
    pruning: tuple[Pruned, ...] = Field(default=(), strict=False)
    """How each network that was pruned came by its widths."""
    damage: Damage | None = None
    """What the network that ships does otherwise than the teacher, on the validation split; absent
    in reports of schema version 1."""
    operator_times: tuple[OperatorTimes, ...] = Field(default=(), strict=False)
    """Where the time of the teacher and of the network that ships goes, where it is known."""
    conditions: Conditions | None
    """Of the latency measurement; absent where there was none."""
    class_names: tuple[str, ...] = Field(strict=False)
    preprocessing: dict[str, object]
    notes: tuple[str, ...] = Field(default=(), strict=False)
    """What a reader must know, for instance that the teacher was trained by this run."""
    provenance: Provenance

    @model_validator(mode="after")
    def _ships_a_row(self) -> Self:
        row = self.row(self.choice.step)
        if row is None or not row.has_file:
            missing = "row" if row is None else "file"
            raise ValueError(
                f"choice.step '{self.choice.step}' has no {missing}. Run compress again"
            )
        _require_one_that_ships(self.candidates, self.choice, row)
        return self

    @model_validator(mode="after")
    def _ships_one_of_its_students(self) -> Self:
        names = [student.name for student in self.students]
        if len(set(names)) != len(names):
            raise ValueError("students hold a name twice. Run compress again")
        if not names and self.choice.student is None:
            return self
        chosen = next((one for one in self.students if one.name == self.choice.student), None)
        if chosen is None or chosen.rows != self.rows[1:]:
            raise ValueError(
                f"choice.student '{self.choice.student}' is not the student that rows are of. "
                "Run compress again"
            )
        return self

    def row(self, step: Step) -> Row | None:
        """The row of one step, or None where the run did not take it."""
        return next((row for row in self.rows if row.step == step), None)

    def shipped(self) -> Row:
        """The row of the model that ships."""
        return next(row for row in self.rows if row.step == self.choice.step)
