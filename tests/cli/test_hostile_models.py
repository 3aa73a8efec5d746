"""Files that no honest exporter writes: one clear message and exit code 2, from every command."""

from __future__ import annotations

import os
import random
import re
import resource
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from diagnosed_graphs import CHANNELS, Net, float_network, int8_network
from onnx import TensorProto, helper

import edgedistill
from edgedistill.cli import root
from edgedistill.core.profile import QuantizationScheme
from edgedistill.errors import InputError
from edgedistill.models import onnx_file
from edgedistill.stages.quantize.requirements import require_quantizable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

FILES: dict[str, tuple[Callable[[Path], Path | bytes | onnx.ModelProto], str]] = {}
TARGET = "raspberry-pi-5"


def hostile(
    message: str,
) -> Callable[
    [Callable[[Path], Path | bytes | onnx.ModelProto]],
    Callable[[Path], Path | bytes | onnx.ModelProto],
]:
    """Marks what makes a file, with what the error has to say."""

    def mark(
        make: Callable[[Path], Path | bytes | onnx.ModelProto],
    ) -> Callable[[Path], Path | bytes | onnx.ModelProto]:
        FILES[make.__name__] = make, message
        return make

    return mark


@hostile("is not a file")
def absent(folder: Path) -> Path:
    return folder / "absent.onnx"


@hostile("is not a file")
def a_folder(folder: Path) -> Path:
    return folder


@hostile("is not a file")
def a_pipe_that_nobody_fills(folder: Path) -> Path:
    os.mkfifo(folder / "pipe.onnx")
    return folder / "pipe.onnx"


@hostile("is not a file")
def a_device(folder: Path) -> Path:
    (folder / "zero.onnx").symlink_to("/dev/zero")
    return folder / "zero.onnx"


@hostile("larger")
def larger_than_protobuf_can_be(folder: Path) -> Path:
    path = folder / "huge.onnx"
    path.touch()
    os.truncate(path, 2**33)  # a hole: it takes no room
    return path


@hostile("it is empty")
def empty(folder: Path) -> bytes:
    return b""


@hostile("cannot be read as an ONNX model")
def truncated(folder: Path) -> bytes:
    whole = float_network().SerializeToString()
    return whole[: len(whole) // 2]


@hostile(r"model\.onnx")
def random_bytes(folder: Path) -> bytes:
    return np.random.default_rng(0).bytes(4096)


@hostile("not a valid ONNX model")
def cyclic(folder: Path) -> onnx.ModelProto:
    model = float_network()
    model.graph.node[0].input[0] = model.graph.node[-1].output[0]
    return model


@hostile("not a valid ONNX model")
def two_operators_that_write_one_tensor(folder: Path) -> onnx.ModelProto:
    model = float_network()
    model.graph.node.add().CopyFrom(model.graph.node[0])
    return model


@hostile("not a valid ONNX model")
def an_input_that_nobody_makes(folder: Path) -> onnx.ModelProto:
    model = float_network()
    model.graph.node[1].input[0] = "nowhere"
    return model


def outside(folder: Path, **told: str) -> onnx.ModelProto:
    model = float_network()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in told.items():
        tensor.external_data.add(key=key, value=value)
    (folder / "weights.bin").write_bytes(bytes(100_000))
    return model


OUTSIDE = "outside of the model's folder, or where it cannot be|keeps its weights in other files"


@hostile(OUTSIDE)
def weights_above_the_folder(folder: Path) -> onnx.ModelProto:
    return outside(folder, location="../../../../../../../../etc/passwd")


@hostile(OUTSIDE)
def weights_at_an_absolute_place(folder: Path) -> onnx.ModelProto:
    return outside(folder, location="/etc/passwd")


@hostile(OUTSIDE)
def weights_behind_a_link_that_leaves(folder: Path) -> onnx.ModelProto:
    (folder / "link.bin").symlink_to("/etc/passwd")
    return outside(folder, location="link.bin")


@hostile(OUTSIDE)
def weights_behind_a_folder_that_leaves(folder: Path) -> onnx.ModelProto:
    (folder / "inner").symlink_to("/etc")
    return outside(folder, location="inner/passwd")


@hostile(OUTSIDE)
def weights_in_a_ring_of_links(folder: Path) -> onnx.ModelProto:
    (folder / "ring.bin").symlink_to("ring.bin")
    return outside(folder, location="ring.bin")


@hostile(OUTSIDE)
def weights_in_a_pipe(folder: Path) -> onnx.ModelProto:
    os.mkfifo(folder / "pipe.bin")
    return outside(folder, location="pipe.bin")


@hostile(OUTSIDE)
def weights_nowhere(folder: Path) -> onnx.ModelProto:
    return outside(folder)


@hostile(OUTSIDE)
def weights_at_an_absurd_offset(folder: Path) -> onnx.ModelProto:
    return outside(folder, location="weights.bin", offset="9" * 5000)


@hostile(OUTSIDE)
def weights_before_the_file(folder: Path) -> onnx.ModelProto:
    return outside(folder, location="weights.bin", offset="-8")


@hostile(OUTSIDE)
def weights_longer_than_their_file(folder: Path) -> onnx.ModelProto:
    return outside(folder, location="weights.bin", length=str(2**40))


@hostile(OUTSIDE)
def weights_in_a_constant_outside(folder: Path) -> onnx.ModelProto:
    model = outside(folder, location="/etc/passwd")
    node = model.graph.node.add(op_type="Constant", output=["held"])
    node.attribute.add(name="value", type=onnx.AttributeProto.TENSOR).t.CopyFrom(
        model.graph.initializer[0]
    )
    del model.graph.initializer[0].external_data[:]
    model.graph.initializer[0].data_location = TensorProto.DEFAULT
    return model


def reshaped(*dims: int) -> onnx.ModelProto:
    model = float_network()
    del model.graph.initializer[0].dims[:]
    model.graph.initializer[0].dims.extend(dims)
    return model


@hostile("should hold")
def a_weight_of_two_to_the_forty(folder: Path) -> onnx.ModelProto:
    return reshaped(2**40)


@hostile("negative size")
def a_weight_of_negative_size(folder: Path) -> onnx.ModelProto:
    return reshaped(-16, -16, 3, 3)


@hostile("should hold")
def a_weight_with_fewer_bytes_than_it_says(folder: Path) -> onnx.ModelProto:
    return reshaped(CHANNELS, CHANNELS, 3, 4)


@hostile("none of ONNX's")
def a_weight_of_an_unknown_type(folder: Path) -> onnx.ModelProto:
    model = float_network()
    model.graph.initializer[0].data_type = 77
    return model


@hostile("a size that no tensor can have")
def an_input_of_two_to_the_forty(folder: Path) -> onnx.ModelProto:
    net = Net((1, CHANNELS, 2**40, 8))
    return net.model(net.convolution("x"))


@hostile("in no opset")
def an_opset_from_the_future(folder: Path) -> onnx.ModelProto:
    return float_network(opset=9999)


@hostile("newer than onnx")
def a_format_from_the_future(folder: Path) -> onnx.ModelProto:
    return float_network(ir_version=9999)


@hostile("not a valid ONNX model")
def an_operator_that_there_is_not(folder: Path) -> onnx.ModelProto:
    model = float_network()
    model.graph.node[1].op_type = "Nonsense"
    return model


@hostile("cannot be read as an ONNX model|not a valid ONNX model")
def a_thousand_graphs_in_each_other(folder: Path) -> bytes:
    def wrapped(number: int, content: bytes) -> bytes:  # a protobuf field that holds bytes
        size = len(content)
        length = b""
        while True:
            length += bytes([size & 127 | (128 if size > 127 else 0)])
            size >>= 7
            if not size:
                return bytes([number << 3 | 2]) + length + content

    graph = b""
    for _ in range(1000):  # GraphProto.node.attribute.g
        graph = wrapped(1, wrapped(5, wrapped(6, graph)))
    return wrapped(7, graph)


def with_functions(*calls: Sequence[str]) -> onnx.ModelProto:
    """A model of which function number n calls others."""
    model = float_network()
    model.opset_import.add(domain="own", version=1)
    for place, called in enumerate(calls):
        names = ["a", *(f"b{step}" for step in range(len(called) - 1)), "z"]
        nodes = [
            helper.make_node(one, [before], [after], domain="own" if one[0] == "f" else "")
            for one, before, after in zip(called, names[:-1], names[1:], strict=True)
        ]
        opsets = [helper.make_opsetid("", 20), helper.make_opsetid("own", 1)]
        model.functions.append(
            helper.make_function("own", f"f{place}", ["a"], ["z"], nodes, opsets)
        )
    model.graph.node[1].op_type, model.graph.node[1].domain = "f0", "own"
    return model


@hostile("a function calls itself|not a valid ONNX model")
def a_function_that_calls_itself(folder: Path) -> onnx.ModelProto:
    return with_functions(["f1"], ["f0"])


@hostile("its functions are too large")
def functions_that_double_fifty_times(folder: Path) -> onnx.ModelProto:
    return with_functions(*([f"f{place + 1}"] * 2 for place in range(50)), ["Relu"])


@hostile("has no operator|not a valid ONNX model")
def no_graph(folder: Path) -> onnx.ModelProto:
    model = float_network()
    model.ClearField("graph")
    return model


@hostile("has no operator")
def no_operators(folder: Path) -> onnx.ModelProto:
    model = float_network()
    del model.graph.node[:]
    return model


@hostile("has no output")
def no_outputs(folder: Path) -> onnx.ModelProto:
    model = float_network()
    del model.graph.output[:]
    return model


@hostile("not a valid ONNX model")
def a_name_that_is_no_text(folder: Path) -> bytes:
    return float_network().SerializeToString().replace(b"relu_1_node", b"\xff\xfe\xfd\xfc_1_node")


@hostile("not a valid ONNX model")
def a_name_that_steers_the_terminal(folder: Path) -> onnx.ModelProto:
    model = float_network()
    model.graph.node[1].input[0] = "\x1b[2J\x1b]0;title\x07<script>"
    return model


def written(name: str, folder: Path) -> Path:
    made = FILES[name][0](folder)
    if isinstance(made, onnx.ModelProto):
        made = made.SerializeToString()
    if not isinstance(made, bytes):
        return made
    path = folder / "model.onnx"
    path.write_bytes(made)
    return path


COMMANDS: dict[str, list[str]] = {
    "doctor": ["--target", TARGET],
    "estimate": ["--target", TARGET],
    "benchmark": [],
    "quantize": ["--data", "samples", "--target", "host", "--out", "out"],
    "compare": ["sound.onnx", "--data", "samples", "--out", "out"],
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", FILES)
def test_a_hostile_file_is_refused_with_its_name_and_why(
    name: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(name, tmp_path)
    (tmp_path / "samples").mkdir(exist_ok=True)
    np.save(tmp_path / "samples" / "one.npy", np.ones((CHANNELS, 8, 8), np.float32))
    (tmp_path / "sound.onnx").write_bytes(float_network().SerializeToString())
    monkeypatch.chdir(tmp_path)
    ended = CliRunner().invoke(root, [command, str(path), *COMMANDS[command]])
    assert isinstance(ended.exception, InputError)
    assert ended.exception.exit_code == 2
    told = str(ended.exception)
    assert str(path) in told
    assert re.search(FILES[name][1], told)
    assert all(line.isprintable() for line in told.splitlines())
    assert len(told) < 4000


REFUSED_BY_THE_RUNTIME = {
    "a_function_that_calls_itself",
    "an_input_of_two_to_the_forty",
    "an_operator_that_there_is_not",
    "an_opset_from_the_future",
    "functions_that_double_fifty_times",
    "no_outputs",
}
"""What the reader of teachers leaves to the runtime, which loads every teacher."""


@pytest.mark.parametrize("name", sorted(FILES.keys() - REFUSED_BY_THE_RUNTIME))
def test_as_a_teacher_it_is_refused_too(name: str, tmp_path: Path) -> None:
    path = written(name, tmp_path)
    with pytest.raises(InputError):
        onnx_file.read(path, field="teacher")


def test_from_a_shell_a_refusal_is_one_message_and_exit_code_2(tmp_path: Path) -> None:
    path = written("weights_above_the_folder", tmp_path)
    ended = subprocess.run(
        [sys.executable, "-m", "edgedistill", "doctor", str(path), "--target", TARGET],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr.startswith(f"edgedistill: {path}: ")
    assert len(ended.stderr.splitlines()) == 1


def _bounded(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs code in a process that may hold 3 GB of addresses and work for a minute."""

    def bound() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (3 * 2**30, 3 * 2**30))
        resource.setrlimit(resource.RLIMIT_CPU, (60, 60))

    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=bound,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )


def test_what_claims_to_be_large_is_never_held_in_memory(tmp_path: Path) -> None:
    names = [
        "larger_than_protobuf_can_be",
        "a_device",
        "a_weight_of_two_to_the_forty",
        "an_input_of_two_to_the_forty",
        "weights_longer_than_their_file",
        "functions_that_double_fifty_times",
    ]
    paths = []
    for name in names:
        (tmp_path / name).mkdir()
        paths.append(str(written(name, tmp_path / name)))
    code = (
        "import sys, edgedistill\n"
        "from edgedistill.errors import InputError\n"
        "for path in sys.argv[1:]:\n"
        "    try:\n"
        f"        edgedistill.doctor(path, target={TARGET!r})\n"
        "    except InputError:\n"
        "        print('refused')\n"
    )
    ended = _bounded(code, *paths)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.split() == ["refused"] * len(names)


@pytest.mark.parametrize("operator", ["Expand", "ConstantOfShape"])
def test_a_graph_that_grows_beyond_all_memory_is_not_run(operator: str, tmp_path: Path) -> None:
    net = Net()
    size = net.constant([2**33], np.int64)
    given = [net.constant([1.0]), size] if operator == "Expand" else [size]
    largest = net.add("ReduceMax", net.add(operator, *given), keepdims=0)
    path = tmp_path / "model.onnx"
    path.write_bytes(net.model(net.add("Add", net.convolution("x"), largest)).SerializeToString())
    edgedistill.doctor(path, target="host")  # in a process of its own, within its bounds
    with pytest.raises(InputError, match="larger than the memory it would run in"):
        edgedistill.benchmark(path)
    scheme = QuantizationScheme(activation="uint8", reason="a test")
    with pytest.raises(InputError, match="larger than the memory it would run in"):
        require_quantizable(onnx.load_model(path), scheme, path)


def test_names_that_steer_a_terminal_are_shown_without_what_steers(tmp_path: Path) -> None:
    model = float_network()
    for node in model.graph.node:
        node.name = f"\x1b[2J<script>\n{node.name}"
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    saved = tmp_path / "found.json"
    model.graph.node.add(op_type="Identity", input=["x"], output=["un\x1b[2Jread"])
    path.write_bytes(model.SerializeToString())
    options = [str(path), "--target", TARGET, "--json", str(saved)]
    ended = CliRunner().invoke(root, ["doctor", *options], catch_exceptions=False)
    assert ended.exit_code == 0
    assert all(line.isprintable() for line in ended.output.splitlines())
    assert "\x1b" not in saved.read_text(encoding="utf-8")


EXTREMES = (0, -1, 1, 3, 7, 1000, 2**31, 2**40, 2**62, -(2**63))


def _with_damaged_bytes(whole: bytes, chance: random.Random) -> bytes:
    damaged = bytearray(whole)
    for _ in range(chance.choice([1, 2, 8])):
        damaged[chance.randrange(len(damaged))] = chance.randrange(256)
    return bytes(damaged[: chance.choice([len(damaged), chance.randrange(len(damaged))])])


def _rewire(graph: onnx.GraphProto, node: onnx.NodeProto, chance: random.Random) -> None:
    place = chance.randrange(len(node.input))
    node.input[place] = chance.choice(["", "nowhere", graph.initializer[0].name])


def _remove(graph: onnx.GraphProto, node: onnx.NodeProto, chance: random.Random) -> None:
    graph.node.remove(node)


def _replace(graph: onnx.GraphProto, node: onnx.NodeProto, chance: random.Random) -> None:
    node.op_type = chance.choice(["Gemm", "If", "LSTM", "Conv", "Reshape", "MatMul"])


def _resize_weight(graph: onnx.GraphProto, node: onnx.NodeProto, chance: random.Random) -> None:
    tensor = chance.choice(graph.initializer)
    if tensor.dims:
        tensor.dims[chance.randrange(len(tensor.dims))] = chance.choice(EXTREMES)


def _retype_weight(graph: onnx.GraphProto, node: onnx.NodeProto, chance: random.Random) -> None:
    chance.choice(graph.initializer).data_type = chance.choice([1, 2, 3, 6, 7, 10, 11, 22])


def _resize_input(graph: onnx.GraphProto, node: onnx.NodeProto, chance: random.Random) -> None:
    dims = graph.input[0].type.tensor_type.shape.dim
    dims[chance.randrange(len(dims))].dim_value = chance.choice(EXTREMES)


def _set_option(graph: onnx.GraphProto, node: onnx.NodeProto, chance: random.Random) -> None:
    name, value = chance.choice(["group", "axis", "strides", "pads"]), chance.choice(EXTREMES)
    scalar = name in ("group", "axis")
    node.attribute.append(helper.make_attribute(name, value if scalar else [value]))


def _spoil_values(graph: onnx.GraphProto, node: onnx.NodeProto, chance: random.Random) -> None:
    tensor = chance.choice(graph.initializer)
    values = np.array(onnx.numpy_helper.to_array(tensor))
    if values.dtype == np.float32:
        values.flat[0] = chance.choice([np.nan, np.inf, 0.0, -1.0, 1e-42])
        tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))


CHANGES = (
    *(_rewire, _remove, _replace, _resize_weight, _retype_weight),
    *(_resize_input, _set_option, _spoil_values),
)


def _mutated(whole: bytes, seed: int) -> bytes:
    """A model with some bytes changed, or with some parts of its graph."""
    chance = random.Random(seed)
    if seed % 3 == 0:
        return _with_damaged_bytes(whole, chance)
    model = onnx.load_model_from_string(whole)
    for _ in range(chance.choice([1, 2])):
        chance.choice(CHANGES)(model.graph, chance.choice(model.graph.node), chance)
    return model.SerializeToString()


@pytest.mark.parametrize("base", [float_network, int8_network])
def test_three_hundred_damaged_models_are_taken_or_refused_and_never_crash(
    base: Callable[[], onnx.ModelProto], tmp_path: Path
) -> None:
    whole = base().SerializeToString()
    path = tmp_path / "model.onnx"
    refusals = []
    for seed in range(150):
        path.write_bytes(_mutated(whole, seed))
        try:
            edgedistill.doctor(path, target=TARGET)
            edgedistill.estimate(path, TARGET)
        except InputError as error:
            refusals.append(str(error))
    assert 15 < len(refusals) < 135
    assert all(str(path) in told for told in refusals)
