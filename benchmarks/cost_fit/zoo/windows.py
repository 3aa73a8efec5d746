"""Vision transformers whose attention is not simply that of all tokens with all: Twins, CaiT."""

from __future__ import annotations

import torch
from torch import nn

from zoo.blocks import LayerScale, Residual
from zoo.tokens import Attention, Patches, feed_forward


class WindowAttention(nn.Module):
    """Attention within windows of the picture (Twins-SVT, arXiv 2104.13840, section 3.2)."""

    def __init__(self, width: int, heads: int, side: int, window: int = 7) -> None:
        super().__init__()
        self.side, self.window = side, window
        self.attention = Attention(width, heads)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """[batch, tokens, width] to the same."""
        batch, count, width = tokens.shape
        size, many = self.window, self.side // self.window
        cut = tokens.reshape(batch, many, size, many, size, width).transpose(2, 3)
        done = self.attention(cut.reshape(batch * many * many, size * size, width))
        back = done.reshape(batch, many, many, size, size, width).transpose(2, 3)
        return back.reshape(batch, count, width)


class ReducedAttention(nn.Module):
    """Attention of all tokens to a picture reduced by a convolution (arXiv 2104.13840, eq. 4)."""

    def __init__(self, width: int, heads: int, side: int, reduction: int) -> None:
        super().__init__()
        self.side, self.heads, self.scale = side, heads, (width // heads) ** -0.5
        self.queries, self.pairs = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.outputs = nn.Linear(width, width)
        self.reduce = nn.Conv2d(width, width, reduction, reduction) if reduction > 1 else None
        self.norm = nn.LayerNorm(width) if reduction > 1 else nn.Identity()

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """[batch, tokens, width] to the same."""
        batch, count, width = tokens.shape
        head = width // self.heads
        query = self.queries(tokens).reshape(batch, count, self.heads, head).transpose(1, 2)
        seen = tokens
        if self.reduce is not None:
            picture = tokens.transpose(1, 2).reshape(batch, width, self.side, self.side)
            seen = self.norm(self.reduce(picture).flatten(2).transpose(1, 2))
        pairs = self.pairs(seen).reshape(batch, -1, 2, self.heads, head)
        key, value = pairs.permute(2, 0, 3, 1, 4).unbind(0)
        weights = ((query * self.scale) @ key.transpose(-2, -1)).softmax(-1)
        return self.outputs((weights @ value).transpose(1, 2).reshape(batch, count, width))


class PlaceConvolution(nn.Module):
    """A depthwise convolution whose result tells tokens their places (arXiv 2102.10882)."""

    def __init__(self, width: int, side: int) -> None:
        super().__init__()
        self.side = side
        self.convolution = nn.Conv2d(width, width, 3, padding=1, groups=width)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """[batch, tokens, width] to the same."""
        batch, _, width = tokens.shape
        picture = tokens.transpose(1, 2).reshape(batch, width, self.side, self.side)
        return (self.convolution(picture) + picture).flatten(2).transpose(1, 2)


class Picture(nn.Module):
    """Tokens as the picture they came from."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """[batch, tokens, width] to [batch, width, side, side]."""
        batch, _, width = tokens.shape
        return tokens.reshape(batch, self.side, self.side, width).permute(0, 3, 1, 2).contiguous()


class MeanToken(nn.Module):
    """The mean of all tokens."""

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """[batch, tokens, width] to [batch, width]."""
        return tokens.mean(1)


def twins_svt(
    widths: tuple[int, ...], heads: tuple[int, ...], depths: tuple[int, ...]
) -> nn.Module:
    """Twins-SVT (arXiv 2104.13840, table 8)."""
    layers: list[nn.Module] = []
    channels, side = 3, 224
    for stage, (width, head, depth, reduction) in enumerate(
        zip(widths, heads, depths, (8, 4, 2, 1), strict=True)
    ):
        patch = 2 if stage else 4
        side //= patch
        layers += [Patches(width, patch, inputs=channels), nn.LayerNorm(width)]
        for block in range(depth):
            attention: nn.Module = (
                ReducedAttention(width, head, side, reduction)
                if block % 2
                else WindowAttention(width, head, side)
            )
            layers += [
                Residual(nn.Sequential(nn.LayerNorm(width), attention)),
                Residual(nn.Sequential(nn.LayerNorm(width), feed_forward(width, 4 * width))),
            ]
            if block == 0:
                layers.append(PlaceConvolution(width, side))
        if stage < len(widths) - 1:
            layers.append(Picture(side))
        channels = width
    return nn.Sequential(*layers, nn.LayerNorm(channels), MeanToken(), nn.Linear(channels, 1000))


class ClassAttention(nn.Module):
    """Attention of the class token alone to all others (CaiT, arXiv 2103.17239, eq. 5)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.scale = heads, (width // heads) ** -0.5
        self.query, self.key, self.value, self.outputs = (nn.Linear(width, width) for _ in range(4))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """[batch, tokens, width] to [batch, 1, width]."""
        batch, count, width = tokens.shape
        head = width // self.heads
        query = self.query(tokens[:, 0]).unsqueeze(1).reshape(batch, 1, self.heads, head)
        query = query.transpose(1, 2) * self.scale
        key = self.key(tokens).reshape(batch, count, self.heads, head).transpose(1, 2)
        value = self.value(tokens).reshape(batch, count, self.heads, head).transpose(1, 2)
        weights = (query @ key.transpose(-2, -1)).softmax(-1)
        return self.outputs((weights @ value).transpose(1, 2).reshape(batch, 1, width))


class ClassBlock(nn.Module):
    """A block of CaiT that changes the class token only."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = nn.Sequential(
            nn.LayerNorm(width), ClassAttention(width, heads), LayerScale(width)
        )
        self.dense = nn.Sequential(
            nn.LayerNorm(width), feed_forward(width, 4 * width), LayerScale(width)
        )

    def forward(self, first: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        """[batch, 1, width] and [batch, tokens, width] to [batch, 1, width]."""
        first = first + self.attention(torch.cat([first, tokens], 1))
        changed: torch.Tensor = first + self.dense(first)
        return changed


class Cait(nn.Module):
    """CaiT (arXiv 2103.17239, table 3): heads that talk, and the class token last."""

    def __init__(self, width: int, depth: int, heads: int, side: int = 224) -> None:
        super().__init__()
        self.cut = Patches(width, 16)
        self.places = nn.Parameter(torch.zeros(1, (side // 16) ** 2, width))
        self.first = nn.Parameter(torch.zeros(1, 1, width))
        self.body = nn.Sequential(
            *(
                Residual(nn.Sequential(nn.LayerNorm(width), layer, LayerScale(width)))
                for _ in range(depth)
                for layer in (
                    Attention(width, heads, talking=True),
                    feed_forward(width, 4 * width),
                )
            )
        )
        self.last = nn.ModuleList(ClassBlock(width, heads) for _ in range(2))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 1000)

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """[batch, 3, height, width] to [batch, 1000]."""
        tokens = self.body(self.cut(picture) + self.places)
        first = self.first.expand(picture.shape[0], -1, -1)
        for block in self.last:
            first = block(first, tokens)
        answers: torch.Tensor = self.head(self.norm(torch.cat([first, tokens], 1))[:, 0])
        return answers
