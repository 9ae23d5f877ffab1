"""Writes TensorFlow's checkpoints by hand, whole or damaged, for tests of the reader.

test_bundle.py proves that what is written here has the very bytes of TensorFlow's own files.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from groundup.weights.bundle import MAGIC
from groundup.weights.crc32c import crc32c, masked

RESTART = 16  # so many keys after which one is written whole


def varint(number: int) -> bytes:
    """Seven bits to a byte, the lowest first."""
    return bytes([number]) if number < 128 else bytes([number & 127 | 128]) + varint(number >> 7)


def field(number: int, value: int | bytes, kind: int | None = None) -> bytes:
    """One field of a protobuf message; kind 5 is a number of four bytes. What is 0 is left out."""
    if kind == 5:
        return varint(number << 3 | 5) + int(value).to_bytes(4, "little")
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    return varint(number << 3) + varint(value) if value else b""


def header(shards: int = 1, endianness: int = 0) -> bytes:
    """A BundleHeaderProto."""
    return field(1, shards) + field(2, endianness) + field(3, field(1, 1))


def entry(array: np.ndarray, offset: int, *, dtype: int = 1, shard: int = 0, more: bytes = b"") -> bytes:
    """A BundleEntryProto."""
    shape = b"".join(field(2, field(1, side)) for side in array.shape)
    crc = field(6, masked(crc32c(array.tobytes())), 5)
    return (
        field(1, dtype) + field(2, shape) + field(3, shard) + field(4, offset) + field(5, array.nbytes) + crc
    ) + more


def block(rows: Sequence[tuple[bytes, bytes]], *, restart: int = RESTART, kind: int = 0) -> bytes:
    """Keys and values with what keys share left out, the byte for the compression, and the checksum."""
    body, restarts, last = b"", [0], b""
    for place, (key, value) in enumerate(rows):
        shared = 0
        if place and place % restart == 0:
            restarts.append(len(body))
        elif place:
            shared = next((i for i, (a, b) in enumerate(zip(key, last, strict=False)) if a != b), len(last))
        body += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        last = key
    body += b"".join(at.to_bytes(4, "little") for at in restarts) + len(restarts).to_bytes(4, "little")
    body += bytes([kind])
    return body + masked(crc32c(body)).to_bytes(4, "little")


def table(rows: Mapping[bytes, bytes], *, per_block: int = 10**9, kind: int = 0) -> bytes:
    """A sorted-string table."""
    ordered, whole, places = sorted(rows.items()), b"", []
    for start in range(0, len(ordered), per_block):
        part = ordered[start : start + per_block]
        written = block(part, kind=kind)
        # The index has a key that is not below any in the block; TensorFlow shortens that of the last one.
        key = part[-1][0] if start + per_block < len(ordered) else bytes([part[-1][0][0] + 1])
        places.append((key, varint(len(whole)) + varint(len(written) - 5)))
        whole += written
    facts = block([])
    first = varint(len(whole)) + varint(len(facts) - 5)
    whole += facts
    index = block(places, restart=1)
    second = varint(len(whole)) + varint(len(index) - 5)
    return whole + index + (first + second).ljust(40, b"\0") + MAGIC.to_bytes(8, "little")


def write_bundle(prefix: Path, arrays: Mapping[str, np.ndarray], *, per_block: int = 10**9) -> None:
    """A whole checkpoint with one data file."""
    rows, data = {b"": header()}, b""
    for name, array in sorted(arrays.items()):
        rows[name.encode()] = entry(array, len(data))
        data += array.tobytes()
    prefix.with_name(f"{prefix.name}.index").write_bytes(table(rows, per_block=per_block))
    prefix.with_name(f"{prefix.name}.data-00000-of-00001").write_bytes(data)
