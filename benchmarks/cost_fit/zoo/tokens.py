"""Networks of tokens: vision transformers and networks that mix tokens by matrices alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from zoo.blocks import LayerScale, Residual

if TYPE_CHECKING:
    from collections.abc import Callable


class Attention(nn.Module):
    """Self-attention with one product for queries, keys and values (arXiv 1706.03762, eq. 1).

    Attributes:
        relative: A bias by relative place (BEiT, arXiv 2106.08254) over this side length.
        talking: Whether heads are mixed before and after the softmax (CaiT, arXiv 2103.17239).
    """

    def __init__(
        self, width: int, heads: int, *, relative: int = 0, talking: bool = False, bias: bool = True
    ) -> None:
        super().__init__()
        self.heads, self.scale = heads, (width // heads) ** -0.5
        self.inputs = nn.Linear(width, 3 * width, bias=bias)
        self.outputs = nn.Linear(width, width)
        self.before = nn.Linear(heads, heads) if talking else None
        self.after = nn.Linear(heads, heads) if talking else None
        self.relative = relative
        if relative:
            distances = (2 * relative - 1) ** 2 + 3
            self.value_bias = nn.Parameter(torch.zeros(2 * width))
            self.table = nn.Parameter(torch.zeros(distances, heads))
            tokens = relative**2 + 1
            index = torch.arange(tokens * tokens) % distances
            self.register_buffer("index", index.reshape(tokens, tokens))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """[batch, tokens, width] to the same."""
        batch, count, width = tokens.shape
        joined = self.inputs(tokens).reshape(batch, count, 3, self.heads, width // self.heads)
        query, key, value = joined.permute(2, 0, 3, 1, 4).unbind(0)
        scores = (query * self.scale) @ key.transpose(-2, -1)
        if self.relative:
            scores = scores + self.table[self.index].permute(2, 0, 1)
        if self.before is not None:
            scores = self.before(scores.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        weights = scores.softmax(-1)
        if self.after is not None:
            weights = self.after(weights.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        mixed = (weights @ value).transpose(1, 2).reshape(batch, count, width)
        return self.outputs(mixed)


def feed_forward(width: int, inner: int, outputs: int | None = None) -> nn.Sequential:
    """Two linear layers with a GELU between."""
    return nn.Sequential(nn.Linear(width, inner), nn.GELU(), nn.Linear(inner, outputs or width))


class Patches(nn.Module):
    """The picture cut into patches, each made a token."""

    def __init__(self, width: int, size: int, *, bias: bool = True, inputs: int = 3) -> None:
        super().__init__()
        self.cut = nn.Conv2d(inputs, width, size, size, bias=bias)

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """[batch, channels, height, width] to [batch, tokens, width]."""
        return self.cut(picture).flatten(2).transpose(1, 2)


class Prefixed(nn.Module):
    """A class token before the others, and a learned place added to each."""

    def __init__(self, width: int, tokens: int, *, places: bool = True) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.zeros(1, 1, width))
        self.places = nn.Parameter(torch.zeros(1, tokens + 1, width)) if places else None

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """[batch, tokens, width] to one token more."""
        joined = torch.cat([self.first.expand(tokens.shape[0], -1, -1), tokens], 1)
        return joined if self.places is None else joined + self.places


class Pooled(nn.Module):
    """The class token, or the mean of all others."""

    def __init__(self, *, mean: bool, skipped: int = 0) -> None:
        super().__init__()
        self.mean, self.skipped = mean, skipped

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """[batch, tokens, width] to [batch, width]."""
        return tokens[:, self.skipped :].mean(1) if self.mean else tokens[:, 0]


@dataclass(frozen=True, kw_only=True)
class VisionTransformer:
    """Dosovitskiy et al. 2021 (arXiv 2010.11929), table 1; BEiT where `relative`.

    Attributes:
        width: Of a token.
        depth: Blocks.
        heads: Of an attention.
        patch: Side of a patch.
        side: Of the picture.
        relative: Whether places are biases of the scores and blocks are scaled (BEiT).
        first_norm: Whether tokens are normalized before the first block (CLIP).
        mean: Whether the mean of the tokens is classified and not the class token.
    """

    width: int
    depth: int
    heads: int
    patch: int = 16
    side: int = 224
    relative: bool = False
    first_norm: bool = False
    mean: bool = False

    def build(self) -> nn.Module:
        """The network."""
        side = self.side // self.patch
        layers: list[nn.Module] = [
            Patches(self.width, self.patch, bias=not self.first_norm),
            Prefixed(self.width, side**2, places=not self.relative),
        ]
        layers += [nn.LayerNorm(self.width)] if self.first_norm else []
        for _ in range(self.depth):
            attention = Attention(
                self.width,
                self.heads,
                relative=side if self.relative else 0,
                bias=not self.relative,
            )
            scale = [LayerScale(self.width)] if self.relative else []
            layers += [
                Residual(nn.Sequential(nn.LayerNorm(self.width), attention, *scale)),
                Residual(
                    nn.Sequential(
                        nn.LayerNorm(self.width), feed_forward(self.width, 4 * self.width), *scale
                    )
                ),
            ]
        pool, norm = Pooled(mean=self.mean, skipped=1), nn.LayerNorm(self.width)
        layers += [pool, norm] if self.mean else [norm, pool]
        return nn.Sequential(*layers, nn.Linear(self.width, 1000))


class Transposed(nn.Module):
    """A module that mixes tokens and not the numbers of a token."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """[batch, tokens, width] to the same."""
        return self.body(tokens.transpose(1, 2)).transpose(1, 2)


class Affine(nn.Module):
    """A factor and a shift for each number of a token (ResMLP, arXiv 2105.03404, eq. 1)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.ones(1, 1, width))
        self.shift = nn.Parameter(torch.zeros(1, 1, width))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """[batch, tokens, width] to the same."""
        return torch.addcmul(self.shift, self.factor, tokens)


class SpatialGate(nn.Module):
    """gMLP (arXiv 2105.08050, eq. 2): half the numbers gate the other half, mixed over tokens."""

    def __init__(self, width: int, tokens: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.mix = nn.Linear(tokens, tokens)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """[batch, tokens, 2 width] to [batch, tokens, width]."""
        kept, gate = tokens.chunk(2, -1)
        return kept * self.mix(self.norm(gate).transpose(1, 2)).transpose(1, 2)


def _mixed(
    width: int, depth: int, patch: int, block: Callable[[int], list[nn.Module]], last: nn.Module
) -> nn.Sequential:
    tokens = (224 // patch) ** 2
    blocks = [layer for _ in range(depth) for layer in block(tokens)]
    return nn.Sequential(
        Patches(width, patch), *blocks, last, Pooled(mean=True), nn.Linear(width, 1000)
    )


def mixer(width: int, depth: int, patch: int = 16) -> nn.Module:
    """MLP-Mixer (arXiv 2105.01601), table 1."""

    def block(tokens: int) -> list[nn.Module]:
        between, within = feed_forward(tokens, width // 2), feed_forward(width, 4 * width)
        return [
            Residual(nn.Sequential(nn.LayerNorm(width), Transposed(between))),
            Residual(nn.Sequential(nn.LayerNorm(width), within)),
        ]

    return _mixed(width, depth, patch, block, nn.LayerNorm(width))


def resmlp(width: int, depth: int, patch: int = 16) -> nn.Module:
    """ResMLP (arXiv 2105.03404), table 1."""

    def block(tokens: int) -> list[nn.Module]:
        mix, within = Transposed(nn.Linear(tokens, tokens)), feed_forward(width, 4 * width)
        return [
            Residual(nn.Sequential(Affine(width), mix, LayerScale(width))),
            Residual(nn.Sequential(Affine(width), within, LayerScale(width))),
        ]

    return _mixed(width, depth, patch, block, Affine(width))


def gmlp(width: int, depth: int, patch: int = 16) -> nn.Module:
    """The gMLP of arXiv 2105.08050, table 1."""

    def block(tokens: int) -> list[nn.Module]:
        layers = [
            nn.LayerNorm(width),
            nn.Linear(width, 6 * width),
            nn.GELU(),
            SpatialGate(3 * width, tokens),
            nn.Linear(3 * width, width),
        ]
        return [Residual(nn.Sequential(*layers))]

    return _mixed(width, depth, patch, block, nn.LayerNorm(width))


class Pit(nn.Module):
    """Pooling-based vision transformer (arXiv 2103.16302, table 1): three stages of attention."""

    def __init__(
        self,
        widths: tuple[int, ...],
        depths: tuple[int, ...],
        heads: tuple[int, ...],
        patch: tuple[int, int],
    ) -> None:
        super().__init__()
        size, stride = patch
        side = (224 - size) // stride + 1
        self.cut = nn.Conv2d(3, widths[0], size, stride)
        self.places = nn.Parameter(torch.zeros(1, widths[0], side, side))
        self.first = nn.Parameter(torch.zeros(1, 1, widths[0]))
        self.stages = nn.ModuleList()
        self.pools, self.lifts = nn.ModuleList(), nn.ModuleList()
        for place, (width, depth, count) in enumerate(zip(widths, depths, heads, strict=True)):
            blocks = [
                layer
                for _ in range(depth)
                for layer in (
                    Residual(nn.Sequential(nn.LayerNorm(width), Attention(width, count))),
                    Residual(nn.Sequential(nn.LayerNorm(width), feed_forward(width, 4 * width))),
                )
            ]
            self.stages.append(nn.Sequential(*blocks))
            if place + 1 < len(widths):
                wider = widths[place + 1]
                self.pools.append(nn.Conv2d(width, wider, 3, 2, 1, groups=width))
                self.lifts.append(nn.Linear(width, wider))
        self.norm, self.head = nn.LayerNorm(widths[-1]), nn.Linear(widths[-1], 1000)

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """[batch, 3, 224, 224] to [batch, 1000]."""
        places = self.cut(picture) + self.places
        first = self.first.expand(picture.shape[0], -1, -1)
        for number, stage in enumerate(self.stages):
            if number:
                places, first = self.pools[number - 1](places), self.lifts[number - 1](first)
            batch, width, height, side = places.shape
            tokens = stage(torch.cat([first, places.flatten(2).transpose(1, 2)], 1))
            first, rest = tokens[:, :1], tokens[:, 1:]
            places = rest.transpose(1, 2).reshape(batch, width, height, side)
        return self.head(self.norm(first)[:, 0])
