"""Numbers out of JSON records, which may hold anything: a run broke off, or another version wrote them."""

import math
from typing import Any

Record = dict[str, Any]


def number(record: Record, key: str) -> float | None:
    """A finite number of a record, or None where it is missing, no number, or not finite."""
    value = record.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:  # An integer too large for a float is as good as infinite here.
        return None


def whole(record: Record, key: str) -> int | None:
    """A whole number of a record, or None."""
    value = number(record, key)
    return None if value is None else int(value)


def required(record: Record, key: str) -> float:
    """A number that a record must have; it may be infinite or no number, because a run can diverge."""
    value = record[key]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(key)
    return float(value)


def interval_of(record: Record, key: str = "interval") -> tuple[float, float] | None:
    """A [low, high] pair of finite numbers, or None."""
    pair = record.get(key)
    if not isinstance(pair, list) or len(pair) != 2:
        return None
    low, high = (number({"": end}, "") for end in pair)
    return None if low is None or high is None else (low, high)
