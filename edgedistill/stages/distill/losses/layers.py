"""Layers that learn from layers: what modules say while a network answers, and the loss on it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from edgedistill.errors import Fault, InputError
from edgedistill.stages.distill.losses.features import (
    attention_transfer_loss,
    hint_loss,
    regressor,
)
from edgedistill.stages.distill.losses.precision import wide
from edgedistill.stages.distill.losses.relations import (
    relational_angle_loss,
    relational_distance_loss,
    similarity_preserving_loss,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Literal

    from edgedistill.core.learning import LayerPair

_LOSSES = {
    "hint": hint_loss,
    "attention": attention_transfer_loss,
    "similarity": similarity_preserving_loss,
    "distance": relational_distance_loss,
    "angle": relational_angle_loss,
}
_SHOWN = 5


class LayerLosses(nn.Module):
    """The weighted sum of the losses of all pairs of layers.

    Its parameters are those of the regressors that hints need. They learn with the student, and
    are thrown away with this module; what ships knows nothing of them.
    """

    def __init__(
        self,
        pairs: Sequence[LayerPair],
        student_shapes: Mapping[str, Sequence[int]],
        teacher_shapes: Mapping[str, Sequence[int]],
        *,
        seed: int,
        recipe_key: str = "stages.distill",
    ) -> None:
        """Builds the regressors.

        Args:
            pairs: At least one.
            student_shapes: Shape of the features of each module named in the pairs, batch first,
                as `Features.shapes` gives them.
            teacher_shapes: The same of the teacher.
            seed: Of the regressors' first weights; each pair draws from a stream of its own.
            recipe_key: Where the pairs stand in the recipe, for errors.

        Raises:
            InputError: If features cannot be compared by the method of their pair.
        """
        super().__init__()
        self.pairs = tuple(pairs)
        shapes = [(student_shapes[pair.student], teacher_shapes[pair.teacher]) for pair in pairs]
        faults = [
            fault
            for place, (pair, (student, teacher)) in enumerate(zip(pairs, shapes, strict=True))
            for fault in _misfits(f"{recipe_key}.layers[{place}]", pair, student, teacher)
        ]
        if faults:
            raise InputError(*faults)
        self.regressors = nn.ModuleList(
            regressor(student, teacher, seed=seed + place)
            if pair.method == "hint"
            else nn.Identity()
            for place, (pair, (student, teacher)) in enumerate(zip(pairs, shapes, strict=True))
        )

    def forward(
        self, student_features: Mapping[str, Tensor], teacher_features: Mapping[str, Tensor]
    ) -> Tensor:
        """The loss on the features of one batch, one value.

        Args:
            student_features: `[batch, ...]` by name of the module.
            teacher_features: `[batch, ...]` by name; no gradient flows into them.
        """
        losses = [
            pair.weight
            * _LOSSES[pair.method](
                adapt(wide(student_features[pair.student])), teacher_features[pair.teacher]
            )
            for pair, adapt in zip(self.pairs, self.regressors, strict=True)
        ]
        return torch.stack(losses).sum()


class Features(Mapping[str, Tensor]):
    """What named modules said when the network last answered, `[batch, ...]` by name."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        """Knows of each name where it stands in the recipe, for errors."""
        self._fields = dict(fields)
        self._said: dict[str, Tensor] = {}

    def __getitem__(self, name: str) -> Tensor:
        if name in self._fields and name not in self._said:
            raise _unusable(
                self._fields[name], name, "this module is not called when the network answers"
            )
        return self._said[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of the features by name, batch first."""
        return {name: tuple(tensor.shape) for name, tensor in self.items()}

    def keep(self, name: str, output: Any) -> None:
        """Takes what a module said.

        Raises:
            InputError: If there is no tensor in it.
        """
        tensor = _first_tensor(output)
        if tensor is None or tensor.ndim < 2:
            said = type(output).__name__ if tensor is None else f"shape {list(tensor.shape)}"
            raise _unusable(self._fields[name], name, f"this module gives no features, but {said}")
        # A copy: a ReLU that works in place would write over it.
        self._said[name] = tensor.clone()

    def clear(self) -> None:
        """Forgets what was said, and with it the memory of the last step."""
        self._said.clear()


@contextmanager
def capture(
    module: nn.Module,
    names: Sequence[str],
    *,
    side: Literal["student", "teacher"] = "student",
    recipe_key: str = "stages.distill",
) -> Iterator[Features]:
    """Inside, what the named modules say is kept whenever the network answers.

    Of a module that gives several things, as those of transformers do, the first tensor counts; of
    one that is called several times, the last call.

    Args:
        module: The network.
        names: Of modules as `named_modules()` gives them, one for each pair, in the order of the
            pairs; a name may come twice.
        side: Whose layers these are, for errors.
        recipe_key: Where the pairs stand in the recipe, for errors.

    Raises:
        InputError: If there is no module of a name.
    """
    modules = dict(module.named_modules())
    fields = {
        name: f"{recipe_key}.layers[{place}].{side}"
        for place, name in reversed(list(enumerate(names)))
    }
    faults = [
        Fault(
            field=f"{recipe_key}.layers[{place}].{side}",
            given=repr(name),
            problem=f"the {side} has no module of this name",
            remedy=_known(name, modules),
        )
        for place, name in enumerate(names)
        if name not in modules
    ]
    if faults:
        raise InputError(*faults)
    features = Features(fields)

    def hook(name: str) -> Any:
        return lambda _module, _inputs, output: features.keep(name, output)

    handles = [modules[name].register_forward_hook(hook(name)) for name in fields]
    try:
        yield features
    finally:
        for handle in handles:
            handle.remove()
        features.clear()


def _first_tensor(output: Any) -> Tensor | None:
    if isinstance(output, Tensor):
        return output
    if isinstance(output, Mapping):
        output = list(output.values())
    if not isinstance(output, list | tuple):
        return None
    found = (_first_tensor(part) for part in output)
    return next((tensor for tensor in found if tensor is not None), None)


def _known(name: str, modules: Mapping[str, nn.Module]) -> str:
    known = [candidate for candidate in modules if candidate]
    close = difflib.get_close_matches(name, known, n=_SHOWN, cutoff=0.5)
    shown = close or known[:_SHOWN]
    if not shown:
        return "The network has no modules inside; give it some"
    lead = "Did you mean" if close else "There are for instance"
    return f"{lead} {', '.join(repr(candidate) for candidate in shown)}{'?' if close else ''}"


def _unusable(field: str, name: str, problem: str) -> InputError:
    return InputError(
        Fault(field=field, given=repr(name), problem=problem, remedy="Name another module")
    )


def _misfits(
    field: str, pair: LayerPair, student: Sequence[int], teacher: Sequence[int]
) -> Iterator[Fault]:
    given = f"student {list(student)}, teacher {list(teacher)}"
    if pair.method in ("hint", "attention") and len(student) != len(teacher):
        yield Fault(
            field=field,
            given=given,
            problem=f"{pair.method} compares place by place, and these features lie differently",
            remedy="Name layers that both give pictures, tokens or vectors, or take similarity, "
            "distance or angle",
        )
    elif pair.method == "attention" and len(student) < 3:
        yield Fault(
            field=field,
            given=given,
            problem="attention needs places to look at, and these features are one vector each",
            remedy="Name layers before the pooling, or take hint, similarity, distance or angle",
        )
