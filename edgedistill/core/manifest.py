"""The manifest of one target of one run: what went in and what came out, each with its hash."""

from __future__ import annotations

from pathlib import PureWindowsPath
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from edgedistill.core.strict import Strict

MANIFEST_FILE = "manifest.json"


def _inside(path: str) -> str:
    """Refuses a path that could lead out of the folder it counts from, on any system."""
    parts = path.split("/")
    strange = "\\" in path or not path.isprintable() or PureWindowsPath(path).drive
    if strange or any(part in ("", ".", "..") for part in parts):
        raise ValueError(
            "is not a plain path below the folder. Give names divided by /, without .. and drives"
        )
    return path


Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
PathInside = Annotated[str, AfterValidator(_inside)]
FileRole = Literal[
    "shipped-model", "waterfall-model", "companion", "document", "bill-of-materials", "report"
]


class ManifestFile(Strict):
    """A file beside the report."""

    path: PathInside
    """Below the target's folder, with / between the names."""
    sha256: Sha256
    """Of the file's bytes."""
    size_bytes: int = Field(ge=0)
    """How long the file is."""
    role: FileRole
    """shipped-model: what runs on the device; waterfall-model: the steps before it and the other
    candidates; companion: travels with the model, as a tokenizer does; document: a view for people;
    report: report.json, the facts."""


class RunFile(Strict):
    """A file of the run that stands outside of the target's folder."""

    path: PathInside
    """Below the run folder, with / between the names."""
    sha256: Sha256
    """Of the file's bytes."""
    size_bytes: int = Field(ge=0)
    """How long the file is."""
    role: str = Field(min_length=1)
    """recipe for the recipe with every default filled in; else the step that wrote the file, for
    instance data, teacher or quantize."""


class GivenFile(Strict):
    """A file that the recipe names and that stands outside of the run."""

    name: str
    """Of the file, without the folders of the machine it was read on; nothing is opened by it."""
    sha256: Sha256
    """Of the file's bytes as they were when the run was planned."""
    size_bytes: int = Field(ge=0)
    """How long the file was."""
    role: str = Field(min_length=1)
    """What the recipe names it for: teacher, student or data."""


class DataHash(Strict):
    """The data of the run."""

    source: str
    """As in the report, without the folders of a machine."""
    sha256: Sha256
    """Over all samples and labels, not over the bytes of a file; see the reader of the source."""
    licence: str | None = None
    """As the source or the recipe names it; absent where unknown."""


class Manifest(Strict):
    """Every input and every output behind one report, each with its hash."""

    schema_version: Literal[1]
    """Version of this document's schema."""
    kind: Literal["edgedistill-manifest"] = "edgedistill-manifest"
    """What this document is."""
    run: str
    """The run's name."""
    target: str
    """The target's name."""
    files: tuple[ManifestFile, ...] = Field(strict=False, min_length=2)
    """What lies beside this document."""
    run_files: tuple[RunFile, ...] = Field(strict=False, min_length=1)
    """What lies in the run folder: the recipe, and what each step of this target wrote."""
    given: tuple[GivenFile, ...] = Field(default=(), strict=False)
    """What the recipe names: weights, models and code of the user's own."""
    data: DataHash
    """What the networks learned from and were judged on."""
    seed: int
    """The recipe's seed."""
    versions: dict[str, str]
    """Library to version, of those that the bytes depend on."""

    @model_validator(mode="after")
    def _lists_each_once(self) -> Self:
        for files in (self.files, self.run_files):
            if len({file.path for file in files}) < len(files):
                raise ValueError("lists a file twice. Run compress again")
        roles = [file.role for file in self.files]
        if roles.count("shipped-model") != 1 or roles.count("report") != 1:
            raise ValueError(
                "does not list one model that ships and one report. Run compress again"
            )
        if [file.role for file in self.run_files].count("recipe") != 1:
            raise ValueError("does not list one recipe. Run compress again")
        return self
