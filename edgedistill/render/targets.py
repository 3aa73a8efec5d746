"""A target profile as a page for a person, and the table of how far its estimates are off."""

from __future__ import annotations

import textwrap
from collections import Counter
from typing import TYPE_CHECKING

from edgedistill.render.columns import table
from edgedistill.render.opening import opening_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from edgedistill.core.hardware import Accelerator, Cluster, PowerMode
    from edgedistill.core.profile import (
        ConvertedRuntime,
        QuantizationScheme,
        Runtime,
        TargetProfile,
    )
    from edgedistill.core.target_check import EstimateRow, FitRow, ShapeRow, TargetsCheck

WIDTH = 100
"""Columns of a page."""

_FITS = ("target", "runtime", "tier", "n", "error", "MACs", "90 % interval", "holds")
_SHAPES = ("shape", "tier", "n", "devices", "error", "MACs", "90 % interval", "holds")
_ESTIMATES = ("runtime", "tier", "n", "error", "p90", "<= 10 %", "MACs", "90 % interval", "holds")
LEGEND = (
    "error: mean absolute percentage error on families of networks that the fit had not seen; "
    "MACs: the same of multiply-accumulates times a constant; 90 % interval: what an estimate is "
    "multiplied by; holds: how often that held a measurement the fit had not seen."
)


def target_page(profile: TargetProfile, estimates: Sequence[EstimateRow] = ()) -> str:
    """All that a profile says, with the sources beside the figures.

    Args:
        profile: The target.
        estimates: What estimates for it rest on.
    """
    soc = f" ({profile.soc})" if profile.soc else ""
    sections = [
        [f"{profile.title}{soc}", f"{profile.name} · {profile.machine} · {_reached(profile)}"],
        ["Processor", *_each(_cluster(cluster) for cluster in profile.clusters)],
        ["Memory", *_memory(profile)],
        ["Accelerators", *_each(_accelerator(unit) for unit in profile.accelerators)],
        ["Power", *_each(_power(mode, profile) for mode in profile.power_modes)],
        ["Runtimes", *_each(_runtime(n, r, profile) for n, r in profile.runtimes.items())],
        [
            "Runtimes that read a file of their own (estimates only)",
            *_each(_converted(n, r) for n, r in profile.converted_runtimes.items()),
        ],
        ["What estimates rest on", *_estimates(profile, estimates)],
        ["Budget to start from", *_budget(profile)],
        ["Notes", *_each([note] for note in profile.notes)],
    ]
    return "\n\n".join("\n".join(lines) for lines in sections if len(lines) > 1) + "\n"


def fit_table(rows: Sequence[FitRow]) -> str:
    """Each fit with its error on families it had not seen, beside the MACs-constant baseline."""
    cells = (
        (row.target, f"{row.runtime} {row.precision}", row.tier, str(row.measurements))
        for row in rows
    )
    return _with_figures(_FITS, cells, rows, right=(3, 4, 5, 7))


def shape_table(rows: Sequence[ShapeRow]) -> str:
    """Each shape and tier with its error on what the fit had not seen."""
    cells = ((row.shape, row.tier, str(row.measurements), str(row.devices)) for row in rows)
    return _with_figures(_SHAPES, cells, rows, right=(2, 3, 4, 5, 7))


def check_page(found: TargetsCheck) -> str:
    """What a look at all profiles and shapes found, without the faults."""
    shapes = len({row.shape for row in found.shapes})
    tiers = Counter(row.tier for row in found.estimates)
    parts = [
        f"{len(found.profiles)} valid profiles, {len(found.faults)} faults; "
        f"{shapes} valid shapes of the cost model"
    ]
    if tiers:
        count = ", ".join(f"{tier} {number}" for tier, number in tiers.most_common())
        text = f"Runtimes and precisions by what estimates rest on: {count}"
        parts.append(textwrap.fill(text, WIDTH, break_on_hyphens=False))
    if found.fits:
        parts.append(f"Fitted to measurements of the device\n\n{fit_table(found.fits)}")
    if found.shapes:
        parts.append(f"Shapes, by what a device has\n\n{shape_table(found.shapes)}")
        parts.append(textwrap.fill(LEGEND, WIDTH))
    return "\n\n".join(parts) + "\n"


def _with_figures(
    heads: tuple[str, ...],
    cells: Iterable[tuple[str, ...]],
    rows: Sequence[FitRow | ShapeRow],
    *,
    right: tuple[int, ...],
) -> str:
    lines = [
        (
            *first,
            _percent(row.mean_percent),
            _percent(row.macs_constant_mean_percent),
            _factors(row.interval_low, row.interval_high),
            _share(row.coverage_fraction),
        )
        for first, row in zip(cells, rows, strict=True)
    ]
    return table([heads, *lines], right=right)


def _factors(low: float | None, high: float | None) -> str:
    return "-" if low is None or high is None else f"x {low:.2f} to {high:.2f}"


def _share(fraction: float | None) -> str:
    return "-" if fraction is None else f"{100 * fraction:.0f} %"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} %"


def _reached(profile: TargetProfile) -> str:
    return "this machine" if profile.transport == "local" else "not at hand"


def _each(entries: Iterable[list[str]]) -> Iterator[str]:
    """Entries as a list: the first line of each marked, its details below it."""
    for first, *details in entries:
        yield textwrap.fill(first, WIDTH, initial_indent="  · ", subsequent_indent="    ")
        for detail in details:
            yield textwrap.fill(detail, WIDTH, initial_indent="    ", subsequent_indent="    ")


def _cluster(cluster: Cluster) -> list[str]:
    clock = f" at {cluster.clock_ghz:g} GHz" if cluster.clock_ghz else ", clock unknown"
    peak = cluster.peak_fp32_gflop_per_s
    return [
        f"{cluster.count} x {cluster.core}{clock}"
        + (f", peak {peak:.3g} GFLOP/s in fp32" if peak else ""),
        f"Flags: {' '.join(cluster.isa_flags) or 'none known'}",
        f"Source: {cluster.source}",
    ]


def _memory(profile: TargetProfile) -> Iterator[str]:
    entries = []
    if profile.memory_mb is not None:
        entries.append([f"{profile.memory_mb} MB", f"Source: {profile.memory_source}"])
    if profile.memory_type is not None:
        bandwidth = profile.memory_bandwidth_gb_per_s
        entries.append(
            [profile.memory_type]
            if bandwidth is None
            else [
                f"{profile.memory_type}: {bandwidth:g} GB/s by the data sheet",
                f"Source: {profile.memory_bandwidth_source}",
            ]
        )
    return _each(entries)


def _accelerator(unit: Accelerator) -> list[str]:
    figures = [
        f"{value:g} {unit_name}"
        for value, unit_name in (
            (unit.clock_mhz, "MHz"),
            (unit.fp32_gflop_per_s, "GFLOP/s in fp32"),
            (unit.fp16_gflop_per_s, "GFLOP/s in fp16"),
            (unit.int8_dense_tera_op_per_s, "TOP/s in int8 (dense)"),
        )
        if value is not None
    ]
    served = f"; used by {', '.join(unit.served_by)}" if unit.served_by else ""
    return [
        f"{unit.kind.upper()} {', '.join([unit.name, *figures])}{served}",
        f"Source: {unit.source}",
    ]


def _power(mode: PowerMode, profile: TargetProfile) -> list[str]:
    watts = (
        f"{mode.low_w:g} W" if mode.low_w == mode.high_w else f"{mode.low_w:g} to {mode.high_w:g} W"
    )
    chosen = " (the figures of this page)" if mode.name == profile.default_power_mode else ""
    limits = [
        text
        for value, text in (
            (mode.cores_on, f"{mode.cores_on} cores on"),
            (mode.cpu_clock_ghz, f"processor at {mode.cpu_clock_ghz} GHz"),
            (mode.gpu_clock_mhz, f"GPU at {mode.gpu_clock_mhz} MHz"),
        )
        if value is not None
    ]
    return [
        f"{mode.name}: {watts}, {mode.basis}, of the {mode.covers}{chosen}",
        *([f"Limits: {', '.join(limits)}"] if limits else []),
        f"Source: {mode.source}",
    ]


def _runtime(name: str, runtime: Runtime, profile: TargetProfile) -> list[str]:
    default = " (default)" if name == profile.default_runtime else ""
    lines = [
        f"{name}{default}: {runtime.provider}, {', '.join(runtime.precisions)}; "
        f"ships {runtime.default_precision} where nothing was measured",
        f"Accepts opset {runtime.max_opset}, IR version {runtime.max_ir_version}, "
        f"{runtime.shapes} shapes; {runtime.threads} thread(s)",
    ]
    if runtime.int8 is not None:
        lines.append(f"int8 {_scheme(runtime.int8)}")
    lines.extend(f"also {_scheme(scheme)}" for scheme in runtime.other_int8)
    lines.extend(
        f"Opens {holds} files with {opening_words(one)}: {one.source}"
        for holds, one in runtime.openings.items()
    )
    return [*lines, f"Source: {runtime.source}"]


def _scheme(scheme: QuantizationScheme) -> str:
    per = "channel" if scheme.per_channel else "tensor"
    bits = ", seven-bit weights" if scheme.reduce_range else ""
    wide = ", sixteen-bit activations where eight are too few"
    back = wide if scheme.fall_back != "float" else ""
    return f"{scheme.label}, weights per {per}{bits}{back}: {scheme.reason}"


def _converted(name: str, runtime: ConvertedRuntime) -> list[str]:
    lines = [
        f"{name}: {runtime.engine}, reads {runtime.file_format}; {', '.join(runtime.precisions)}; "
        f"{runtime.threads} thread(s)"
    ]
    if runtime.int8_reason is not None:
        lines.append(f"int8: {runtime.int8_reason}")
    return [*lines, f"Source: {runtime.source}"]


def _estimates(profile: TargetProfile, rows: Sequence[EstimateRow]) -> Iterator[str]:
    told = [row for row in rows if row.reason is None]
    if told:
        lines = [
            (
                f"{row.runtime} {row.precision}",
                row.tier,
                str(row.measurements),
                _percent(row.mean_percent),
                _percent(row.p90_percent),
                _share(row.within_10_percent_fraction),
                _percent(row.macs_constant_mean_percent),
                _factors(row.interval_low, row.interval_high),
                _share(row.coverage_fraction),
            )
            for row in told
        ]
        yield textwrap.indent(table([_ESTIMATES, *lines], right=(2, 3, 4, 5, 6, 8)), "  ")
        yield textwrap.fill(
            f"{LEGEND} p90: what nine of ten networks keep.",
            WIDTH,
            initial_indent="  ",
            subsequent_indent="  ",
        )
    yield from _each(_basis(row, profile) for row in told)
    yield from _not_estimated([row for row in rows if row.reason is not None])


def _basis(row: EstimateRow, profile: TargetProfile) -> list[str]:
    runtime = profile.runtimes.get(row.runtime) or profile.converted_runtimes[row.runtime]
    fitted = next((cost for name, cost in runtime.cost.items() if name == row.precision), None)
    threads = f", on {' and '.join(map(str, row.threads))} thread(s)" if row.threads else ""
    day = f"; fitted on {fitted.fitted_on}" if fitted else ""
    return [
        f"{row.runtime} in {row.precision}: {row.method}{threads}{day}",
        *(f"Source: {source}" for source in row.sources),
    ]


def _not_estimated(rows: Sequence[EstimateRow]) -> Iterator[str]:
    """One entry for each reason, with all that it holds for."""
    reasons: dict[str, list[str]] = {}
    for row in rows:
        reasons.setdefault(row.reason or "", []).append(f"{row.runtime} in {row.precision}")
    yield from _each(
        [f"Not estimated: {', '.join(names)}", f"Why: {reason}."]
        for reason, names in reasons.items()
    )


def _budget(profile: TargetProfile) -> Iterator[str]:
    if profile.default_budget is None:
        return iter(())
    limits = profile.default_budget.limits.model_dump(exclude_none=True)
    text = ", ".join(f"{name} {value}" for name, value in limits.items())
    return _each([[text, f"Why: {profile.default_budget.reason}"]])
