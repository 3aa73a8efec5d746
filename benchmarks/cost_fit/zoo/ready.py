"""Networks that the library transformers builds from a configuration; no weights are fetched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    import torch


class Logits(nn.Module):
    """A network of transformers that answers with its logits alone."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """[batch, 3, height, width] to [batch, 1000]."""
        logits: torch.Tensor = self.network(pixel_values=picture).logits
        return logits


def levit(
    widths: tuple[int, int, int],
    heads: tuple[int, int, int],
    depths: tuple[int, int, int],
    key: int = 16,
) -> nn.Module:
    """LeViT with its second head (arXiv 2104.01136, table 1)."""
    from transformers import LevitConfig, LevitForImageClassificationWithTeacher

    config = LevitConfig(
        hidden_sizes=list(widths),
        num_attention_heads=list(heads),
        depths=list(depths),
        key_dim=[key] * 3,
        num_labels=1000,
        down_ops=[
            ["Subsample", key, widths[0] // key, 4, 2, 2],
            ["Subsample", key, widths[1] // key, 4, 2, 2],
        ],
    )
    return Logits(LevitForImageClassificationWithTeacher(config))


def pvt_v2(
    widths: tuple[int, ...], depths: tuple[int, ...], ratios: tuple[int, ...] = (8, 8, 4, 4)
) -> nn.Module:
    """PVT v2 (arXiv 2106.13797, table 1)."""
    from transformers import PvtV2Config, PvtV2ForImageClassification

    config = PvtV2Config(
        hidden_sizes=list(widths),
        depths=list(depths),
        sr_ratios=[8, 4, 2, 1],
        num_attention_heads=[1, 2, 5, 8],
        mlp_ratios=list(ratios),
        num_labels=1000,
    )
    return Logits(PvtV2ForImageClassification(config))


def mobilevit(
    widths: tuple[int, ...], necks: tuple[int, ...], *, expansion: float, side: int = 256
) -> nn.Module:
    """MobileViT (arXiv 2110.02178, table 4)."""
    from transformers import MobileViTConfig, MobileViTForImageClassification

    config = MobileViTConfig(
        hidden_sizes=list(widths),
        neck_hidden_sizes=list(necks),
        expand_ratio=expansion,
        image_size=side,
        num_labels=1000,
    )
    return Logits(MobileViTForImageClassification(config))


def mobilevit_v2(width: float, side: int = 256) -> nn.Module:
    """MobileViT v2 (arXiv 2206.02680, table 5)."""
    from transformers import MobileViTV2Config, MobileViTV2ForImageClassification

    config = MobileViTV2Config(width_multiplier=width, image_size=side, num_labels=1000)
    return Logits(MobileViTV2ForImageClassification(config))


def efficientformer(widths: tuple[int, ...], depths: tuple[int, ...], attended: int) -> nn.Module:
    """EfficientFormer (arXiv 2206.01191, table 3).

    Args:
        widths: Channels of the four stages.
        depths: Blocks of the four stages.
        attended: Of the last stage's blocks, how many have attention.
    """
    from transformers.models.deprecated.efficientformer import (
        EfficientFormerConfig,
        EfficientFormerForImageClassificationWithTeacher,
    )

    config = EfficientFormerConfig(
        hidden_sizes=list(widths),
        depths=list(depths),
        dim=widths[-1],
        num_meta3d_blocks=attended,
        num_labels=1000,
    )
    config.hidden_size = widths[-1]  # read by the head, and set by no default
    return Logits(EfficientFormerForImageClassificationWithTeacher(config))
