from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from edgedistill.core.profile import QuantizationScheme
from edgedistill.core.stage import StageContext
from edgedistill.stages.distill.fake_quantization import fake_quantization
from edgedistill.stages.distill.folding import folded_factors, folded_norms
from edgedistill.stages.distill.rounded_numbers import Rounding
from edgedistill.stages.quantize.calibration import calibrate
from edgedistill.stages.quantize.placement import place
from edgedistill.stages.quantize.transform import prepare, quantize

if TYPE_CHECKING:
    from pathlib import Path


class Many(nn.Module):
    """Batch normalizations that can be folded, and some that cannot."""

    def __init__(self) -> None:
        super().__init__()
        self.plain, self.plain_norm = nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4)
        self.heard, self.heard_norm = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)
        self.line, self.line_norm = nn.Conv1d(4, 6, 1), nn.BatchNorm1d(6)
        self.shared = nn.Conv1d(6, 6, 1)
        self.one_norm, self.other_norm = nn.BatchNorm1d(6), nn.BatchNorm1d(6)
        self.linear, self.bare_norm = nn.Linear(6, 7), nn.BatchNorm1d(7, affine=False)
        self.moody, self.moody_norm = nn.Linear(7, 7), nn.BatchNorm1d(7, track_running_stats=False)
        self.head = nn.Linear(7, 5)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        x = self.plain_norm(self.plain(input)).relu()
        y = self.heard(x)
        x = self.line_norm(self.line((self.heard_norm(y) + y).flatten(2))).relu()
        x = self.other_norm(self.shared(self.one_norm(self.shared(x)).relu())).mean(2)
        return self.head(self.moody_norm(self.moody(self.bare_norm(self.linear(x)).relu())))


class Unlike(nn.Module):
    """Normalizations that divide each channel by another amount, one of them by less than 0."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.first_norm = nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8)
        self.deep, self.deep_norm = nn.Conv2d(8, 8, 3, groups=8), nn.BatchNorm2d(8)
        self.linear, self.linear_norm = nn.Linear(8, 6), nn.BatchNorm1d(6)
        self.head = nn.Linear(6, 5)
        for norm in (self.first_norm, self.deep_norm, self.linear_norm):
            nn.init.uniform_(norm.weight, 0.5, 2)
            norm.running_var.copy_(torch.logspace(-2, 3, norm.num_features))
            norm.running_mean.normal_()
        with torch.no_grad():
            self.deep_norm.weight[2] *= -1

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        x = self.first_norm(self.first(input)).relu()
        x = self.deep_norm(self.deep(x)).relu().mean((2, 3))
        return self.head(self.linear_norm(self.linear(x)).relu())


def _rounding(scheme: QuantizationScheme) -> Rounding:
    return Rounding(255, False, scheme.per_channel, 127, scheme.symmetric_weight)


def _exported(module: nn.Module, samples: list[dict[str, np.ndarray]], path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own
        torch.onnx.export(
            module.eval(),
            (torch.from_numpy(samples[0]["input"]),),
            path,
            dynamo=True,
            opset_version=20,
            input_names=["input"],
            external_data=False,
            verbose=False,
        )
    return path


def _device_weights(graph: onnx.GraphProto) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of each heavy operator in order: what its weights stand for in real numbers, and a step."""
    constants = {one.name: onnx.numpy_helper.to_array(one) for one in graph.initializer}
    makers = {name: node for node in graph.node for name in node.output}
    found = []
    for node in graph.node:
        if node.op_type not in ("Conv", "Gemm"):
            continue
        integers, scale, zero = (constants[name] for name in makers[node.input[1]].input)
        transposed = any(one.name == "transB" for one in node.attribute)
        if node.op_type == "Gemm" and not transposed:
            integers = integers.T
        shape = [-1, *[1] * (integers.ndim - 1)] if scale.size > 1 else []
        scale, zero = scale.reshape(shape).astype(np.float64), zero.reshape(shape)
        found.append(((integers.astype(np.float64) - zero) * scale, scale))
    return found


def test_layers_that_an_export_folds_a_normalization_into_are_found() -> None:
    torch.manual_seed(0)
    module = Many().train()
    before = {key: value.clone() for key, value in module.state_dict().items()}
    found = folded_norms(module, {"input": torch.zeros(2, 3, 6, 6)})
    assert found == {"plain": "plain_norm", "line": "line_norm", "linear": "bare_norm"}
    assert module.training
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())


def test_what_is_found_is_what_the_exporter_folds(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = Many().eval()
    module.moody_norm = nn.Identity()  # without statistics it is no BatchNormalization at all
    samples = [{"input": np.zeros((2, 3, 6, 6), np.float32)}]
    graph = onnx.load_model(_exported(module, samples, tmp_path / "model.onnx")).graph
    weights = {node.output[0]: node.input[1] for node in graph.node if node.op_type == "Conv"}
    left = [node for node in graph.node if node.op_type == "BatchNormalization"]
    assert [weights[node.input[0]] for node in left] == ["heard.weight", *["shared.weight"] * 2]


@pytest.mark.parametrize(
    "scheme",
    [
        {"per_channel": False},
        {"per_channel": True},
        {"weight": "uint8", "per_channel": False, "symmetric_weight": False},
    ],
    ids=["per tensor", "per channel", "asymmetric"],
)
def test_weights_in_training_are_those_of_the_int8_file(
    scheme: dict[str, object], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    module = Unlike().eval()
    asked = QuantizationScheme.model_validate({"activation": "uint8", "reason": "test", **scheme})
    samples = [{"input": np.random.default_rng(0).normal(size=(1, 3, 8, 8)).astype(np.float32)}]
    file = _exported(module, samples, tmp_path / "model.onnx")
    prepared = prepare(onnx.load_model(file), tmp_path)
    placement = place(onnx.load_model(prepared).graph)
    ranges = calibrate(
        prepared, samples, placement.operators, StageContext(tmp_path), method="min-max"
    )
    expected = _device_weights(quantize(prepared, ranges, placement, asked).graph)
    folded = folded_norms(module, {"input": torch.from_numpy(samples[0]["input"])})
    assert len(folded) == 3
    with torch.no_grad(), fake_quantization(module, _rounding(asked), folded):
        names = ("first", "deep", "linear", "head")
        for name, (wanted, step) in zip(names, expected, strict=True):
            weight = getattr(module, name).weight
            if name in folded:
                factors = folded_factors(getattr(module, folded[name]))
                weight = weight * factors.reshape(-1, *[1] * (weight.dim() - 1))
            steps = np.abs(weight.numpy() - wanted) / step
            # numbers half-way between two steps may go either way in float32
            assert (steps > 0.01).mean() < 0.02, name
            assert steps.max() < 1.01, name


def test_without_folding_the_weights_would_be_others() -> None:
    torch.manual_seed(0)
    module = Unlike().eval()
    rounding = Rounding(255, False, False, 127)
    with torch.no_grad():
        with fake_quantization(module, rounding):
            unaware = module.first.weight.clone()
        with fake_quantization(module, rounding, {"first": "first_norm"}):
            aware = module.first.weight.clone()
    # the channel that is divided by most is left no step at all
    assert len(unaware[7].unique()) > 5
    assert len(aware[7].unique()) <= 2


def test_a_channel_that_nobody_hears_stays_finite_and_learns() -> None:
    torch.manual_seed(0)
    layer, norm = nn.Conv2d(2, 3, 1, bias=False), nn.BatchNorm2d(3)
    with torch.no_grad():
        norm.weight[1] = 0
    module = nn.Sequential(layer, norm).train()
    names = set(module.state_dict())
    with fake_quantization(module, Rounding(255, False, False, 127), {"0": "1"}):
        module(torch.randn(4, 2, 3, 3)).square().sum().backward()
        assert torch.isfinite(layer.weight).all()
        assert torch.isfinite(layer.parametrizations.weight.original.grad).all()
    assert set(module.state_dict()) == names
