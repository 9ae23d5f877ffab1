"""Random numbers that are the same on every machine, and reachable without making the ones before."""

MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15  # 2**64 divided by the golden ratio: the step of splitmix64


def mix(value: int) -> int:
    """Stir 64 bits so that neighbours become unrelated: the end of splitmix64 (Steele and others, 2014)."""
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return value ^ (value >> 31)


class Draws:
    """The random choices of one document: splitmix64, started from a seed and the document's number."""

    __slots__ = ("state",)

    def __init__(self, seed: int, index: int):
        self.state = mix((mix((seed + GOLDEN) & MASK) + (index + 1) * GOLDEN) & MASK)

    def below(self, total: int) -> int:
        """A whole number from 0 to total - 1. Each is equally likely, up to a part in 2**64 / total."""
        self.state = value = (self.state + GOLDEN) & MASK
        # The same three lines as `mix`, written out: a call per choice would cost a fifth of the speed.
        value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
        return ((value ^ (value >> 31)) * total) >> 64
