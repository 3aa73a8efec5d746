"""A target profile as a page for a person, and the table of how far its estimates are off."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from edgedistill.core.target_check import rows_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from edgedistill.core.hardware import Accelerator, Cluster, PowerMode
    from edgedistill.core.profile import (
        ConvertedRuntime,
        QuantizationScheme,
        Runtime,
        TargetProfile,
    )
    from edgedistill.core.target_check import FitRow

WIDTH = 100
"""Columns of a page."""

_HEADS = (
    "target",
    "runtime",
    "precision",
    "tier",
    "n",
    "mean error",
    "MACs alone",
    "90 % interval",
)


def target_page(profile: TargetProfile) -> str:
    """All that a profile says, with the sources beside the figures."""
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
        ["Error of the estimates", *_errors(profile)],
        ["Budget to start from", *_budget(profile)],
        ["Notes", *_each([note] for note in profile.notes)],
    ]
    return "\n\n".join("\n".join(lines) for lines in sections if len(lines) > 1) + "\n"


def fit_table(rows: Iterable[FitRow]) -> str:
    """Each fit with its error on families it had not seen, beside the MACs-constant baseline."""
    cells = [_HEADS, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(_HEADS))]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    )


def _cells(row: FitRow) -> tuple[str, ...]:
    return (
        row.target,
        row.runtime,
        row.precision,
        row.tier,
        str(row.measurements),
        _percent(row.mean_percent),
        _percent(row.macs_constant_mean_percent),
        f"x {row.interval_low:.3g} to x {row.interval_high:.3g}",
    )


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
    return [*lines, f"Source: {runtime.source}"]


def _scheme(scheme: QuantizationScheme) -> str:
    per = "channel" if scheme.per_channel else "tensor"
    bits = ", seven-bit weights" if scheme.reduce_range else ""
    return f"{scheme.label}, weights per {per}{bits}: {scheme.reason}"


def _converted(name: str, runtime: ConvertedRuntime) -> list[str]:
    lines = [
        f"{name}: {runtime.engine}, reads {runtime.file_format}; {', '.join(runtime.precisions)}; "
        f"{runtime.threads} thread(s)"
    ]
    if runtime.int8_reason is not None:
        lines.append(f"int8: {runtime.int8_reason}")
    return [*lines, f"Source: {runtime.source}"]


def _errors(profile: TargetProfile) -> Iterator[str]:
    rows = tuple(rows_of(profile))
    if not rows:
        yield (
            "  No cost is fitted for this target: `edgedistill estimate` goes by the data sheet\n"
            "  where it can, with a wider interval."
        )
        return
    yield textwrap.indent(fit_table(rows), "  ")
    for runtimes in (profile.runtimes, profile.converted_runtimes):
        for name, runtime in runtimes.items():
            for precision, cost in sorted(runtime.cost.items()):
                yield from _each(
                    [
                        [
                            f"{name} in {precision}: fitted on {cost.fitted_on}",
                            *(f"Source: {source}" for source in cost.sources),
                        ]
                    ]
                )


def _budget(profile: TargetProfile) -> Iterator[str]:
    if profile.default_budget is None:
        return iter(())
    limits = profile.default_budget.limits.model_dump(exclude_none=True)
    text = ", ".join(f"{name} {value}" for name, value in limits.items())
    return _each([[text, f"Why: {profile.default_budget.reason}"]])
