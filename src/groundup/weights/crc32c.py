"""CRC32C, the checksum in TensorFlow's files, fast enough in NumPy for gigabytes.

A CRC is the remainder of a division in which adding is XOR. So a word that stands p words earlier counts as
its own remainder moved on by p words, and that movement is the same for all words: the first half of a chunk
is moved onto its second half and XORed with it, and so on, until one word is left.
Source of the polynomial and of known values: RFC 3720, appendix B.4.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

POLYNOMIAL = 0x82F63B78  # its bits from the highest power to the lowest, as the words are read
ALL_ONES = 0xFFFFFFFF
CHUNK = 1 << 18  # words at once, 1 MB; smaller ones pay more for the calls, larger ones for the memory

Words = NDArray[np.uint32]


def crc32c(data: NDArray[np.uint8] | bytes) -> int:
    """The CRC32C of some bytes."""
    array = np.frombuffer(data, np.uint8)
    odd = len(array) % 4
    state = ALL_ONES
    for byte in array[:odd].tolist():
        state = _move_bits(state ^ byte, 8)
    words = array[odd:].view("<u4")
    for start in range(0, len(words), CHUNK):
        chunk = words[start : start + CHUNK].copy()
        chunk[0] ^= state
        state = _fold(chunk)
    return state ^ ALL_ONES


def masked(crc: int) -> int:
    """The form in which a file holds a CRC of its own bytes: turned by 15 bits, and a constant added."""
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & ALL_ONES


def _fold(words: Words) -> int:
    """The state after these words, the state before them being XORed into the first."""
    while len(words) > 1:
        level = (len(words) - 1).bit_length() - 1
        first = len(words) - (1 << level)  # so many words stand in front of the last 2^level
        moved, words = _moved(words[:first], level), words[first:]
        words[-first:] ^= moved
    return int(_moved(words, 0)[0])


def _moved(words: Words, level: int) -> Words:
    """Each of these remainders moved on by 2^level words."""
    low, high = _tables(level)
    return low[words & 0xFFFF] ^ high[words >> 16]


@cache
def _tables(level: int) -> tuple[Words, Words]:
    """What moving by 2^level words makes of each lower and each upper half of a word."""
    bits = np.array([1 << bit for bit in range(32)], np.uint32)
    if level == 0:
        images = np.array([_move_bits(int(bit), 32) for bit in bits], np.uint32)
    else:
        images = _moved(_moved(bits, level - 1), level - 1)
    low, high = np.zeros(1 << 16, np.uint32), np.zeros(1 << 16, np.uint32)
    for bit in range(16):
        low[1 << bit : 2 << bit] = low[: 1 << bit] ^ images[bit]
        high[1 << bit : 2 << bit] = high[: 1 << bit] ^ images[16 + bit]
    return low, high


def _move_bits(state: int, count: int) -> int:
    """A state moved on by some bits, by the definition: one step of the division for each."""
    for _ in range(count):
        state = state >> 1 ^ (POLYNOMIAL if state & 1 else 0)
    return state
