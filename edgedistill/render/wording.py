"""Sentences that several views of a report share, as plain text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgedistill.core.evidence import Evidence

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edgedistill.core.evidence import Conditions, Quantity
    from edgedistill.core.report import Report

DISTURBED = "The machine was disturbed while measuring"


def accuracy_legend(report: Report) -> list[str]:
    """On what the accuracies rest."""
    accuracy = report.shipped().accuracy
    return [
        f"Accuracy on {accuracy.samples} validation samples ({accuracy.evidence.value}), "
        f"with {100 * accuracy.confidence:.3g} % interval. {sentence(accuracy.method)}"
    ]


def latency_legends(report: Report) -> list[str]:
    """On what the latencies rest; each way of getting them once."""
    latencies = [row.latency for row in report.rows if row.latency]
    if not latencies:
        return ["No latency: nothing was measured on this target and nothing was estimated."]
    return list(dict.fromkeys(_latency_legend(latency.p50_ms) for latency in latencies))


def intervals(quantities: Iterable[Quantity | None]) -> str:
    """At which confidence the intervals of figures hold, as a sentence; empty where all are exact.

    >>> from edgedistill.core.evidence import counted
    >>> intervals([counted(1.0, "bytes"), None])
    ''
    """
    found = sorted({one.confidence for one in quantities if one is not None} - {1.0})
    if not found:
        return ""
    written = list(dict.fromkeys(f"{100 * confidence:.4g} %" for confidence in found))
    return f"Intervals hold with {' to '.join(dict.fromkeys((written[0], written[-1])))}."


def disturbed(report: Report) -> bool:
    """Whether any latency is uncertain because the machine had other work."""
    return not all(row.latency.stable for row in report.rows if row.latency)


def _latency_legend(p50: Quantity) -> str:
    interval = f"with {100 * p50.confidence:.3g} % interval. {sentence(p50.method)}"
    if p50.evidence == Evidence.ESTIMATED:
        return f"Latency of one inference in milliseconds, estimated, {interval}"
    return f"Latency of one inference in milliseconds from {p50.samples} runs each, {interval}"


def condition_facts(conditions: Conditions) -> dict[str, str]:
    """Under which conditions something was measured, by name."""
    return {
        "Device": conditions.device,
        "Processor": conditions.processor,
        "Instruction set": " ".join((conditions.machine, *conditions.isa_flags)),
        "Runtime": f"{conditions.runtime}, {conditions.provider}",
        "Threads": str(conditions.threads),
        "Operating system": conditions.operating_system,
        "Frequency governor": conditions.governor or "unknown",
    }


def provenance_facts(report: Report) -> dict[str, str]:
    """What made a report, by name, without versions and steps."""
    made = report.provenance
    return {
        "Recipe (SHA-256)": made.recipe_sha256,
        "Data": made.data_source,
        "Licence of the data": made.data_licence or "unknown",
        "Data (SHA-256)": made.data_sha256,
        "Seed": str(made.seed),
        **{
            f"Model {row.step} (SHA-256)": row.model_sha256
            for row in report.rows
            if row.model_sha256 is not None
        },
    }


def sentence(text: str) -> str:
    """The text as a sentence begins."""
    return text[:1].upper() + text[1:]
