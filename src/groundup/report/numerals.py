"""Numbers as one says them: short, with the digits that matter."""

import math


def count(value: float) -> str:
    """A count as one says it: 512, 83,000, 1.6 million, 2.7 billion."""
    for unit, word in ((1e9, "billion"), (1e6, "million")):
        if value >= unit * 0.9995:
            return f"{_short(value / unit)} {word}"
    return f"{round(value):,}" if value < 100_000 else f"{round(value, -3):,.0f}"


def compact(value: float) -> str:
    """A number short enough for the tick of an axis: 0.0006, 12k, 1.5M."""
    for unit, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= unit:
            return f"{value / (1e3 if letter == 'k' else unit):g}{letter}"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def bits(value: float) -> str:
    """Bits per byte with as many places as tell two good models apart: 0.521, 1.85."""
    return f"{value:.3f}" if abs(value) < 1 else f"{value:.2f}"


def percent(value: float) -> str:
    """A percentage with the places that matter: 4.1 %, 37 %, 310 %."""
    return f"{value:.1f}\N{NO-BREAK SPACE}%" if abs(value) < 9.95 else f"{value:,.0f}\N{NO-BREAK SPACE}%"


def plain(value: float | None) -> str:
    """A measured number with the digits that count, and without an exponent where that can be read."""
    if value is None:
        return "not measured"
    if 1e-9 < abs(value) < 1e-3:
        return f"{value:.{1 - math.floor(math.log10(abs(value)))}f}".rstrip("0")
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"


def rough(value: float) -> float:
    """The number with three digits that count, for a sentence that needs no more."""
    return float(f"{value:.3g}")


def size(n_bytes: float) -> str:
    """Bytes as one says them: 812 bytes, 29.4 MB."""
    for unit, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if n_bytes >= unit:
            return f"{_short(n_bytes / unit)} {name}"
    return plural(int(n_bytes), "byte")


def duration(seconds: float) -> str:
    """A time as one says it: 45 seconds, 3 minutes, 2 hours 10 minutes."""
    if seconds < 100:
        return plural(round(seconds), "second")
    minutes = round(seconds / 60)
    if minutes < 100:
        return plural(minutes, "minute")
    hours, minutes = divmod(minutes, 60)
    return plural(hours, "hour") + (f" {plural(minutes, 'minute')}" if minutes else "")


def _short(value: float) -> str:
    """One place below 100, none above: 1.6, 29.4, 124."""
    return f"{value:,.0f}" if value >= 99.95 else f"{round(value, 1):g}"


def plural(number: int, noun: str) -> str:
    """A number and its noun: 1 step, 2 steps."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
