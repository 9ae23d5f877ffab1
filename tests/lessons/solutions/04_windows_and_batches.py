"""The exercises of lesson 4 done right, and the mistakes that people make in them."""

from groundup import Order


def stirred(value: int) -> int:
    """The same mixing as in the lesson."""
    value = (value ^ value >> 16) * 0x85EBCA6B % 2**32
    value = (value ^ value >> 13) * 0xC2B2AE35 % 2**32
    return value ^ value >> 16


def indices(order: Order, samples_per_step: int, step: int) -> list[int]:
    return [order.at(step * samples_per_step + place) for place in range(samples_per_step)]


def cover(length: int, context: int, stride: int) -> list[tuple[int, int, int]]:
    found = [(0, 0, min(length, context))]
    while (first := found[-1][2]) < length:
        end = min(first + stride, length)
        found.append((end - context, first, end))
    return found


def undo(number: int, half: int, keys: list[int]) -> int:
    left, right = number >> half, number % 2**half
    for key in reversed(keys):
        left, right = right ^ stirred(left ^ key) % 2**half, left
    return left << half | right


def epochs_forgotten(order: Order, samples_per_step: int, step: int) -> list[int]:
    """Each epoch in the order of the first one."""
    first = step * samples_per_step
    return [order.at((first + place) % len(order)) for place in range(samples_per_step)]


def keys_not_turned_round(number: int, half: int, keys: list[int]) -> int:
    return undo(number, half, keys[::-1])


def forward_again(number: int, half: int, keys: list[int]) -> int:
    left, right = number >> half, number % 2**half
    for key in keys:
        left, right = right, left ^ stirred(right ^ key) % 2**half
    return left << half | right


def other_half_looked_up(number: int, half: int, keys: list[int]) -> int:
    left, right = number >> half, number % 2**half
    for key in reversed(keys):
        left, right = right ^ stirred(right ^ key) % 2**half, left
    return left << half | right


WRONG = {
    "indices": [
        lambda order, samples, step: [order.at(step + place) for place in range(samples)],  # steps overlap
        lambda order, samples, step: list(order)[step * samples :][:samples],  # the end of the epoch is short
        lambda order, samples, step: list(range(step * samples, (step + 1) * samples)),  # not shuffled
        lambda order, samples, step: indices(order, samples, step + 1),  # counted from one
        epochs_forgotten,
    ],
    "cover": [
        lambda length, context, stride: [  # side by side
            (start, start, min(start + context, length)) for start in range(0, length, context)
        ],
        lambda length, context, stride: [(s, s, e) for s, _, e in cover(length, context, stride)],  # twice
        lambda length, context, stride: [w for w in cover(length, context, stride) if w[2] < length],
        lambda length, context, stride: [  # the last window is shorter than it might be
            (start, start if start == 0 else start + context - stride, min(start + context, length))
            for start in range(0, max(1, length - context + stride), stride)
        ],
    ],
    "undo": [keys_not_turned_round, forward_again, other_half_looked_up],
}
