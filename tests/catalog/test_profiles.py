from __future__ import annotations

from pathlib import Path

import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from edgedistill.catalog.profiles import check, load, names
from edgedistill.catalog.yaml_file import read_yaml, yaml_text
from edgedistill.core.profile import TargetProfile
from edgedistill.core.strict import plain
from edgedistill.errors import InputError

SHIPPED = [
    "cortex-a55-phone",
    "host",
    "jetson-agx-orin",
    "jetson-nano",
    "jetson-orin-nano",
    "jetson-orin-nano-super",
    "jetson-xavier-nx",
    "pixel-6",
    "pixel-8",
    "raspberry-pi-3b-plus",
    "raspberry-pi-4",
    "raspberry-pi-5",
    "raspberry-pi-zero-2-w",
    "snapdragon-7-gen-4",
    "snapdragon-765g",
    "snapdragon-778g",
    "snapdragon-8-gen-1",
    "snapdragon-8-gen-2",
    "snapdragon-8-gen-3",
]


def test_what_ships_is_known_by_name() -> None:
    assert names() == SHIPPED


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_profile_says_where_its_figures_stand(name: str) -> None:
    profile = load(name)
    assert profile.name == name
    assert profile.clusters
    assert all(cluster.source for cluster in profile.clusters)
    assert (profile.memory_mb is None) == (profile.memory_source is None)
    for runtime in profile.runtimes.values():
        assert runtime.source
        assert runtime.int8 is None or len(runtime.int8.reason) > 60


@pytest.mark.parametrize("name", [name for name in SHIPPED if name != "host"])
def test_a_device_that_is_not_at_hand_is_reached_by_nothing(name: str) -> None:
    profile = load(name)
    assert profile.transport == "none"
    assert profile.machine == "aarch64"
    assert all(cluster.clock_ghz for cluster in profile.clusters)


@pytest.mark.parametrize(
    ("name", "runtime", "label", "per_channel"),
    [
        ("host", "cpu", "U8S8", True),
        ("raspberry-pi-4", "cpu", "U8S8", True),
        ("raspberry-pi-5", "cpu", "U8S8", True),
        ("jetson-orin-nano", "tensorrt", "S8S8", True),
        ("jetson-orin-nano", "cpu", "U8S8", True),
        ("snapdragon-8-gen-2", "cpu", "U8S8", True),
        ("snapdragon-8-gen-2", "qnn", "U8U8", False),
        ("snapdragon-765g", "cpu", "U8S8", True),
        ("snapdragon-778g", "qnn", "U8U8", False),
        ("snapdragon-8-gen-3", "qnn", "U8U8", False),
        ("jetson-agx-orin", "tensorrt", "S8S8", True),
        ("raspberry-pi-zero-2-w", "cpu", "U8S8", True),
    ],
)
def test_schemes(name: str, runtime: str, label: str, per_channel: bool) -> None:
    scheme = load(name).runtimes[runtime].int8
    assert scheme is not None
    assert (scheme.label, scheme.per_channel) == (label, per_channel)


def test_accelerators_want_static_shapes_and_tensorrt_zero_points_of_zero() -> None:
    tensorrt = load("jetson-orin-nano").runtimes["tensorrt"]
    assert tensorrt.shapes == "static"
    assert tensorrt.int8 is not None
    assert tensorrt.int8.symmetric_activation
    assert tensorrt.int8.symmetric_weight
    assert load("snapdragon-8-gen-2").runtimes["qnn"].shapes == "static"


@pytest.mark.parametrize(
    "name", [name for name in SHIPPED if name != "host" and load(name).isa_level == "none"]
)
def test_int8_without_a_dot_product_is_marked_undecided(name: str) -> None:
    profile = load(name)
    assert profile.runtimes["cpu"].default_precision == "int8"
    assert any("undecided" in note for note in profile.notes)


@pytest.mark.parametrize("name", SHIPPED)
def test_this_machines_runtime_accepts_what_a_profile_accepts(name: str) -> None:
    for runtime in load(name).runtimes.values():
        graph = helper.make_graph(
            [helper.make_node("Relu", ["x"], ["y"])],
            "graph",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])],
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", runtime.max_opset)],
            ir_version=runtime.max_ir_version,
        )
        onnx.checker.check_model(model)
        onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        needed = helper.find_min_ir_version_for([helper.make_opsetid("", runtime.max_opset)])
        assert needed <= runtime.max_ir_version


def test_a_misspelt_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(InputError, match="Did you mean 'raspberry-pi-5'"):
        load("rasberry-pi5")
    with pytest.raises(InputError, match="Known targets: cortex-a55-phone, host") as caught:
        load("toaster")
    assert "Did you mean" not in str(caught.value)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    profile = load("raspberry-pi-4").model_copy(update={"name": "my-board", "title": "My board"})
    (tmp_path / "my-board.yaml").write_text(yaml_text(plain(profile)), encoding="utf-8")
    return tmp_path


def test_own_profiles_by_folder_and_by_path(own: Path) -> None:
    assert names([own]) == sorted([*SHIPPED, "my-board"])
    by_name = load("my-board", [own])
    assert by_name.title == "My board"
    assert load(str(own / "my-board.yaml")) == by_name


def test_an_own_profile_hides_the_one_that_ships(own: Path) -> None:
    text = (own / "my-board.yaml").read_text(encoding="utf-8")
    (own / "raspberry-pi-4.yml").write_text(
        text.replace("name: my-board", "name: raspberry-pi-4"), encoding="utf-8"
    )
    assert load("raspberry-pi-4", [own]).title == "My board"


def test_an_own_profile_may_describe_this_machine(own: Path) -> None:
    path = own / "my-board.yaml"
    text = path.read_text(encoding="utf-8").replace("machine: aarch64", "machine: host")
    path.write_text(text, encoding="utf-8")
    assert load("my-board", [own]).clusters == load("host").clusters


def test_faults_of_an_own_profile_come_all_at_once(own: Path) -> None:
    path = own / "my-board.yaml"
    document = read_yaml(path)
    document["memmory_mb"] = 1
    document["clusters"][0]["clock_ghz"] = float("nan")
    document["runtimes"]["cpu"]["int8"] = None
    path.write_text(yaml_text(document), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load("my-board", [own])
    message = str(caught.value)
    assert "memmory_mb: is not a known key" in message
    assert "Did you mean 'memory_mb'" in message
    assert "clusters.0.clock_ghz: is not a finite number" in message
    assert "belong together" in message


def test_a_file_that_calls_itself_otherwise_is_refused(own: Path) -> None:
    (own / "my-board.yaml").rename(own / "your-board.yaml")
    with pytest.raises(InputError, match="differs from the file's name"):
        load("your-board", [own])


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"mine\.yaml: does not exist"):
        load(str(tmp_path / "mine.yaml"))
    with pytest.raises(InputError, match="is not a folder"):
        names([tmp_path / "absent"])


def test_a_profile_is_data_only() -> None:
    folder = Path(__file__).parents[2] / "targets"
    for path in folder.glob("*.yaml"):
        assert TargetProfile.read(read_yaml(path), file=path).name == path.stem


# Peaks of the table of published hardware facts: all cores, fp32, GFLOP/s.
@pytest.mark.parametrize(
    ("name", "peak_gflop_per_s"),
    [
        ("raspberry-pi-zero-2-w", 32.0),
        ("raspberry-pi-3b-plus", 44.8),
        ("raspberry-pi-4", 57.6),
        ("raspberry-pi-5", 153.6),
        ("jetson-nano", 45.8),
        # The table takes 1.9 GHz, which the module allows to two cores only (nvpmodel).
        ("jetson-xavier-nx", 182.0 * 1.42 / 1.9),
        ("jetson-orin-nano", 144.0),
        ("jetson-orin-nano-super", 163.0),
        ("jetson-agx-orin", 422.0),
        ("pixel-6", 179.0 + 72.0 + 58.0),
        ("pixel-8", 93.0 + 152.0 + 54.0),
        ("snapdragon-8-gen-1", 96.0 + 120.0 + 58.0),
        ("cortex-a55-phone", 58.0),
    ],
)
def test_peaks_agree_with_the_published_table(name: str, peak_gflop_per_s: float) -> None:
    peaks = [cluster.peak_fp32_gflop_per_s for cluster in load(name).clusters]
    assert None not in peaks
    assert sum(peak for peak in peaks if peak) == pytest.approx(peak_gflop_per_s, rel=0.01)


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("raspberry-pi-3b-plus", "none"),
        ("raspberry-pi-4", "none"),
        ("jetson-xavier-nx", "none"),
        ("raspberry-pi-5", "dotprod"),
        ("pixel-6", "dotprod"),
        ("snapdragon-778g", "dotprod"),
        ("pixel-8", "i8mm"),
        ("snapdragon-8-gen-3", "i8mm"),
    ],
)
def test_isa_levels(name: str, level: str) -> None:
    assert load(name).isa_level == level


@pytest.mark.parametrize("name", [name for name in SHIPPED if name != "host"])
def test_the_fastest_cluster_stands_first(name: str) -> None:
    peaks = [
        (cluster.peak_fp32_gflop_per_s or 0.0) / cluster.count for cluster in load(name).clusters
    ]
    assert peaks == sorted(peaks, reverse=True)


@pytest.mark.parametrize("name", [name for name in SHIPPED if name != "host"])
def test_no_figure_of_a_shipped_profile_is_without_a_source(name: str) -> None:
    profile = load(name)
    assert profile.default_budget is not None
    assert profile.default_budget.limits.latency_p50_ms
    sources = [
        *(unit.source for unit in profile.accelerators),
        *(mode.source for mode in profile.power_modes),
        *(runtime.source for runtime in profile.converted_runtimes.values()),
    ]
    assert all(len(source) > 20 for source in sources)
    for runtime in profile.runtimes.values():
        assert all(len(scheme.reason) > 60 for scheme in runtime.other_int8)


def test_a_runtime_whose_parser_is_too_old_for_our_files_is_no_default() -> None:
    for name in ("jetson-nano", "jetson-xavier-nx"):
        profile = load(name)
        assert profile.runtimes["tensorrt"].max_opset < 18
        assert profile.default_runtime == "cpu"


def test_checking_goes_on_after_a_faulty_profile(own: Path) -> None:
    (own / "broken.yaml").write_text("schema_version: 1\nname: [", encoding="utf-8")
    document = read_yaml(own / "my-board.yaml")
    document["name"] = "other-board"
    del document["memory_source"]
    document["default_power_mode"] = "MAXN"
    (own / "other-board.yaml").write_text(yaml_text(document), encoding="utf-8")
    profiles, faults = check([own])
    assert [profile.name for profile in profiles] == sorted([*SHIPPED, "my-board"])
    assert {Path(str(fault.file)).name for fault in faults} == {"broken.yaml", "other-board.yaml"}
    message = "\n".join(map(str, faults))
    assert "is not YAML" in message
    assert "memory_source: belongs together with memory_mb" in message
    assert "default_power_mode: is not one of power_modes (given: 'MAXN')" in message
