"""Where a network comes from, and what a teacher is: a network, several, or an endpoint."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from edgedistill.core.endpoint import Endpoint
from edgedistill.core.learning import Training
from edgedistill.core.strict import Strict

Argument = bool | int | float | str | list[int] | list[float] | list[str]


class Model(Strict):
    """Where a network comes from."""

    source: str
    """builtin:NAME, python:FILE.py:FUNCTION or hf:DIR_OR_ID; a teacher or a member of one may be
    onnx:FILE.onnx too, and a teacher an ensemble or an endpoint."""
    args: dict[str, Argument] = Field(default_factory=dict)
    """Arguments of the function that builds it."""
    weights: str | None = None
    """A .safetensors file with its weights."""

    @property
    def parts(self) -> tuple[Model, ...]:
        """The networks it is made of: itself, or the members of an ensemble."""
        return (self,)


ENSEMBLE = "ensemble"
"""The source of a teacher that is several networks."""
ENDPOINT = "endpoint"
"""The source of a teacher that answers texts over HTTP and is no network here."""
TEXT, CLASSES = "{text}", "{classes}"
"""What a question holds in the place of the sample's text and of the classes' names."""
QUESTION = (
    "Which class does this text belong to? Answer with the class alone.\n"
    f"Classes: {CLASSES}\n"
    f"Text: {TEXT}\n"
)
SURE = 0.95
"""Of an answer without log-probabilities, where the recipe does not say."""


class Teacher(Model):
    """The accurate network. Without weights it is trained first, and the run says so."""

    train: Training | None = None
    """How to train it where it has no weights."""
    members: tuple[Model, ...] = Field(default=(), strict=False)
    """Of source ensemble: the networks that answer together, at least two, each with weights."""
    combine: Literal["probabilities", "logits"] = "probabilities"
    """Of source ensemble: what of the members is averaged."""
    endpoint: Endpoint | None = None
    """Of source endpoint: who answers, and how it is asked."""
    question: str | None = None
    """Of source endpoint: what is asked about each sample, with {text} where its text stands and
    {classes} where the names of the classes do; asks for the class alone where absent."""
    sure: float = Field(default=SURE, gt=0.5, lt=1)
    """Of source endpoint: the probability of the class that an answer without log-probabilities
    names; the other classes share the rest evenly."""

    @property
    def parts(self) -> tuple[Model, ...]:
        """The networks it is made of: itself, or the members of an ensemble."""
        return self.members or (self,)

    @model_validator(mode="before")
    @classmethod
    def _fill_question(cls, document: Any) -> Any:
        if isinstance(document, dict) and document.get("source") == ENDPOINT:
            given = document.get("question")
            return {**document, "question": QUESTION if given is None else given}
        return document

    @model_validator(mode="after")
    def _asks_an_endpoint(self) -> Self:
        if self.source != ENDPOINT:
            if self.endpoint is not None or self.question is not None or self.sure != SURE:
                raise ValueError(
                    "endpoint, question and sure are for a teacher that is asked over HTTP. "
                    "Set source: endpoint, or leave them out"
                )
            return self
        if self.endpoint is None:
            raise ValueError(
                "source endpoint does not say who is asked. "
                "Give endpoint: {url: http://HOST:PORT/v1, model: NAME}"
            )
        if self.train is not None:
            raise ValueError("a teacher behind an endpoint is asked, not trained. Leave train out")
        if self.args or self.weights:
            raise ValueError(
                "args and weights are for networks that are built here. Leave them out; "
                "endpoint.model names the model that answers"
            )
        if self.question is None or self.question.count(TEXT) != 1:
            raise ValueError(
                f"question does not hold {TEXT} once, so the teacher would not see the sample. "
                f"Write {TEXT} where the text of the sample stands"
            )
        return self

    @model_validator(mode="after")
    def _members_are_an_ensembles(self) -> Self:
        if self.source != ENSEMBLE:
            if self.members or self.combine != "probabilities":
                raise ValueError(
                    "members and combine are for an ensemble. Set source: ensemble, or leave them "
                    "out"
                )
            return self
        if len(self.members) < 2:
            raise ValueError(
                "an ensemble is two networks at least. Give members: a list of sources with weights"
            )
        if self.train is not None:
            raise ValueError(
                "an ensemble is not trained here, its members have their weights. Leave train out"
            )
        if self.args or self.weights:
            raise ValueError(
                "args and weights belong to the members of an ensemble. Give them there"
            )
        if any(member.source == ENSEMBLE for member in self.members):
            raise ValueError(
                "a member cannot be an ensemble itself. Name its members here, one by one"
            )
        if any(member.source == ENDPOINT for member in self.members):
            raise ValueError(
                "a member cannot be an endpoint. Give an endpoint as the one teacher, or networks "
                "as members"
            )
        return self
