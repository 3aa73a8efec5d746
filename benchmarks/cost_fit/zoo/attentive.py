"""Networks of tokens, and of tokens and convolutions, by the name that timm has for them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from zoo import ready, tokens, windows
from zoo.architecture import Architecture
from zoo.tokens import VisionTransformer

if TYPE_CHECKING:
    from collections.abc import Iterator


def attentive() -> tuple[Architecture, ...]:
    """All of them."""
    return (
        *_vision_transformers(),
        *_windows(),
        *_mixers(),
        *_hybrids(),
    )


def _vision_transformers() -> Iterator[Architecture]:
    tiny = VisionTransformer(width=192, depth=12, heads=3)
    small = VisionTransformer(width=384, depth=12, heads=6)
    base = VisionTransformer(width=768, depth=12, heads=12)
    for name, network in {
        "vit_tiny_patch16_224.augreg_in21k_ft_in1k": tiny,
        "vit_tiny_patch16_384.augreg_in21k_ft_in1k": replace(tiny, side=384),
        "vit_small_patch32_224.augreg_in21k_ft_in1k": replace(small, patch=32),
        "vit_small_patch32_384.augreg_in21k_ft_in1k": replace(small, patch=32, side=384),
        "vit_small_patch16_224.augreg_in1k": small,
        "vit_small_patch16_384.augreg_in1k": replace(small, side=384),
        "vit_base_patch32_224.augreg_in1k": replace(base, patch=32),
        "vit_base_patch32_clip_448.laion2b_ft_in12k_in1k": replace(
            base, patch=32, side=448, first_norm=True
        ),
        "vit_base_patch16_224.augreg_in1k": base,
        "vit_base_patch16_384.augreg_in1k": replace(base, side=384),
        "flexivit_small.300ep_in1k": replace(small, side=240),
    }.items():
        yield Architecture(name, "vit", network.build)
    for side, depth in ((224, 12), (384, 12)):
        network = replace(base, depth=depth, side=side, relative=True, mean=True)
        yield Architecture(f"beit_base_patch16_{side}.in22k_ft_in22k_in1k", "beit", network.build)
    for name, heads, depths, width, patch in (
        ("ti", (2, 4, 8), (2, 6, 4), 64, (16, 8)),
        ("xs", (2, 4, 8), (2, 6, 4), 96, (16, 8)),
        ("s", (3, 6, 12), (2, 6, 4), 144, (16, 8)),
        ("b", (4, 8, 16), (3, 6, 4), 256, (14, 7)),
    ):
        widths = (width, 2 * width, 4 * width)
        yield Architecture(
            f"pit_{name}_224",
            "pit",
            lambda w=widths, d=depths, h=heads, p=patch: tokens.Pit(w, d, h, p),
        )


def _windows() -> Iterator[Architecture]:
    for name, width, heads, depths in (
        ("small", 64, (2, 4, 8, 16), (2, 2, 10, 4)),
        ("base", 96, (3, 6, 12, 24), (2, 2, 18, 2)),
        ("large", 128, (4, 8, 16, 32), (2, 2, 18, 2)),
    ):
        widths = tuple(width * 2**stage for stage in range(4))
        yield Architecture(
            f"twins_svt_{name}",
            "twins",
            lambda w=widths, h=heads, d=depths: windows.twins_svt(w, h, d),
        )
    for name, width, depth, heads, side in (
        ("xxs24_224", 192, 24, 4, 224),
        ("xxs36_224", 192, 36, 4, 224),
        ("s24_224", 384, 24, 8, 224),
        ("xs24_384", 288, 24, 6, 384),
    ):
        yield Architecture(
            f"cait_{name}",
            "cait",
            lambda w=width, d=depth, h=heads, s=side: windows.Cait(w, d, h, s),
        )


def _mixers() -> Iterator[Architecture]:
    yield Architecture("mixer_b16_224", "mixer", lambda: tokens.mixer(768, 12))
    yield Architecture("mixer_l16_224", "mixer", lambda: tokens.mixer(1024, 24))
    for depth in (12, 24, 36):
        yield Architecture(f"resmlp_{depth}_224", "resmlp", lambda d=depth: tokens.resmlp(384, d))
    yield Architecture("gmlp_s16_224", "gmlp", lambda: tokens.gmlp(256, 30))


def _hybrids() -> Iterator[Architecture]:
    for name, widths, heads, depths, key in (
        ("128s", (128, 256, 384), (4, 6, 8), (2, 3, 4), 16),
        ("128", (128, 256, 384), (4, 8, 12), (4, 4, 4), 16),
        ("192", (192, 288, 384), (3, 5, 6), (4, 4, 4), 32),
        ("256", (256, 384, 512), (4, 6, 8), (4, 4, 4), 32),
        ("384", (384, 512, 768), (6, 9, 12), (4, 4, 4), 32),
    ):
        yield Architecture(
            f"levit_{name}",
            "levit",
            lambda w=widths, h=heads, d=depths, k=key: ready.levit(w, h, d, k),
        )
    large = (64, 128, 320, 512)
    for name, widths, depths in (
        ("b0", (32, 64, 160, 256), (2, 2, 2, 2)),
        ("b1", large, (2, 2, 2, 2)),
        ("b2", large, (3, 4, 6, 3)),
        ("b3", large, (3, 4, 18, 3)),
    ):
        yield Architecture(f"pvt_v2_{name}", "pvt", lambda w=widths, d=depths: ready.pvt_v2(w, d))
    for name, widths, necks, expansion in (
        ("xxs", (64, 80, 96), (16, 16, 24, 48, 64, 80, 320), 2.0),
        ("xs", (96, 120, 144), (16, 32, 48, 64, 80, 96, 384), 4.0),
        ("s", (144, 192, 240), (16, 32, 64, 96, 128, 160, 640), 4.0),
    ):
        yield Architecture(
            f"mobilevit_{name}",
            "mobilevit",
            lambda w=widths, n=necks, e=expansion: ready.mobilevit(w, n, expansion=e),
        )
    for percent in (50, 100, 200):
        yield Architecture(
            f"mobilevitv2_{percent:03d}",
            "mobilevit-v2",
            lambda f=percent / 100: ready.mobilevit_v2(f),
        )
    for name, widths, depths, attended in (
        ("l1", (48, 96, 224, 448), (3, 2, 6, 4), 1),
        ("l3", (64, 128, 320, 512), (4, 4, 12, 6), 4),
        ("l7", (96, 192, 384, 768), (6, 6, 18, 8), 8),
    ):
        yield Architecture(
            f"efficientformer_{name}",
            "efficientformer",
            lambda w=widths, d=depths, a=attended: ready.efficientformer(w, d, a),
        )
