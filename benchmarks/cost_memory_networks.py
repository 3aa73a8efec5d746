"""Networks of the usual families with random weights, written as ONNX files without torch.

They are small editions of published architectures: what matters here is the pattern in which
tensors live (chains, residual sums, dense concatenations, encoders with skip connections,
attention) and how weights and activations compare, not what the networks know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OPSET = 20
IR_VERSION = 10


class Builder:
    """Writes a graph node by node; a tensor is its name, its shape is kept beside it."""

    def __init__(self, shape: tuple[int, ...], element: int = TensorProto.FLOAT) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []
        self._random = np.random.default_rng(0)
        self.shapes: dict[str, tuple[int, ...]] = {"input": (1, *shape)}
        self._element = element

    def node(
        self, operator: str, *inputs: str, shape: tuple[int, ...], **attributes: object
    ) -> str:
        """Adds a node and gives the name of its output."""
        name = f"{operator.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, list(inputs), [name], name, **attributes))
        self.shapes[name] = shape
        return name

    def weight(self, *shape: int) -> str:
        """A weight with random values."""
        fan_in = max(1, int(np.prod(shape[1:])))
        values = self._random.standard_normal(shape, dtype=np.float32) / np.float32(fan_in**0.5)
        return self.constant(values)

    def constant(self, values: np.ndarray) -> str:
        """A constant tensor."""
        name = f"weight_{len(self._weights)}"
        self._weights.append(numpy_helper.from_array(values, name))
        return name

    def conv(
        self, tensor: str, channels: int, kernel: int = 3, *, stride: int = 1, groups: int = 1
    ) -> str:
        """A convolution with bias and padding that keeps the size, up to the stride."""
        _, given, height, width = self.shapes[tensor]
        shape = (1, channels, -(-height // stride), -(-width // stride))
        return self.node(
            "Conv",
            tensor,
            self.weight(channels, given // groups, kernel, kernel),
            self.weight(channels),
            shape=shape,
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[kernel // 2] * 4,
            group=groups,
        )

    def same(self, operator: str, *inputs: str, **attributes: object) -> str:
        """An operator whose output is as large as its first input."""
        return self.node(operator, *inputs, shape=self.shapes[inputs[0]], **attributes)

    def conv_relu(self, tensor: str, channels: int, kernel: int = 3, **options: int) -> str:
        """Convolution and ReLU."""
        return self.same("Relu", self.conv(tensor, channels, kernel, **options))

    def conv_silu(self, tensor: str, channels: int, kernel: int = 3, **options: int) -> str:
        """Convolution and SiLU, as exporters write it: a product with the sigmoid."""
        tensor = self.conv(tensor, channels, kernel, **options)
        return self.same("Mul", tensor, self.same("Sigmoid", tensor))

    def concat(self, *tensors: str) -> str:
        """Tensors side by side in their channels."""
        _, _, height, width = self.shapes[tensors[0]]
        channels = sum(self.shapes[one][1] for one in tensors)
        return self.node("Concat", *tensors, shape=(1, channels, height, width), axis=1)

    def max_pool(self, tensor: str) -> str:
        """Half the height and width."""
        _, channels, height, width = self.shapes[tensor]
        shape = (1, channels, height // 2, width // 2)
        return self.node("MaxPool", tensor, shape=shape, kernel_shape=[2, 2], strides=[2, 2])

    def upsample(self, tensor: str) -> str:
        """Twice the height and width."""
        _, channels, height, width = self.shapes[tensor]
        scales = self.constant(np.array([1, 1, 2, 2], dtype=np.float32))
        shape = (1, channels, height * 2, width * 2)
        return self.node("Resize", tensor, "", scales, shape=shape, mode="nearest")

    def reshape(self, tensor: str, *shape: int) -> str:
        """The same elements in another shape."""
        return self.node("Reshape", tensor, self.constant(np.array(shape, np.int64)), shape=shape)

    def linear(self, tensor: str, columns: int) -> str:
        """A matrix product with bias over the last axis."""
        *rows, inner = self.shapes[tensor]
        shape = (*rows, columns)
        product = self.node("MatMul", tensor, self.weight(inner, columns), shape=shape)
        return self.same("Add", product, self.weight(columns))

    def classify(self, tensor: str, classes: int = 1000) -> str:
        """Mean over the picture, then a linear layer."""
        channels = self.shapes[tensor][1]
        pooled = self.node("GlobalAveragePool", tensor, shape=(1, channels, 1, 1))
        flat = self.node("Flatten", pooled, shape=(1, channels))
        return self.node(
            "Gemm", flat, self.weight(channels, classes), self.weight(classes), shape=(1, classes)
        )

    def layer_norm(self, tensor: str) -> str:
        """Layer normalization over the last axis."""
        width = self.shapes[tensor][-1]
        return self.same("LayerNormalization", tensor, self.weight(width), self.weight(width))

    def attention(self, tensor: str, heads: int) -> str:
        """Self-attention, written out as exporters do."""
        _, length, width = self.shapes[tensor]
        size = width // heads
        parts = []
        for axes in ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3]):  # query, key transposed, value
            part = self.reshape(self.linear(tensor, width), 1, length, heads, size)
            shape = tuple(self.shapes[part][axis] for axis in axes)
            parts.append(self.node("Transpose", part, shape=shape, perm=axes))
        query, key, value = parts
        scores = self.node("MatMul", query, key, shape=(1, heads, length, length))
        scale = self.constant(np.array(size**-0.5, dtype=np.float32))
        weights = self.same("Softmax", self.same("Mul", scores, scale))
        mixed = self.node("MatMul", weights, value, shape=(1, heads, length, size))
        shape = (1, length, heads, size)
        back = self.node("Transpose", mixed, shape=shape, perm=[0, 2, 1, 3])
        return self.linear(self.reshape(back, 1, length, width), width)

    def encoder(self, tensor: str, blocks: int, heads: int) -> str:
        """Transformer blocks, normalization first."""
        width = self.shapes[tensor][-1]
        for _ in range(blocks):
            tensor = self.same("Add", self.attention(self.layer_norm(tensor), heads), tensor)
            hidden = self.same("Gelu", self.linear(self.layer_norm(tensor), 4 * width))
            tensor = self.same("Add", self.linear(hidden, width), tensor)
        return self.layer_norm(tensor)

    def save(self, path: Path, output: str) -> None:
        """Writes the graph with one output."""
        graph = helper.make_graph(
            self._nodes,
            "network",
            [helper.make_tensor_value_info("input", self._element, self.shapes["input"])],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, self.shapes[output])],
            self._weights,
        )
        opset = helper.make_opsetid("", OPSET)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION)
        onnx.checker.check_model(model, full_check=True)
        onnx.save_model(model, path)


def vgg(path: Path) -> None:
    """A chain of convolutions and wide linear layers."""
    net = Builder((3, 224, 224))
    tensor = "input"
    for channels, repeats in ((64, 2), (128, 2), (256, 3), (256, 3), (256, 3)):
        for _ in range(repeats):
            tensor = net.conv_relu(tensor, channels)
        tensor = net.max_pool(tensor)
    tensor = net.node("Flatten", tensor, shape=(1, 256 * 49))
    for width in (2048, 2048):
        tensor = net.same("Relu", net.linear(tensor, width))
    net.save(path, net.linear(tensor, 1000))


def resnet(path: Path, *, bottleneck: bool, size: int = 224) -> None:
    """ResNet-18, or ResNet-50 with bottlenecks."""
    net = Builder((3, size, size))
    tensor = net.max_pool(net.conv_relu("input", 64, 7, stride=2))
    repeats = (3, 4, 6, 3) if bottleneck else (2, 2, 2, 2)
    for stage, count in enumerate(repeats):
        width = 64 * 2**stage
        for block in range(count):
            stride = 2 if block == 0 and stage > 0 else 1
            shortcut, wide = tensor, width * (4 if bottleneck else 1)
            if stride == 2 or net.shapes[tensor][1] != wide:
                shortcut = net.conv(tensor, wide, 1, stride=stride)
            if bottleneck:
                inner = net.conv_relu(net.conv_relu(tensor, width, 1), width, 3, stride=stride)
                inner = net.conv(inner, wide, 1)
            else:
                inner = net.conv(net.conv_relu(tensor, width, 3, stride=stride), width, 3)
            tensor = net.same("Relu", net.same("Add", inner, shortcut))
    net.save(path, net.classify(tensor))


def mobilenet(path: Path, *, width: float = 1.0, size: int = 224, squeeze: bool = False) -> None:
    """MobileNetV2; with squeeze-and-excitation and SiLU it is like an EfficientNet."""
    net = Builder((3, size, size))
    activate = net.conv_silu if squeeze else net.conv_relu
    tensor = activate("input", 8 * round(4 * width + 0.5), 3, stride=2)
    stages = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2))
    for expand, channels, count, stride in (*stages, (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)):
        wide = max(8, 8 * round(channels * width / 8))
        for block in range(count):
            given = net.shapes[tensor][1]
            inner = activate(tensor, given * expand, 1)
            step = stride if block == 0 else 1
            inner = activate(inner, given * expand, 3, stride=step, groups=given * expand)
            if squeeze:
                inner = _squeeze(net, inner, given // 4)
            inner = net.conv(inner, wide, 1)
            same = net.shapes[inner] == net.shapes[tensor]
            tensor = net.same("Add", inner, tensor) if same else inner
    net.save(path, net.classify(activate(tensor, 1280, 1)))


def _squeeze(net: Builder, tensor: str, inner: int) -> str:
    channels = net.shapes[tensor][1]
    pooled = net.node("GlobalAveragePool", tensor, shape=(1, channels, 1, 1))
    gate = net.same("Sigmoid", net.conv(net.conv_silu(pooled, max(inner, 4), 1), channels, 1))
    return net.same("Mul", tensor, gate)


def densenet(path: Path) -> None:
    """Dense concatenations, growth 32."""
    net = Builder((3, 224, 224))
    tensor = net.max_pool(net.conv_relu("input", 64, 7, stride=2))
    for stage, count in enumerate((6, 12, 16, 12)):
        for _ in range(count):
            new = net.conv_relu(net.conv_relu(tensor, 128, 1), 32, 3)
            tensor = net.concat(tensor, new)
        if stage < 3:
            tensor = net.max_pool(net.conv_relu(tensor, net.shapes[tensor][1] // 2, 1))
    net.save(path, net.classify(tensor))


def inception(path: Path) -> None:
    """Four branches side by side, as in GoogLeNet."""
    net = Builder((3, 224, 224))
    tensor = net.max_pool(net.conv_relu("input", 64, 7, stride=2))
    tensor = net.max_pool(net.conv_relu(tensor, 192, 3))
    for stage, count in enumerate((2, 5, 2)):
        part = 64 * (stage + 1)
        for _ in range(count):
            tensor = net.concat(
                net.conv_relu(tensor, part, 1),
                net.conv_relu(net.conv_relu(tensor, part, 1), 2 * part, 3),
                net.conv_relu(net.conv_relu(tensor, part // 4, 1), part // 2, 5),
                net.conv_relu(tensor, part // 2, 1),
            )
        tensor = net.max_pool(tensor)
    net.save(path, net.classify(tensor))


def unet(path: Path, *, width: int = 32, size: int = 256) -> None:
    """An encoder and a decoder with skip connections."""
    net = Builder((3, size, size))
    tensor, kept = "input", []
    for depth in range(4):
        tensor = net.conv_relu(net.conv_relu(tensor, width * 2**depth), width * 2**depth)
        kept.append(tensor)
        tensor = net.max_pool(tensor)
    tensor = net.conv_relu(tensor, width * 16)
    for depth in reversed(range(4)):
        tensor = net.conv_relu(net.upsample(tensor), width * 2**depth, 1)
        tensor = net.concat(kept.pop(), tensor)
        tensor = net.conv_relu(net.conv_relu(tensor, width * 2**depth), width * 2**depth)
    net.save(path, net.conv(tensor, 2, 1))


def detector(path: Path, *, width: int, size: int) -> None:
    """A detector in the manner of YOLOv5: SiLU, split stages, a pyramid, three heads."""
    net = Builder((3, size, size))
    tensor = net.conv_silu("input", width, 6 - 1, stride=2)
    kept = []
    for depth, count in enumerate((1, 2, 3, 1)):
        tensor = net.conv_silu(tensor, width * 2 ** (depth + 1), 3, stride=2)
        tensor = _split_stage(net, tensor, count, residual=True)
        kept.append(tensor)
    fine, middle, coarse = kept[1:]
    up = _split_stage(net, net.concat(net.upsample(net.conv_silu(coarse, width * 8, 1)), middle), 1)
    top = _split_stage(net, net.concat(net.upsample(net.conv_silu(up, width * 4, 1)), fine), 1)
    heads = []
    for tensor in (top, up, coarse):
        head = net.conv(tensor, 255, 1)
        _, channels, height, columns = net.shapes[head]
        heads.append(net.reshape(head, 1, channels, height * columns))
    total = sum(net.shapes[head][2] for head in heads)
    joined = net.node("Concat", *heads, shape=(1, 255, total), axis=2)
    net.save(path, net.same("Sigmoid", joined))


def _split_stage(net: Builder, tensor: str, count: int, *, residual: bool = False) -> str:
    channels = net.shapes[tensor][1]
    half = min(channels, 256) // 2
    other, inner = net.conv_silu(tensor, half, 1), net.conv_silu(tensor, half, 1)
    for _ in range(count):
        new = net.conv_silu(net.conv_silu(inner, half, 1), half, 3)
        inner = net.same("Add", new, inner) if residual else new
    return net.conv_silu(net.concat(inner, other), channels, 1)


def enlarger(path: Path) -> None:
    """Super-resolution: many pixels, few weights."""
    net = Builder((3, 360, 640))
    first = tensor = net.conv_relu("input", 32)
    for _ in range(4):
        tensor = net.same("Add", net.conv(net.conv_relu(tensor, 32), 32), tensor)
    tensor = net.conv(net.same("Add", tensor, first), 12)
    picture = net.node("DepthToSpace", tensor, shape=(1, 3, 720, 1280), blocksize=2, mode="CRD")
    net.save(path, picture)


def perceptron(path: Path) -> None:
    """Linear layers only: all weights, hardly any activations."""
    net = Builder((784,))
    tensor = "input"
    for width in (4096, 4096):
        tensor = net.same("Relu", net.linear(tensor, width))
    net.save(path, net.linear(tensor, 10))


def keyword(path: Path) -> None:
    """DS-CNN for keyword spotting: tiny."""
    net = Builder((1, 49, 10))
    tensor = net.conv_relu("input", 64, 5, stride=2)
    for _ in range(4):
        tensor = net.conv_relu(net.conv_relu(tensor, 64, 3, groups=64), 64, 1)
    net.save(path, net.classify(tensor, 12))


def vision_transformer(path: Path, *, width: int, heads: int, size: int = 224) -> None:
    """ViT with patches of 16."""
    net = Builder((3, size, size))
    side = size // 16
    patches = net.node(
        "Conv",
        "input",
        net.weight(width, 3, 16, 16),
        net.weight(width),
        shape=(1, width, side, side),
        kernel_shape=[16, 16],
        strides=[16, 16],
    )
    flat = net.reshape(patches, 1, width, side * side)
    tokens = net.node("Transpose", flat, shape=(1, side * side, width), perm=[0, 2, 1])
    tokens = net.encoder(net.same("Add", tokens, net.weight(1, side * side, width)), 12, heads)
    pooled = net.node(
        "ReduceMean", tokens, net.constant(np.array([1], np.int64)), shape=(1, width), keepdims=0
    )
    net.save(path, net.linear(pooled, 1000))


def text_encoder(path: Path, *, blocks: int, width: int, length: int) -> None:
    """A BERT with an embedding table of 30,000 words."""
    net = Builder((length,), TensorProto.INT64)
    words = net.node("Gather", net.weight(30_000, width), "input", shape=(1, length, width))
    tokens = net.encoder(net.same("Add", words, net.weight(1, length, width)), blocks, width // 64)
    pooled = net.node(
        "ReduceMean", tokens, net.constant(np.array([1], np.int64)), shape=(1, width), keepdims=0
    )
    net.save(path, net.linear(pooled, 77))


NETWORKS: dict[str, Callable[[Path], None]] = {
    "keyword spotting 49x10": keyword,
    "perceptron 784-4096-4096-10": perceptron,
    "VGG, narrow, 224": vgg,
    "ResNet-18, 224": lambda path: resnet(path, bottleneck=False),
    "ResNet-50, 224": lambda path: resnet(path, bottleneck=True),
    "ResNet-18, 448": lambda path: resnet(path, bottleneck=False, size=448),
    "MobileNetV2 1.0, 224": mobilenet,
    "MobileNetV2 0.35, 96": lambda path: mobilenet(path, width=0.35, size=96),
    "EfficientNet-like, 320": lambda path: mobilenet(path, width=1.0, size=320, squeeze=True),
    "DenseNet-like, 224": densenet,
    "GoogLeNet-like, 224": inception,
    "U-Net 32, 256": unet,
    "U-Net 16, 512": lambda path: unet(path, width=16, size=512),
    "YOLO-like n, 320": lambda path: detector(path, width=16, size=320),
    "YOLO-like s, 640": lambda path: detector(path, width=32, size=640),
    "super-resolution 360x640": enlarger,
    "ViT-Ti/16, 224": lambda path: vision_transformer(path, width=192, heads=3),
    "ViT-S/16, 384": lambda path: vision_transformer(path, width=384, heads=6, size=384),
    "BERT 4x256, 64 tokens": lambda path: text_encoder(path, blocks=4, width=256, length=64),
    "BERT 6x384, 256 tokens": lambda path: text_encoder(path, blocks=6, width=384, length=256),
}
"""By name: what writes the network to a path."""

QUANTIZED = (
    "ResNet-18, 224",
    "ResNet-50, 224",
    "MobileNetV2 1.0, 224",
    "U-Net 32, 256",
    "YOLO-like n, 320",
    "ViT-Ti/16, 224",
    "keyword spotting 49x10",
    "DenseNet-like, 224",
)
"""Those of which an int8 twin is made."""
