from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from edgedistill.app.estimate import estimate
from edgedistill.app.forms import Forms
from edgedistill.app.pricing import PricedGoal, ShippedPricing
from edgedistill.app.reach import runs_here
from edgedistill.bench.samples import read_samples
from edgedistill.catalog.profiles import load
from edgedistill.core.evidence import Evidence
from edgedistill.core.pruning import Prune
from edgedistill.core.quantizing import Quantize
from edgedistill.core.recipe import Data, Export, Splits
from edgedistill.core.stage import StageContext
from edgedistill.core.teacher import Model
from edgedistill.cost.memory import peak_memory
from edgedistill.data import open_dataset, open_source
from edgedistill.errors import InputError
from edgedistill.models.network import Network, create
from edgedistill.models.signature import Signature
from edgedistill.stages.export.graph import file_limits
from edgedistill.stages.prune.widths import LeverPricing, WidthSearch, read_searched

if TYPE_CHECKING:
    from edgedistill.data import Dataset


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("digits")
    splits = Splits(validation=0.1, test=0.0, calibration=16)
    open_source(Data(source="sklearn:digits", splits=splits), base=Path()).run(StageContext(folder))
    return open_dataset(folder)


def network(digits: Dataset, width: int) -> Network:
    torch.set_num_threads(1)
    return create(
        Model(source="builtin:mlp", args={"width": width, "depth": 1}),
        Signature(digits.input_shapes, 10),
        base=Path(),
        seed=0,
        preprocessing=digits.preprocessing,
    )


def pricing(
    digits: Dataset, goal: PricedGoal, target: str = "host", *, quantize: bool = True
) -> ShippedPricing:
    profile = load(target)
    runtime = profile.runtimes[profile.default_runtime]
    opset, ir_version = file_limits(
        20, max_opset=runtime.max_opset, max_ir_version=runtime.max_ir_version
    )
    forms = Forms(
        dataset=digits,
        export=Export(),
        quantize=Quantize() if quantize else None,
        runtime=runtime,
        runs_here=runs_here(profile, runtime),
        opset=opset,
        max_ir_version=ir_version,
    )
    return ShippedPricing(goal=goal, forms=forms, profile=profile, runtime=profile.default_runtime)


@pytest.fixture(scope="module")
def files(digits: Dataset, tmp_path_factory: pytest.TempPathFactory) -> dict[int, dict[str, Path]]:
    """The forms of two networks, by width."""
    folder = tmp_path_factory.mktemp("files")
    forms = pricing(digits, "max_size_mb").forms
    return {
        width: dict(forms.write(network(digits, width), folder / str(width), StageContext(folder)))
        for width in (128, 64)
    }


def test_a_size_is_that_of_the_file_in_the_targets_default_precision(
    digits: Dataset, files: dict[int, dict[str, Path]], tmp_path: Path
) -> None:
    one = pricing(digits, "max_size_mb")
    whole, narrow = network(digits, 128), network(digits, 64)

    found = one.prices(whole, [narrow], tmp_path, StageContext(tmp_path))

    form = one.forms.default
    sizes = {width: forms[form].stat().st_size for width, forms in files.items()}
    assert one.exact
    assert found.unpruned.value == sizes[128] / 1e6
    assert found.networks[0].share == pytest.approx(sizes[64] / sizes[128])
    assert {found.form, found.networks[0].form} == {form}
    assert list(tmp_path.iterdir()) == []


def test_every_candidate_that_may_ship_is_made_of_the_same_network(
    digits: Dataset, files: dict[int, dict[str, Path]]
) -> None:
    one = pricing(digits, "max_size_mb")

    names = [variant.name for variant in one.forms.variants]
    assert set(files[128]) <= {"fp32", *names}
    assert {"fp32", one.forms.default} <= set(files[128])
    sizes = {form: file.stat().st_size for form, file in files[128].items()}
    assert all(size < sizes["fp32"] for form, size in sizes.items() if form != "fp32")


def test_a_memory_is_that_of_the_graph(
    digits: Dataset, files: dict[int, dict[str, Path]], tmp_path: Path
) -> None:
    one = pricing(digits, "max_peak_memory_mb", quantize=False)

    found = one.prices(network(digits, 128), [], tmp_path, StageContext(tmp_path))

    expected = peak_memory(files[128]["fp32"], machine=one.profile.machine)
    assert (found.unpruned, found.form, found.networks) == (expected, "fp32", ())


def test_where_the_device_is_away_the_quickest_form_is_estimated(
    digits: Dataset, files: dict[int, dict[str, Path]], tmp_path: Path
) -> None:
    one = pricing(digits, "target_latency_ms", "raspberry-pi-5")

    found = one.prices(
        network(digits, 128), [network(digits, 64)], tmp_path, StageContext(tmp_path)
    )

    values = {
        width: [estimate(file, "raspberry-pi-5").latency_ms for file in forms.values()]
        for width, forms in files.items()
    }
    least = {width: min(own.value for own in some if own) for width, some in values.items()}
    assert one.exact
    assert found.unpruned.evidence == Evidence.ESTIMATED
    assert found.unpruned.value == pytest.approx(least[128], rel=1e-6)
    assert found.networks[0].share == pytest.approx(least[64] / least[128], rel=1e-6)


def test_where_nothing_can_be_estimated_the_error_says_what_helps(
    digits: Dataset, tmp_path: Path
) -> None:
    one = pricing(digits, "target_latency_ms", "jetson-orin-nano", quantize=False)

    with pytest.raises(InputError, match="cannot be estimated") as caught:
        one.prices(network(digits, 64), [], tmp_path, StageContext(tmp_path))

    (fault,) = caught.value.faults
    assert fault.field == "stages.prune.target_latency_ms"
    assert "macs_ratio" in fault.remedy
    assert "host" in fault.remedy


def test_a_latency_on_this_machine_is_measured_and_reached_by_search(
    digits: Dataset, tmp_path: Path
) -> None:
    """Everything real: networks are cut, exported, quantized and timed in interleaved rounds."""
    one = pricing(digits, "target_latency_ms")
    whole = network(digits, 512)
    table, widths = tmp_path / "table", tmp_path / "widths"
    table.mkdir()
    widths.mkdir()
    config = Prune(target_latency_ms=1.0, priced_networks=1, round_to=128)
    facts = LeverPricing(whole, digits, config, one).run(StageContext(table)).facts
    samples = read_samples(next(table.glob("batch-*")))
    forms = {name.split()[1] for name in samples.sha256}
    assert "fp32" in forms
    assert forms <= {"fp32", *(variant.name for variant in one.forms.variants)}
    assert {name.split()[0] for name in samples.sha256} == {"unpruned", "0", "1"}
    assert not one.exact

    asked = config.model_copy(update={"target_latency_ms": 0.95 * facts["unpruned"]["value"]})
    WidthSearch(whole, digits, asked, one, table).run(StageContext(widths))

    found = read_searched(widths).account
    assert found.taken.cost.evidence == Evidence.MEASURED_ON_DEVICE
    assert found.taken.cost.value <= found.limit
    assert found.taken.on_front
    assert found.taken.accuracy is not None
