"""TensorFlow's checkpoints are read byte for byte, and what is damaged in them is told in one line."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from groundup.errors import UserError
from groundup.weights.bundle import Bundle, read_index
from groundup.weights.crc32c import crc32c, masked
from tests.weights.bundles import entry, field, header, table, write_bundle

HERE = Path(__file__).parent
TINY = HERE / "openai_tiny"
DATA, INDEX = "model.ckpt.data-00000-of-00001", "model.ckpt.index"


def expected(folder: Path) -> dict[str, np.ndarray]:
    with np.load(folder / "expected.npz") as file:
        return dict(file)


def assert_same(bundle: Bundle, arrays: dict[str, np.ndarray]) -> None:
    assert sorted(bundle) == sorted(arrays)
    for name, array in arrays.items():
        found = bundle[name]
        assert (found.dtype, found.shape) == (array.dtype, array.shape), name
        assert found.tobytes() == array.tobytes(), name


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A checkpoint of TensorFlow that may be damaged."""
    for name in (DATA, INDEX):
        shutil.copy(TINY / name, tmp_path)
    return tmp_path


def change(path: Path, place: int, by: int = 1) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= by
    path.write_bytes(content)


def refusal(folder: Path) -> str:
    """The one line that tells what is wrong with a checkpoint."""
    with pytest.raises(UserError) as caught:
        for _ in Bundle(folder / "model.ckpt").values():
            pass
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "data, known",
    [
        (b"123456789", 0xE3069283),
        (b"", 0),
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
    ],
)
def test_the_checksum_is_that_of_rfc_3720(data: bytes, known: int):
    assert crc32c(data) == known


def by_definition(data: bytes) -> int:
    state = 0xFFFFFFFF
    for byte in data:
        state ^= byte
        for _ in range(8):
            state = state >> 1 ^ (0x82F63B78 if state & 1 else 0)
    return state ^ 0xFFFFFFFF


def test_the_checksum_of_every_length_is_that_of_the_definition(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("groundup.weights.crc32c.CHUNK", 8)  # so that a short text has many chunks
    data = np.random.default_rng(0).integers(0, 256, 150, np.uint8).tobytes()
    for length in range(len(data)):
        assert crc32c(data[:length]) == by_definition(data[:length]), length


def test_a_checkpoint_of_tensorflow_is_read_byte_for_byte():
    assert_same(Bundle(TINY / "model.ckpt"), expected(TINY))


def test_the_writer_of_these_tests_writes_what_tensorflow_writes(tmp_path: Path):
    write_bundle(tmp_path / "model.ckpt", expected(TINY))
    for name in (DATA, INDEX):
        assert (tmp_path / name).read_bytes() == (TINY / name).read_bytes(), name


@pytest.mark.parametrize("per_block", [1, 2, 7, 29])
def test_an_index_of_several_blocks_is_read_whole(tmp_path: Path, per_block: int):
    write_bundle(tmp_path / "model.ckpt", expected(TINY), per_block=per_block)
    assert_same(Bundle(tmp_path / "model.ckpt"), expected(TINY))


def test_tensors_are_mapped_and_what_is_written_into_them_stays_in_memory(copy: Path):
    before = (copy / DATA).read_bytes()
    tensor = Bundle(copy / "model.ckpt")["model/wte"]
    assert isinstance(tensor, np.memmap)
    tensor += 1
    assert (copy / DATA).read_bytes() == before


def test_other_kinds_of_numbers_and_odd_places_and_several_files_are_read(tmp_path: Path):
    arrays = {
        "a": (np.array([True, False, True]), 10, 0),
        "b": (np.arange(6, dtype=np.float64).reshape(2, 3), 2, 0),  # begins at byte 3
        "c": (np.array(7, np.int64), 9, 1),
        "d": (np.zeros((0, 4), np.float16), 19, 1),
    }
    rows, files = {b"": header(shards=2)}, [b"", b""]
    for name, (array, dtype, shard) in arrays.items():
        rows[name.encode()] = entry(array, len(files[shard]), dtype=dtype, shard=shard)
        files[shard] += array.tobytes()
    (tmp_path / INDEX).write_bytes(table(rows))
    for shard, content in enumerate(files):
        (tmp_path / f"model.ckpt.data-0000{shard}-of-00002").write_bytes(content)
    assert_same(Bundle(tmp_path / "model.ckpt"), {name: array for name, (array, _, _) in arrays.items()})


def test_no_changed_byte_of_an_index_goes_unnoticed(copy: Path):
    size, whole = (copy / INDEX).stat().st_size, (copy / INDEX).read_bytes()
    unused = range(size - 48 + 6, size - 8)  # the footer pads its two places with zeros
    for place in {*range(0, size, 9), *range(size - 70, size)} - {*unused}:
        change(copy / INDEX, place, by=0x41)
        with pytest.raises(UserError, match="model.ckpt.index (is damaged|does not end as)"):
            read_index(copy / INDEX)
        (copy / INDEX).write_bytes(whole)


@pytest.mark.parametrize("place", [0, 1, 12_345, -1])
def test_a_changed_byte_of_a_tensor_names_the_tensor(copy: Path, place: int):
    change(copy / DATA, place)
    assert "is damaged: the bytes of 'model/" in (told := refusal(copy))
    assert "do not match their checksum. Delete the file, and get it again" in told


def test_tensors_that_changed_their_places_do_not_pass(tmp_path: Path):
    """Their bytes are all there, and so are right checksums: of other tensors."""
    first, second = np.ones(4, np.float32), np.zeros(4, np.float32)
    (tmp_path / INDEX).write_bytes(table({b"": header(), b"a": entry(first, 16), b"b": entry(second, 0)}))
    (tmp_path / DATA).write_bytes(first.tobytes() + second.tobytes())
    assert "the bytes of 'a' do not match" in refusal(tmp_path)


@pytest.mark.parametrize("kept", [0, 7, 47, 48, 500, -1])
def test_an_index_that_is_cut_short_is_one_line(copy: Path, kept: int):
    (copy / INDEX).write_bytes((copy / INDEX).read_bytes()[:kept])
    assert "cut short or something else. Delete the file, and get it again" in refusal(copy)


def test_an_index_whose_middle_is_missing_is_one_line(copy: Path):
    content = (copy / INDEX).read_bytes()
    (copy / INDEX).write_bytes(content[:100] + content[300:])
    assert "model.ckpt.index is damaged (" in refusal(copy)


def test_data_that_are_cut_short_are_told_with_both_sizes(copy: Path):
    (copy / DATA).write_bytes((copy / DATA).read_bytes()[:-4])
    assert "cut short: it has 30,396 bytes, but the index asks for 30,400" in refusal(copy)


def test_a_missing_file_is_named(copy: Path):
    (copy / DATA).unlink()
    assert f"{DATA} is missing" in refusal(copy)
    (copy / INDEX).unlink()
    assert "Could not read" in refusal(copy)


def test_another_file_than_an_index_is_refused_by_its_end(copy: Path):
    change(copy / INDEX, -1)
    assert "does not end as the index of a TensorFlow checkpoint does" in refusal(copy)


def row(**options) -> dict[bytes, bytes]:
    return {b"": header(), b"a": entry(np.zeros(2, np.float32), 0, **options)}


def refused() -> Iterator[tuple[str, bytes, str]]:
    """Well-formed indexes that groundup does not read: what is wrong, the bytes, the words."""
    yield "compressed", table(row(), kind=1), r"is compressed \(kind 1\)"
    yield "two files", table({**row(), b"": header(shards=2)}), "data-00000-of-00002 is missing"
    yield "no file", table({**row(), b"": header(shards=0)}), "tells of 0 data files"
    yield "no header", table({b"a": row()[b"a"]}), "tells of 0 data files"
    yield "high byte first", table({**row(), b"": header(endianness=1)}), "the highest byte first"
    yield "a second file", table(row(shard=1)), "more data files than the 1"
    yield "text", table(row(dtype=7)), "'a' as TensorFlow's data type 7"
    yield "slices", table(row(more=field(7, b""))), "'a' in several slices"
    yield "wrong dtype", table(row(dtype=2)), "'a' do not match their checksum"
    yield "a word for a number", table(row(more=field(4, b"word"))), "is damaged"
    yield "a number for a shape", table(row(more=field(2, 9))), "is damaged"
    yield "unknown field", table(row(more=b"\x0f")), "is damaged .*unknown kind 7"
    yield "cut message", table(row(more=b"\x12\x7f")), "is damaged .*in the middle"
    yield "endless number", table(row(more=b"\x08" + b"\xff" * 12)), "is damaged .*64 bits"
    yield "no UTF-8", table({**row(), b"\xfe": b""}), "is damaged .*utf-8"


@pytest.mark.parametrize("content, told", [row[1:] for row in refused()], ids=[row[0] for row in refused()])
def test_what_cannot_be_read_is_refused_in_one_line(tmp_path: Path, content: bytes, told: str):
    (tmp_path / INDEX).write_bytes(content)
    (tmp_path / DATA).write_bytes(bytes(8))
    with pytest.raises(UserError, match=told):
        for _ in Bundle(tmp_path / "model.ckpt").values():
            pass


def test_the_mask_is_that_of_the_files():
    index = (TINY / INDEX).read_bytes()
    first = read_index(TINY / INDEX)[0]["model/h0/attn/c_attn/b"]
    assert masked(first.crc) != first.crc and first.crc.to_bytes(4, "little") in index


@pytest.mark.slow
def test_a_larger_checkpoint_of_tensorflow_itself_is_read_byte_for_byte(tmp_path: Path):
    """Its index has several blocks, and its tensors many chunks."""
    python = _python_with_tensorflow()
    sizes = '{"n_vocab": 5000, "n_ctx": 64, "n_embd": 64, "n_head": 4, "n_layer": 60}'
    script = str(HERE / "make_openai_tiny.py")
    subprocess.run([python, script, str(tmp_path), sizes], check=True, capture_output=True)
    assert_same(Bundle(tmp_path / "model.ckpt"), expected(tmp_path))


def _python_with_tensorflow() -> str:
    """This Python, or the one that GROUNDUP_TENSORFLOW_PYTHON names. Skips where neither has TensorFlow."""
    python = os.environ.get("GROUNDUP_TENSORFLOW_PYTHON") or sys.executable
    if subprocess.run([python, "-c", "import tensorflow"], capture_output=True).returncode:
        pytest.skip("TensorFlow is not installed. Set GROUNDUP_TENSORFLOW_PYTHON to a Python that has it.")
    return python
