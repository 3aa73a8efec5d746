"""Convolutional networks by the name that timm has for them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from torch import nn

from zoo import inverted, pictures, residual
from zoo.architecture import Architecture
from zoo.inverted import Inverted
from zoo.residual import ResNet, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

BRANCHES = (
    "counted as one convolution a block, measured with three branches: that form is foretold "
    "within 2 %, this one 14 % too fast"
)
SMALLER = "counted at 256 pixels, measured at 224: that is foretold within 4 %, this 31 % too slow"


def convolutional() -> tuple[Architecture, ...]:
    """All of them."""
    return (
        *_residual(),
        *_plain(),
        *_inverted(),
        *_efficient(),
        *_pictures(),
    )


def _residual() -> Iterator[Architecture]:
    basic = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3)}
    for name, depths in basic.items():
        plain = ResNet(depths=depths, bottleneck=False)
        deep = replace(plain, stem=(32, 32, 64), pooled_shortcuts=True)
        yield Architecture(name, "resnet", plain.build)
        yield Architecture(f"{name}d", "resnet", deep.build)
        gated = replace(plain, gated=True)
        yield Architecture(f"legacy_se{name}", "se-resnet", gated.build)
    deeper = {26: (2, 2, 2, 2), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
    names = {26: "resnet26", 50: "tv_resnet50", 101: "tv_resnet101", 152: "resnet152"}
    for layers, depths in deeper.items():
        plain = ResNet(depths=depths)
        yield Architecture(names[layers], "resnet", plain.build)
        deep = replace(plain, stem=(32, 32, 64), pooled_shortcuts=True)
        named = "resnet26d" if layers == 26 else f"gluon_resnet{layers}_v1d"
        yield Architecture(named, "resnet", deep.build)
        if layers in (50, 101):
            gated = replace(plain, gated=True, stride_first=True)
            yield Architecture(f"legacy_seresnet{layers}", "se-resnet", gated.build)
            wide = replace(plain, group_width=128)
            yield Architecture(f"wide_resnet{layers}_2", "wide-resnet", wide.build)
            grouped = replace(plain, groups=32, group_width=4)
            yield Architecture(f"gluon_resnext{layers}_32x4d", "resnext", grouped.build)
            both = replace(grouped, gated=True)
            yield Architecture(f"gluon_seresnext{layers}_32x4d", "resnext", both.build)
    yield Architecture("seresnet50", "se-resnet", ResNet(depths=(3, 4, 6, 3), gated=True).build)
    large = ResNet(depths=(3, 4, 23, 3), groups=64, group_width=4)
    yield Architecture("gluon_resnext101_64x4d", "resnext", large.build)
    for width in (8, 16):
        wider = ResNet(depths=(3, 4, 23, 3), groups=32, group_width=width)
        yield Architecture(f"ssl_resnext101_32x{width}d", "resnext", wider.build)
    for scales, width in ((4, 26), (6, 26), (8, 26), (8, 14), (2, 48)):
        split = ResNet(depths=(3, 4, 6, 3), scales=scales, group_width=width)
        yield Architecture(f"res2net50_{width}w_{scales}s", "res2net", split.build)


def _plain() -> Iterator[Architecture]:
    for layers, depths in {11: (1, 1, 2, 2, 2), 16: (2, 2, 3, 3, 3)}.items():
        yield Architecture(f"vgg{layers}", "vgg", lambda d=depths: residual.vgg(d))
        yield Architecture(
            f"vgg{layers}_bn", "vgg", lambda d=depths: residual.vgg(d, normalized=True)
        )
    for name, depths, factors in (
        ("a2", (2, 4, 14, 1), (1.5, 1.5, 1.5, 2.75)),
        ("b0", (4, 6, 16, 1), (1, 1, 1, 2.5)),
        ("b1", (4, 6, 16, 1), (2, 2, 2, 4)),
        ("b2", (4, 6, 16, 1), (2.5, 2.5, 2.5, 5)),
        ("b3", (4, 6, 16, 1), (3, 3, 3, 5)),
    ):
        yield Architecture(
            f"repvgg_{name}", "repvgg", lambda d=depths, f=factors: residual.repvgg(d, f), BRANCHES
        )
        if name in ("b1", "b2", "b3"):
            yield Architecture(
                f"repvgg_{name}g4",
                "repvgg",
                lambda d=depths, f=factors: residual.repvgg(d, f, groups=4),
                BRANCHES,
            )
    yield Architecture("darknet53", "darknet", residual.darknet)
    large = (
        Stage("basic", 1, 128, 2, 1),
        Stage("basic", 2, 192, 2, 1),
        Stage("bottleneck", 6, 640, 2, 0.25),
        Stage("inverted", 5, 640, 2, 3),
        Stage("inverted", 4, 640, 1, 3),
    )
    medium = (*large[:3], Stage("inverted", 4, 640, 2, 3), Stage("inverted", 1, 640, 1, 3))
    small = (
        Stage("basic", 1, 48, 2, 1),
        Stage("basic", 3, 48, 2, 1),
        Stage("bottleneck", 7, 384, 2, 0.25),
        Stage("inverted", 2, 560, 2, 3),
        Stage("inverted", 1, 256, 1, 3),
    )
    yield Architecture("gernet_l", "genet", lambda: residual.genet(32, large, 2560))
    yield Architecture("gernet_m", "genet", lambda: residual.genet(32, medium, 2560))
    yield Architecture("gernet_s", "genet", lambda: residual.genet(13, small, 1920))


def _inverted() -> Iterator[Architecture]:
    plain = Inverted(stages=inverted.MOBILENET_V2, activation=nn.ReLU6, least_head=True)
    for name, network in {
        "050.lamb": replace(plain, width=0.5),
        "100.ra": plain,
        "110d.ra": replace(plain, width=1.1, depth=1.2, fixed_stem=True, fixed_ends=True),
        "120d.ra": replace(plain, width=1.2, depth=1.4, fixed_stem=True, fixed_ends=True),
        "140.ra": replace(plain, width=1.4),
    }.items():
        yield Architecture(f"mobilenetv2_{name}_in1k", "mobilenet-v2", network.build)
    mnas = Inverted(stages=inverted.MNASNET_A1, activation=nn.ReLU, fixed_head=True)
    yield Architecture("semnasnet_100.rmsp_in1k", "mnasnet", mnas.build)
    yield Architecture("semnasnet_075.rmsp_in1k", "mnasnet", replace(mnas, width=0.75).build)
    single = Inverted(stages=inverted.SPNASNET, activation=nn.ReLU)
    yield Architecture("spnasnet_100.rmsp_in1k", "mnasnet", single.build)
    searched = Inverted(stages=inverted.FBNET_C, activation=nn.ReLU, stem=16, head=1984)
    yield Architecture("fbnetc_100.rmsp_in1k", "fbnet", searched.build)
    third = Inverted(
        stages=inverted.FBNET_V3_B,
        activation=nn.Hardswish,
        stem=16,
        head=1984,
        pooled_head=True,
        rounded_gate=True,
        gate=nn.Hardsigmoid,
        least=0.95,
    )
    yield Architecture("fbnetv3_b.ra2_in1k", "fbnet-v3", third.build, SMALLER)


def _efficient() -> Iterator[Architecture]:
    plain = Inverted(stages=inverted.EFFICIENTNET, activation=nn.SiLU)
    same = replace(plain, padding="same")
    for name, network in {
        "efficientnet_b0.ra_in1k": plain,
        "efficientnet_b1.ft_in1k": replace(plain, depth=1.1),
        "efficientnet_b2.ra_in1k": replace(plain, width=1.1, depth=1.2),
        "efficientnet_b3.ra2_in1k": replace(plain, width=1.2, depth=1.4),
        "efficientnet_b4.ra2_in1k": replace(plain, width=1.4, depth=1.8),
        "tf_efficientnet_b0.aa_in1k": same,
        "tf_efficientnet_b3.aa_in1k": replace(same, width=1.2, depth=1.4),
        "tf_efficientnet_b5.ra_in1k": replace(same, width=1.6, depth=2.2),
        "tf_efficientnet_b6.aa_in1k": replace(same, width=1.8, depth=2.6),
    }.items():
        yield Architecture(name, "efficientnet", network.build)
    tiny = replace(plain, fixed_stem=True, rounding=round)
    for name, width, depth in (
        ("a", 1.0, 1.2),
        ("b", 0.75, 1.1),
        ("c", 0.54, 0.85),
        ("d", 0.54, 0.695),
        ("e", 0.51, 0.6),
    ):
        network = replace(tiny, width=width, depth=depth)
        yield Architecture(f"tinynet_{name}.in1k", "tinynet", network.build)
    edge = Inverted(stages=inverted.EFFICIENTNET_EDGE, activation=nn.ReLU)
    for name, width, depth in (
        ("es.ra_in1k", 1.0, 1.0),
        ("em.ra2_in1k", 1.0, 1.1),
        ("el.ra_in1k", 1.2, 1.4),
    ):
        network = replace(edge, width=width, depth=depth)
        yield Architecture(f"efficientnet_{name}", "efficientnet-edge", network.build)
    second = Inverted(
        stages=inverted.EFFICIENTNET_V2_BASE, activation=nn.SiLU, padding="same", least=0.0
    )
    for name, width, depth in (("b0", 1, 1), ("b1", 1, 1.1), ("b2", 1.1, 1.2), ("b3", 1.2, 1.4)):
        network = replace(second, width=width, depth=depth)
        yield Architecture(f"tf_efficientnetv2_{name}.in1k", "efficientnet-v2", network.build)
    for name, stages in {
        "s": inverted.EFFICIENTNET_V2_S,
        "m": inverted.EFFICIENTNET_V2_M,
    }.items():
        network = replace(second, stages=stages, stem=24)
        yield Architecture(f"tf_efficientnetv2_{name}.in1k", "efficientnet-v2", network.build)


def _pictures() -> Iterator[Architecture]:
    yield Architecture("xception", "xception", pictures.xception)
    yield Architecture("inception_v3", "inception", pictures.inception_v3)
    yield Architecture(
        "ese_vovnet39b",
        "vovnet",
        lambda: pictures.vovnet((128, 160, 192, 224), (256, 512, 768, 1024), (1, 1, 2, 2), 5),
    )
    small, even = (2, 2, 6, 2), (3, 3, 9, 3)
    for name, depths, first, convolutions in (
        ("atto.d2_in1k", small, 40, True),
        ("femto.d1_in1k", small, 48, True),
        ("pico.d1_in1k", small, 64, True),
        ("nano.in12k_ft_in1k", (2, 2, 8, 2), 80, True),
        ("tiny.fb_in1k", even, 96, False),
        ("small.fb_in1k", (3, 3, 27, 3), 96, False),
        ("base.fb_in1k", (3, 3, 27, 3), 128, False),
    ):
        widths = tuple(first * 2**stage for stage in range(4))
        yield Architecture(
            f"convnext_{name}",
            "convnext",
            lambda d=depths, w=widths, c=convolutions: pictures.convnext(d, w, convolutions=c),
        )
    narrow, broad = (64, 128, 320, 512), (96, 192, 384, 768)
    for name, depths, widths in (
        ("s12", (2, 2, 6, 2), narrow),
        ("s24", (4, 4, 12, 4), narrow),
        ("s36", (6, 6, 18, 6), narrow),
        ("m36", (6, 6, 18, 6), broad),
    ):
        yield Architecture(
            f"poolformer_{name}", "poolformer", lambda d=depths, w=widths: pictures.poolformer(d, w)
        )
