"""Units: conversions and how a figure is written for a person."""

from __future__ import annotations

BYTES_PER_MB = 1_000_000
NS_PER_MS = 1_000_000


def bytes_to_mb(size_bytes: int) -> float:
    """Megabytes (10^6 bytes) of a size in bytes.

    >>> bytes_to_mb(2_500_000)
    2.5
    """
    return size_bytes / BYTES_PER_MB


def ns_to_ms(duration_ns: int) -> float:
    """Milliseconds of a duration in nanoseconds.

    >>> ns_to_ms(1_500_000)
    1.5
    """
    return duration_ns / NS_PER_MS


def format_count(count: float) -> str:
    """A count with three figures and a prefix (k, M, G).

    >>> format_count(4_652_008), format_count(950), format_count(12_300_000_000)
    ('4.65 M', '950', '12.3 G')
    """
    for factor, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= factor:
            return f"{count / factor:.3g} {prefix}"
    return f"{count:.3g}"


def format_duration(duration_s: float) -> str:
    """A duration as a person says it.

    >>> format_duration(3.2), format_duration(75), format_duration(3720)
    ('3.2 s', '1 min 15 s', '1 h 2 min')
    """
    if duration_s < 60:
        return f"{duration_s:.1f} s"
    minutes, seconds = divmod(round(duration_s), 60)
    if minutes < 60:
        return f"{minutes} min {seconds} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def format_percent(fraction: float) -> str:
    """A fraction between 0 and 1 in percent.

    >>> format_percent(0.9253)
    '92.53 %'
    """
    return f"{100 * fraction:.2f} %"
