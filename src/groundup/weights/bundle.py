"""TensorFlow's checkpoints (its format V2) without TensorFlow: an index of names, and bytes that are mapped.

`NAME.index` is a sorted-string table: blocks of keys and values, one block that lists the others, and a
footer that says where that one is. Each value is a protobuf message, of which a few fields matter. The bytes
of the tensors lie one after another in `NAME.data-00000-of-00001`. Each block and each tensor has a CRC32C.
Sources: TensorFlow's tensor_bundle.proto and tensor_bundle.cc, LevelDB's doc/table_format.md.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundup.errors import UserError
from groundup.weights.crc32c import crc32c, masked

MAGIC, FOOTER = 0xDB4775248B80FB57, 48  # the footer's last eight bytes; its length
DTYPES = {1: "<f4", 2: "<f8", 3: "<i4", 4: "u1", 5: "<i2", 6: "i1", 9: "<i8", 10: "?", 17: "<u2", 19: "<f2"}
"""The numbers of TensorFlow's DataType that NumPy can map as they are."""


@dataclass(frozen=True)
class Entry:
    """Where one tensor lies, and in what form."""

    dtype: int  # as TensorFlow numbers them
    shape: tuple[int, ...]
    shard: int  # which of the data files
    offset: int  # bytes
    size: int  # bytes
    crc: int  # masked
    sliced: bool  # kept in several parts, as large models on several machines are


class Bundle(Mapping[str, NDArray[Any]]):
    """The tensors of a checkpoint by name. Each is mapped and checked when it is asked for.

    prefix: the path that all of its files begin with, such as FOLDER/model.ckpt. Opening reads the index and
    looks at the sizes of the data files; UserError for what is damaged, missing or of another form.
    """

    def __init__(self, prefix: Path):
        self.prefix = prefix
        self.entries, self.shards = read_index(prefix.with_name(f"{prefix.name}.index"))
        self._maps = [self._map(shard) for shard in range(self.shards)]

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, name: str) -> NDArray[Any]:
        """The tensor, still in its file: what is written into it stays in memory. UserError if damaged."""
        entry, file = self.entries[name], data_file(self.prefix, self.entries[name].shard, self.shards)
        dtype = np.dtype(DTYPES.get(entry.dtype, "V1"))
        if entry.dtype not in DTYPES or entry.sliced:
            form = "in several slices" if entry.sliced else f"as TensorFlow's data type {entry.dtype}"
            raise UserError(
                f"{file} keeps {name!r} {form}, which groundup does not read. Save it as one float32 tensor."
            )
        data = self._maps[entry.shard][entry.offset : entry.offset + entry.size]
        if masked(crc32c(data)) != entry.crc or entry.size != math.prod(entry.shape) * dtype.itemsize:
            raise UserError(
                f"{file} is damaged: the bytes of {name!r} do not match their checksum. Delete the file, and "
                f"get it again."
            )
        # The tensors lie without gaps, so one after an odd number of bytes cannot be used where it is.
        aligned = data if entry.offset % dtype.itemsize == 0 else data.copy()
        return aligned.view(dtype).reshape(entry.shape)

    def _map(self, shard: int) -> NDArray[np.uint8]:
        file, wanted = data_file(self.prefix, shard, self.shards), data_size(self.entries, shard)
        if not file.is_file():
            raise UserError(f"{file} is missing, which the checkpoint's index names. Get it again.")
        found = file.stat().st_size
        if found < wanted:
            raise UserError(
                f"{file} is cut short: it has {found:,} bytes, but the index asks for {wanted:,}. Delete the "
                f"file, and get it again."
            )
        return np.memmap(file, np.uint8, "c") if wanted else np.empty(0, np.uint8)


def data_file(prefix: Path, shard: int, shards: int) -> Path:
    """The file that holds one part of the tensors' bytes."""
    return prefix.with_name(f"{prefix.name}.data-{shard:05d}-of-{shards:05d}")


def data_size(entries: Mapping[str, Entry], shard: int = 0) -> int:
    """The bytes that a data file must have at least."""
    return max((e.offset + e.size for e in entries.values() if e.shard == shard), default=0)


def read_index(path: Path) -> tuple[dict[str, Entry], int]:
    """The entries of an index by the tensors' names, and the number of data files. UserError as `Bundle`."""
    try:
        rows = _read_table(path)
        header = dict(_fields(rows.pop(b"", b"")))
        shards, highest_first = int(header.get(1, 0)), header.get(2, 0) != 0
        entries = {key.decode(): _entry(value) for key, value in rows.items()}
    except (ValueError, IndexError, TypeError) as error:
        raise UserError(
            f"{path} is damaged ({error}). Delete the file, and get the checkpoint's index again."
        ) from None
    if highest_first or not 0 < shards <= 100_000:
        wrong = "numbers with the highest byte first" if highest_first else f"{shards} data files"
        raise UserError(f"{path} tells of {wrong}, which groundup does not read. Get another checkpoint.")
    if any(not 0 <= entry.shard < shards for entry in entries.values()):
        raise UserError(f"{path} names tensors in more data files than the {shards} it has. Get it again.")
    return entries, shards


def _read_table(path: Path) -> dict[bytes, bytes]:
    """All keys and values of a sorted-string table."""
    try:
        table = path.read_bytes()
    except OSError as error:
        raise UserError(f"Could not read {path} ({error}). Give a checkpoint's whole folder.") from None
    if len(table) < FOOTER or int.from_bytes(table[-8:], "little") != MAGIC:
        raise UserError(
            f"{path} does not end as the index of a TensorFlow checkpoint does: it is cut short or something "
            f"else. Delete the file, and get it again."
        )
    footer = table[-FOOTER:]
    offset, size, at = _handle(footer, 0)  # of a block with further facts, which TensorFlow leaves empty
    rows = dict(_block(path, table, offset, size))
    if rows:
        raise ValueError("it has further facts, which TensorFlow does not write")
    offset, size, _ = _handle(footer, at)
    for _, where in _block(path, table, offset, size):
        offset, size, _ = _handle(where, 0)
        rows.update(_block(path, table, offset, size))
    return rows


def _handle(data: bytes, at: int) -> tuple[int, int, int]:
    """Where a block is: its offset, its size, and the place after these two numbers."""
    offset, at = _varint(data, at)
    size, at = _varint(data, at)
    return offset, size, at


def _block(path: Path, table: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """The keys and values of a block. Behind it stand a byte for its compression, and the CRC of both."""
    whole = table[offset : offset + size + 5]
    if len(whole) < size + 5:
        raise ValueError("a block would end behind the file")
    if masked(crc32c(whole[:-4])) != int.from_bytes(whole[-4:], "little"):
        raise ValueError(f"the block at byte {offset} does not match its checksum")
    if whole[-5] != 0:
        raise UserError(
            f"{path} is compressed (kind {whole[-5]}), which groundup does not read. Open the checkpoint "
            f"once with TensorFlow 1.2 or newer, and save it."
        )
    restarts = int.from_bytes(whole[size - 4 : size], "little")
    end = size - 4 * (restarts + 1)  # whole keys for a search by halves, which we do not need
    at, key = 0, b""
    while at < end:
        shared, at = _varint(whole, at)  # bytes of the last key with which this one begins
        more, at = _varint(whole, at)
        length, at = _varint(whole, at)
        if shared > len(key) or at + more + length > end:
            raise ValueError(f"a key in the block at byte {offset} has an impossible length")
        key = key[:shared] + whole[at : at + more]
        yield key, whole[at + more : at + more + length]
        at += more + length


def _entry(message: bytes) -> Entry:
    """A BundleEntryProto. What has its usual value (0, or nothing) is not written in such a message."""
    fields = list(_fields(message))
    one = dict(fields)
    dimensions = [dict(_fields(value)) for number, value in _fields(one.get(2, b"")) if number == 2]
    shape = tuple(int(dimension.get(1, 0)) for dimension in dimensions)
    dtype, shard, offset, size, crc = (int(one.get(number, 0)) for number in (1, 3, 4, 5, 6))
    return Entry(dtype, shape, shard, offset, size, crc, sliced=7 in one)


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """The fields of a protobuf message: number and value, which is an int or, for all else, bytes."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == 0:
            value, at = _varint(message, at)
        elif kind in (1, 5):
            width = 8 if kind == 1 else 4
            value, at = int.from_bytes(message[at : at + width], "little"), at + width
        elif kind == 2:
            length, at = _varint(message, at)
            value, at = message[at : at + length], at + length
        else:
            raise ValueError(f"a message has a field of the unknown kind {kind}")
        if at > len(message):
            raise ValueError("a message ends in the middle of a field")
        yield tag >> 3, value


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number written seven bits to a byte, the lowest first, and the place after it."""
    number = shift = 0
    while True:
        byte = data[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return number, at
        if shift > 63:
            raise ValueError("a number is longer than 64 bits")
