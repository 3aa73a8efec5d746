"""Networks that lose their accuracy in int8, each for a reason of its own, and their data.

All are trained here on real data. A cause that training at this size does not bring about by
itself (channels of unlike ranges, outlier features) is put in by rescaling that leaves the function
as it was: what one operator multiplies the next one takes back. These are the causes that Nagel et
al. 2019 (1906.04721) found in MobileNets and Xiao et al. 2023 (2211.10438) in transformers.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from sklearn.datasets import load_breast_cancer, load_digits
from torch import nn

from edgedistill.core.preprocessing import Preprocessing
from edgedistill.core.recipe import Augmentation
from edgedistill.data.dataset import Dataset, Split

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RAW = Preprocessing(kind="array")
BLACK = -0.75
"""What a black pixel of the digits reads."""
HOT_PIXEL = 150.0
"""What a broken pixel reads, in units in which white is 2.1."""


def digits() -> Dataset:
    """8x8 pictures of digits, normalized: 900 to learn from, 897 that decide."""
    source = load_digits()
    pictures = ((source.images / 16 - 0.3) / 0.4).astype(np.float32)[:, None]
    return dataset_of("digits", pictures, source.target, 900)


def digits_of_a_broken_sensor() -> Dataset:
    """The digits, with one hot pixel in one of the pictures to calibrate with."""
    dataset = digits()
    pictures = dataset.calibration.inputs["input"].copy()
    pictures[7, 0, 3, 3] = HOT_PIXEL
    return replace(dataset, calibration=replace(dataset.calibration, inputs={"input": pictures}))


def tumours() -> Dataset:
    """30 measurements of cell nuclei in their own units, from 0.001 to 4254."""
    source = load_breast_cancer()
    order = np.random.default_rng(0).permutation(len(source.target))
    rows = source.data.astype(np.float32)[order]
    return dataset_of("breast cancer", rows, source.target[order], 300)


def depthwise(dataset: Dataset, path: Path) -> None:
    """A MobileNet of three blocks."""
    layers: list[nn.Module] = [*_block(1, 24, 1)]
    for _ in range(3):
        layers += [*_block(24, 24, 24), *_block(24, 24, 1, kernel=1)]
    _finish(
        nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, 10)),
        dataset,
        path,
    )


def convolutional(dataset: Dataset, path: Path) -> None:
    """Four dense convolutions."""
    layers = [*_block(1, 16, 1), *_block(16, 16, 1), *_block(16, 16, 1), *_block(16, 16, 1)]
    _finish(
        nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10)),
        dataset,
        path,
    )


def transformer(dataset: Dataset, path: Path) -> None:
    """A vision transformer of two blocks."""
    _finish(_Vision(), dataset, path, epochs=40)


def perceptron(dataset: Dataset, path: Path) -> None:
    """Three layers with a soft activation, so that no scale can be moved from one to the next."""
    layers = [nn.Flatten(), nn.Linear(64, 48), nn.GELU(), nn.Linear(48, 48), nn.GELU()]
    _finish(nn.Sequential(*layers, nn.Linear(48, 10)), dataset, path)


def standardized(dataset: Dataset, path: Path) -> None:
    """A perceptron that takes raw measurements: the first layer standardizes them."""
    raw = dataset.train.inputs["input"]
    mean, spread = (torch.from_numpy(one) for one in (raw.mean(0), raw.std(0)))
    module = nn.Sequential(
        nn.Linear(30, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2)
    )
    teach(nn.Sequential(Standardized(mean, spread), module), dataset, epochs=60)
    first = module[0]
    with torch.no_grad():
        first.bias -= first.weight @ (mean / spread)
        first.weight /= spread
    export(module, dataset, path)


def unequal(octaves: float) -> Callable[[Path], None]:
    """Channels between convolutions are scaled by 2 to the power of up to `octaves` each way."""

    def change(path: Path) -> None:
        model, generator = onnx.load_model(path), np.random.default_rng(0)
        tensors = {tensor.name: tensor for tensor in model.graph.initializer}
        for first, second in _pairs(model.graph):
            factors = 2 ** generator.uniform(-octaves, octaves, tensors[first.input[1]].dims[0])
            for name in first.input[1:]:
                _multiply(tensors[name], factors, axis=0)
            depthwise = tensors[second.input[1]].dims[1] == 1
            _multiply(tensors[second.input[1]], 1 / factors, axis=0 if depthwise else 1)
        onnx.save_model(model, path)

    return change


def outlier_features(path: Path) -> None:
    """Three features of each normalization are 60 times as large, and as much smaller after it."""
    model = onnx.load_model(path)
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    done = set()
    for node in model.graph.node:
        if node.op_type != "LayerNormalization":
            continue
        factors = np.ones(tensors[node.input[1]].dims[0])
        factors[[3, 11, 20]] = 60.0
        for name in node.input[1:]:
            assert name not in done, "two normalizations share a constant"
            done.add(name)
            _multiply(tensors[name], factors, axis=0)
        for reader in (one for one in model.graph.node if node.output[0] in one.input):
            assert reader.op_type == "MatMul", reader.op_type
            _multiply(tensors[reader.input[1]], 1 / factors, axis=0)
    onnx.save_model(model, path)


def loud_weights(path: Path) -> None:
    """What reads the pixels that are black in every picture was never taught, and is large.

    Black is -0.75 here, so a bias takes back what such a weight adds: the function stays.
    """
    model = onnx.load_model(path)
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    first = next(node for node in model.graph.node if node.op_type == "Gemm")
    weight, bias = tensors[first.input[1]], tensors[first.input[2]]
    values, offsets = numpy_helper.to_array(weight).copy(), numpy_helper.to_array(bias).copy()
    columns = values if _is_transposed(first) else values.T  # [outputs, inputs]
    dead = [0, 32, 39]
    sizes = np.random.default_rng(0).uniform(30, 50, (len(columns), len(dead)))
    loud = (sizes * np.abs(columns).max() * np.array([1, -1, 1])).astype(np.float32)
    offsets += BLACK * (columns[:, dead] - loud).sum(1)
    columns[:, dead] = loud
    weight.CopyFrom(numpy_helper.from_array(values, weight.name))
    bias.CopyFrom(numpy_helper.from_array(offsets, bias.name))
    onnx.save_model(model, path)


def _is_transposed(node: onnx.NodeProto) -> bool:
    return any(one.name == "transB" and one.i for one in node.attribute)


class Standardized(nn.Module):
    """Values less a mean, by a spread."""

    def __init__(self, mean: torch.Tensor, spread: torch.Tensor) -> None:
        super().__init__()
        self.mean, self.spread = mean, spread

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Values of any shape."""
        return (values - self.mean) / self.spread


class _Vision(nn.Module):
    def __init__(self, width: int = 32, heads: int = 2) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, width, 2, 2)
        self.places = nn.Parameter(torch.randn(1, 16, width) * 0.02)
        self.blocks = nn.ModuleList(_Block(width, heads) for _ in range(2))
        self.head = nn.Linear(width, 10)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        x = self.patches(input).flatten(2).transpose(1, 2) + self.places
        for block in self.blocks:
            x = block(x)
        return self.head(x.mean(1))


class _Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.mix = nn.Linear(width, width)
        self.wide, self.narrow = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, length, width = x.shape
        parts = self.query_key_value(self.before(x))
        parts = parts.reshape(batch, length, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)
        weights = (query @ key.transpose(-1, -2) * 0.25).softmax(-1)
        x = x + self.mix((weights @ value).transpose(1, 2).reshape(batch, length, width))
        return x + self.narrow(nn.functional.gelu(self.wide(self.between(x))))


def _block(inputs: int, outputs: int, groups: int, kernel: int = 3) -> tuple[nn.Module, ...]:
    convolution = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, groups=groups, bias=False)
    return convolution, nn.BatchNorm2d(outputs), nn.ReLU()


def _head(inputs: int) -> tuple[nn.Module, ...]:
    return nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 10)


def dataset_of(name: str, inputs: np.ndarray, labels: np.ndarray, taught: int) -> Dataset:
    """The first `taught` samples are to learn from, the others decide; the first 128 calibrate."""

    def split(start: int, stop: int) -> Split:
        return Split(
            inputs={"input": inputs[start:stop]},
            labels=labels[start:stop].astype(np.int64),
            groups=None,
            preprocessing=RAW,
            augmentation=Augmentation(),
        )

    return Dataset(
        name=name,
        source=f"sklearn:{name}",
        sha256="0" * 64,
        class_names=tuple(str(one) for one in range(int(labels.max()) + 1)),
        preprocessing=RAW,
        train=split(0, taught),
        validation=split(taught, len(labels)),
        test=None,
        calibration=split(0, 128),
    )


def _finish(module: nn.Module, dataset: Dataset, path: Path, epochs: int = 25) -> None:
    teach(module, dataset, epochs=epochs)
    export(module, dataset, path)


def teach(module: nn.Module, dataset: Dataset, *, epochs: int) -> None:
    """Trains on the labels."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.from_numpy(dataset.train.inputs["input"].copy())
    labels = torch.from_numpy(dataset.train.labels)
    optimizer = torch.optim.AdamW(module.parameters(), lr=3e-3)
    module.train()
    for _ in range(epochs):
        for batch in torch.randperm(len(labels), generator=generator).split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(module(inputs[batch]), labels[batch]).backward()
            optimizer.step()


def export(module: nn.Module, dataset: Dataset, path: Path) -> None:
    """Writes the module as ONNX."""
    example = torch.from_numpy(dataset.train.inputs["input"][:2].copy())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own
        torch.onnx.export(
            module.eval(),
            (example,),
            path,
            dynamo=True,
            opset_version=20,
            input_names=["input"],
            output_names=["logits"],
            dynamic_shapes=({0: "batch"},),
            external_data=False,
            verbose=False,
        )


def _pairs(graph: onnx.GraphProto) -> list[tuple[onnx.NodeProto, onnx.NodeProto]]:
    """Convolutions with nothing but a Relu between them."""
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    found = []
    for node in graph.node:
        after = readers.get(node.output[0], [])
        if node.op_type == "Conv" and len(after) == 1 and after[0].op_type == "Relu":
            last = readers.get(after[0].output[0], [])
            if len(last) == 1 and last[0].op_type == "Conv":
                found.append((node, last[0]))
    return found


def _multiply(tensor: onnx.TensorProto, factors: np.ndarray, *, axis: int) -> None:
    values = numpy_helper.to_array(tensor)
    shape = [1] * values.ndim
    shape[axis] = -1
    changed = (values * factors.reshape(shape)).astype(np.float32)
    tensor.CopyFrom(numpy_helper.from_array(changed, tensor.name))
