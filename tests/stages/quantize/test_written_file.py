from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnx.parser
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)

from edgedistill.core.preprocessing import METADATA_KEY
from edgedistill.core.quantizing import Quantize
from edgedistill.core.stage import StageContext
from edgedistill.stages.quantize import Quantization

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    from edgedistill.core.profile import QuantizationScheme
    from edgedistill.data.dataset import Dataset, Split

    Trained = Callable[[str], Path]
    Logits = Callable[[Path, Split], np.ndarray]
    Initializers = Callable[[Path], dict[str, np.ndarray]]
    Scheme = Callable[..., QuantizationScheme]

ALL = Quantize(min_int8_share=1.0)


class _Reader(CalibrationDataReader):
    def __init__(self, split: Split) -> None:
        self.samples = [split.batch(np.array([index])) for index in range(len(split))]

    def get_next(self) -> dict[str, np.ndarray] | None:
        return self.samples.pop(0) if self.samples else None


def test_weights_and_scales_equal_the_librarys_own_road(
    trained: Trained,
    digits: Dataset,
    scheme: Scheme,
    context: StageContext,
    tmp_path: Path,
    initializers: Initializers,
) -> None:
    model = trained("residual-cnn")
    Quantization(model, digits, ALL, scheme(), runs_here=True).run(context)
    ours = initializers(context.folder / "model.onnx")
    bare = onnx.load_model(model)
    del bare.graph.value_info[:]
    onnx.save_model(bare, tmp_path / "bare.onnx")
    quantize_static(
        tmp_path / "bare.onnx",
        tmp_path / "library.onnx",
        _Reader(digits.calibration),
        quant_format=QuantFormat.QDQ,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        per_channel=True,
    )
    theirs = initializers(tmp_path / "library.onnx")
    assert len(ours) > 50
    for name, array in ours.items():
        np.testing.assert_array_equal(array, theirs[name], err_msg=name)


def test_the_files_contract_is_kept(
    trained: Trained, digits: Dataset, scheme: Scheme, context: StageContext, logits: Logits
) -> None:
    Quantization(trained("transformer"), digits, ALL, scheme(), runs_here=True).run(context)
    before = onnx.load_model(trained("transformer"))
    after = onnx.load_model(context.folder / "model.onnx")
    onnx.checker.check_model(after, full_check=True)
    assert METADATA_KEY in {item.key for item in after.metadata_props}
    assert list(after.metadata_props) == list(before.metadata_props)
    assert list(after.graph.input) == list(before.graph.input)
    assert list(after.graph.output) == list(before.graph.output)
    assert after.ir_version == before.ir_version
    # the runtime has the logits in float: they are not rounded to eight bits on the way out
    makers = [node.op_type for node in after.graph.node if "logits" in node.output]
    assert makers == ["Gemm"]
    assert [(item.domain, item.version) for item in after.opset_import] == [("", 20)]
    shapes = [
        logits(context.folder / "model.onnx", digits.calibration).shape,
        logits(trained("transformer"), digits.calibration).shape,
    ]
    assert shapes[0] == shapes[1]


def test_only_the_model_is_written_quietly_and_no_machine_path_is_in_it(
    trained: Trained,
    digits: Dataset,
    scheme: Scheme,
    context: StageContext,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    model = trained("residual-cnn")
    capfd.readouterr()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    Quantization(model, digits, ALL, scheme(), runs_here=True).run(context)
    assert capfd.readouterr() == ("", "")
    assert [path.name for path in context.folder.iterdir()] == ["model.onnx"]
    assert not list(elsewhere.iterdir())
    written = (context.folder / "model.onnx").read_bytes()
    for place in (tmp_path, trained("residual-cnn").parent, context.folder):
        assert str(place).encode() not in written
    assert b"site-packages" not in written


SCRIPT = """
import sys
from pathlib import Path
import numpy as np
from edgedistill.core.preprocessing import Preprocessing
from edgedistill.core.profile import QuantizationScheme
from edgedistill.core.quantizing import Quantize
from edgedistill.core.recipe import Augmentation
from edgedistill.core.stage import StageContext
from edgedistill.data.dataset import Dataset, Split
from edgedistill.stages.quantize import Quantization

model, folder = Path(sys.argv[1]), Path(sys.argv[2])
inputs = np.random.default_rng(0).standard_normal((8, 1, 8, 8)).astype(np.float32)
split = Split({"input": inputs}, np.zeros(8, np.int64), None, Preprocessing(), Augmentation())
dataset = Dataset("d", "d", "0" * 64, ("a",), Preprocessing(), split, split, None, split)
scheme = QuantizationScheme(activation="uint8", reason="a test")
Quantization(model, dataset, Quantize(), scheme, True).run(StageContext(folder=folder))
"""


def test_the_same_bytes_in_every_process(trained: Trained, tmp_path: Path) -> None:
    digests = set()
    for seed in ("1", "2"):
        folder = tmp_path / seed
        folder.mkdir()
        subprocess.run(  # another hash seed gives sets another order
            [sys.executable, "-c", SCRIPT, str(trained("transformer")), str(folder)],
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed, "ORT_DISABLE_TELEMETRY": "1"},
        )
        digests.add(hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest())
    assert len(digests) == 1


def test_the_same_bytes_twice(
    trained: Trained, digits: Dataset, scheme: Scheme, tmp_path: Path
) -> None:
    written = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        stage = Quantization(trained("residual-cnn"), digits, ALL, scheme(), runs_here=True)
        stage.run(StageContext(folder=tmp_path / name))
        written.append((tmp_path / name / "model.onnx").read_bytes())
    assert written[0] == written[1]
