"""Building a network fresh: seeded, with its weights, and checked against the data."""

from __future__ import annotations

import random
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch

from edgedistill.core.teacher import Teacher
from edgedistill.errors import Fault, InputError
from edgedistill.models import hugging_face, onnx_graph, processor, sources, weights
from edgedistill.models.ensemble import Ensemble
from edgedistill.models.signature import Signature, logits

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edgedistill.core.preprocessing import Preprocessing
    from edgedistill.core.teacher import Model
    from edgedistill.models.sources import Live


FORWARD_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NotImplementedError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What a network of the user's own may raise when it is called with inputs it does not take."""


def first_line(error: Exception) -> str:
    r"""Kind and first line of a foreign error; some say nothing but their kind.

    >>> first_line(ValueError("one\ntwo")), first_line(AssertionError())
    ('ValueError: one', 'AssertionError')
    """
    kind, lines = type(error).__name__, str(error).splitlines()
    return f"{kind}: {lines[0]}" if lines else kind


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seeds the generators of torch, numpy and Python for a while; puts them back after.

    A `python:` source may draw its weights from any of the three.
    """
    python_state = random.getstate()
    numpy_state = np.random.get_state()  # noqa: NPY002  # foreign code uses the global one
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002  # foreign code uses the global one
        try:
            yield
        finally:
            random.setstate(python_state)
            np.random.set_state(numpy_state)  # noqa: NPY002  # foreign code uses the global one


def build(
    model: Model,
    signature: Signature,
    *,
    base: Path,
    seed: int,
    live: Live | None = None,
    preprocessing: Preprocessing | None = None,
    field: str = "student",
) -> torch.nn.Module:
    """A network as the recipe describes it, in eval mode; equal arguments give equal weights.

    The members of an ensemble are built one by one, each as it would be alone.

    Args:
        model: The recipe's model.
        signature: What the data gives and wants.
        base: The folder relative paths are resolved against.
        seed: Of fresh weights; the global generators stay as they were.
        live: Modules handed in; they are copied, never changed.
        preprocessing: The data's; weights that declare another are refused.
        field: Where the model stands in the recipe, for the error.

    Raises:
        InputError: If source, arguments or weights are wrong, the network does not take the
            data's inputs, or gives another number of outputs.
        MissingExtraError: If `hf:` is asked for and transformers is not installed.
    """
    if isinstance(model, Teacher) and model.members:
        built = [
            build(
                member,
                signature,
                base=base,
                seed=seed,
                live=live,
                preprocessing=preprocessing,
                field=f"{field}.members.{place}",
            )
            for place, member in enumerate(model.members)
        ]
        return Ensemble(built, model.combine).eval()
    own_weights = model.weights is None
    with seeded(seed):
        module = sources.construct(
            model, signature, base=base, live=live, field=field, pretrained=own_weights
        )
        module.eval()
        check_outputs(module, signature, field=field, given=model.source)
    if preprocessing is not None and preprocessing.vocabulary is not None:
        _check_vocabulary(module, signature, preprocessing.vocabulary, field, model.source)
    if model.weights is not None:
        path = base / model.weights
        tensors, declared = weights.read(path, field=f"{field}.weights")
        if preprocessing is not None:
            weights.require_preprocessing(
                declared, preprocessing, file=path, field=f"{field}.weights"
            )
        weights.load_into(module, tensors, file=path, field=f"{field}.weights")
    kind, name = sources.split(model, field=field)
    if kind == "hf" and own_weights and preprocessing is not None:
        folder = hugging_face.folder_of(name, base=base, field=field)
        processor.require_preprocessing(folder, preprocessing, field=field)
    if isinstance(module, onnx_graph.GraphModule):
        _check_graph(module, signature, base / name, preprocessing, field)
    _check_finite(module, model, field)
    return module


def check_outputs(module: torch.nn.Module, signature: Signature, *, field: str, given: str) -> None:
    """Runs two samples of zeros through the network and looks at what comes out.

    Raises:
        InputError: If it does not take the inputs, or does not give logits [batch, classes].
    """
    inputs = signature.zeros(batch=2)
    taken = ", ".join(
        f"{name} {list(shape)} {signature.dtypes.get(name, 'float32')}"
        for name, shape in signature.inputs.items()
    )
    try:
        with torch.no_grad():
            answer: object = logits(module, inputs)
    except FORWARD_ERRORS as error:
        raise InputError(
            Fault(
                field=f"{field}.source",
                given=given,
                problem=f"the network does not take the data's inputs ({taken}, with a "
                f"batch axis before): {first_line(error)}",
                remedy="Change the network, or data.preprocessing",
            )
        ) from error
    wanted = [2, signature.classes]
    if isinstance(answer, torch.Tensor) and list(answer.shape) == wanted:
        return
    if isinstance(answer, torch.Tensor) and answer.dim() == 2 and answer.shape[0] == 2:
        found = f"gives {answer.shape[1]} outputs, but the data has {signature.classes} classes"
    elif isinstance(answer, torch.Tensor):
        found = f"gives shape {list(answer.shape)} for a batch of 2, not {wanted}"
    else:
        found = f"gives a {type(answer).__name__}, not a tensor of logits"
    raise InputError(
        Fault(
            field=f"{field}.source",
            given=given,
            problem=f"the network {found}",
            remedy=f"Make its last layer give {signature.classes} logits per sample",
        )
    )


def _check_vocabulary(
    module: torch.nn.Module, signature: Signature, vocabulary: int, field: str, given: str
) -> None:
    """Asks the network about the tokenizer's last token: in training it would end the run late."""
    name = next(iter(signature.inputs))
    inputs = signature.zeros(batch=2)
    inputs[name] = inputs[name] + (vocabulary - 1)
    try:
        with torch.no_grad():
            logits(module, inputs)
    except FORWARD_ERRORS as error:
        raise InputError(
            Fault(
                field=f"{field}.source",
                given=given,
                problem=f"the network does not take all {vocabulary} tokens of the tokenizer: "
                f"{first_line(error)}",
                remedy="Give the tokenizer that belongs to the network, or a network for this "
                f"vocabulary (in a config of transformers, vocab_size: {vocabulary})",
            )
        ) from error


def _check_graph(
    module: onnx_graph.GraphModule,
    signature: Signature,
    file: Path,
    preprocessing: Preprocessing | None,
    field: str,
) -> None:
    if preprocessing is not None:
        weights.require_preprocessing(module.preprocessing, preprocessing, file=file, field=field)
    onnx_graph.require_logits(module, signature)


def _check_finite(module: torch.nn.Module, model: Model, field: str) -> None:
    fault = weights.not_finite(
        {name: value for name, value in module.state_dict().items() if torch.is_tensor(value)}
    )
    if fault:
        raise InputError(
            Fault(
                field=f"{field}.source",
                given=model.source,
                problem=f"the network's weights hold NaN or infinity in {fault}",
                remedy="Give weights that are finite",
            )
        )
