"""Gathers what a model card says beyond the report: sources, and the doors of the ONNX file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import onnx

from edgedistill import models
from edgedistill.core.model_facts import ModelFacts, Tensor
from edgedistill.core.naming import written
from edgedistill.core.teacher import ENDPOINT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from edgedistill.core.recipe import Recipe
    from edgedistill.core.report import Report
    from edgedistill.core.teacher import Model, Teacher
    from edgedistill.data import Dataset

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")


def model_facts(report: Report, recipe: Recipe, dataset: Dataset, model: Path) -> ModelFacts:
    """What is to be told of the model that ships.

    Args:
        report: Of the target.
        recipe: The resolved recipe.
        dataset: The prepared data.
        model: The ONNX file that ships.
    """
    chosen = report.choice.student
    students = recipe.students
    student = next((one for one in students if chosen in (one.name, None)), None)
    parts = [*([student] if student else []), *recipe.teacher.parts]
    graph = onnx.load(model, load_external_data=False).graph
    weights = {one.name for one in graph.initializer}
    raw = [values.shape[1:] for values in dataset.validation.inputs.values()]
    return ModelFacts(
        teacher=_teacher(recipe.teacher),
        student=None if student is None else _source(student),
        base_models=tuple(dict.fromkeys(_hub_ids(parts))),
        dataset=dataset.name,
        inputs=tuple(_tensor(one) for one in graph.input if one.name not in weights),
        outputs=tuple(map(_tensor, graph.output)),
        sample_shape=raw[0] if len(raw) == 1 else (),
    )


def _teacher(teacher: Teacher) -> tuple[str, ...]:
    if teacher.source == ENDPOINT:
        assert teacher.endpoint is not None
        return (f"{teacher.endpoint.model} behind an endpoint",)
    return tuple(map(_source, teacher.parts))


def _source(model: Model) -> str:
    args = ", ".join(f"{key} {written(value)}" for key, value in sorted(model.args.items()))
    return f"{models.portable(model)} ({args})" if args else models.portable(model)


def _hub_ids(parts: Iterable[Model]) -> Iterator[str]:
    """Ids without their revision; a folder of the user's is an absolute path by now, and no id."""
    for model in parts:
        kind, _, name = model.source.partition(":")
        name = name.partition("@")[0]
        if kind == "hf" and _HUB_ID.fullmatch(name) and not Path(name).is_dir():
            yield name


def _tensor(value: onnx.ValueInfoProto) -> Tensor:
    kind = value.type.tensor_type
    shape = tuple(
        axis.dim_value if axis.HasField("dim_value") else axis.dim_param or "?"
        for axis in kind.shape.dim
    )
    return Tensor(value.name, onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type).name, shape)
