"""Files of records: read from any record on, in little memory, and refused in one line if they do harm."""

import gzip
import io
import json
import tracemalloc

import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.data import formats
from groundup.data.formats import cut_place, records
from groundup.errors import UserError

TEXTS = [f"Tale {number} é" for number in range(50)]


def write_file(folder, name):
    """The same 50 texts in one of the forms, with some records that are no text."""
    values = [*TEXTS[:20], None, *TEXTS[20:]]
    if name.endswith(".parquet"):
        parquet.write_table(arrow.table({"id": range(51), "text": values}), folder / name, row_group_size=8)
    else:
        lines = "".join(json.dumps({"text": value}) + "\n\n" for value in values).encode()
        packed = gzip.compress(lines) if name.endswith(".gz") else lines
        (folder / name).write_bytes(packed)
    return folder / name


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.parquet"])
@pytest.mark.parametrize("start", [0, 1, 7, 8, 16, 20, 21, 50, 51, 80])
def test_reading_from_a_record_on_gives_what_reading_all_gives_from_there(tmp_path, name, start):
    file = write_file(tmp_path, name)
    every = list(records(file))
    assert [record.text for record in every] == [*TEXTS[:20], None, *TEXTS[20:]]
    assert [record[:2] for record in records(file, start)] == [record[:2] for record in every[start:]]
    shares = [record.share for record in every]
    assert shares == sorted(shares)
    assert shares[-1] > 0.99  # an empty line may follow the last record


def test_groups_of_rows_before_the_start_are_not_read(tmp_path):
    file = write_file(tmp_path, "a.parquet")
    damaged, texts = bytearray(file.read_bytes()), parquet.read_metadata(file).row_group(0).column(1)
    damaged[texts.dictionary_page_offset : texts.dictionary_page_offset + 20] = bytes(20)
    file.write_bytes(damaged)
    with pytest.raises(UserError, match="no proper Parquet"):
        list(records(file))
    assert [record.text for record in records(file, 8)][:3] == TEXTS[8:11]


def test_another_column_can_be_named(tmp_path):
    parquet.write_table(arrow.table({"content": ["a"], "text": ["b"]}), tmp_path / "a.parquet")
    assert [record.text for record in records(tmp_path / "a.parquet", field="content")] == ["a"]
    (tmp_path / "a.jsonl").write_text('{"content": "a", "text": "b"}\n', "utf-8")
    assert [record.text for record in records(tmp_path / "a.jsonl", field="content")] == ["a"]
    with pytest.raises(UserError, match='no field "contend".*content, text.*mean .content.*data.column='):
        list(records(tmp_path / "a.jsonl", field="contend"))


@pytest.mark.parametrize("indent", [None, 2])
def test_one_json_array_is_called_by_its_name_and_told_how_to_become_lines(tmp_path, indent):
    file = tmp_path / "a.jsonl"
    file.write_text("\n" + json.dumps([{"text": text} for text in TEXTS], indent=indent), "utf-8")
    with pytest.raises(UserError, match=r"a.jsonl is one JSON array.*jq -c '\.\[\]' "):
        list(records(file))


def test_a_first_line_that_only_looks_like_an_array_is_a_record_that_is_no_text(tmp_path):
    (tmp_path / "a.jsonl").write_text('[note] made today\n{"text": "a"}\n', "utf-8")
    assert [record.text for record in records(tmp_path / "a.jsonl")] == [None, "a"]


def test_numbers_in_the_column_are_no_text(tmp_path):
    parquet.write_table(arrow.table({"text": [1, 2]}), tmp_path / "a.parquet")
    assert [record[:2] for record in records(tmp_path / "a.parquet")] == [
        (None, 'row 1: its field "text" is no text'),
        (None, 'row 2: its field "text" is no text'),
    ]


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(formats, "WHOLE", 300)
    monkeypatch.setattr(formats, "PART", 100)


def test_a_large_text_is_cut_at_empty_lines_and_nothing_is_lost(tmp_path, small_parts):
    text = "".join(f"Chapter {n}. " + "é and so on\n" * (n % 4) + "\n" for n in range(60))
    file = tmp_path / "a.txt"
    file.write_text(text, "utf-8")
    every = [record.text or "" for record in records(file)]
    assert "".join(every) == text
    assert all(part.endswith("\n\n") for part in every)
    assert max(len(part.encode()) for part in every) <= 100
    for start in (1, 5, len(every), len(every) + 3):
        assert [record.text for record in records(file, start)] == every[start:]
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(text.encode()))
    assert [record.text for record in records(tmp_path / "a.txt.gz")] == every


@settings(max_examples=60, deadline=None)
@given(text=st.text(st.sampled_from("aé包🍞 \n\r"), max_size=900))
def test_a_large_text_of_any_kind_is_cut_between_characters_only(text):
    data = text.encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(formats, "PART", 40)
        parts = []
        while data:
            cut = cut_place(data)
            assert 0 < cut <= 44
            parts.append(data[:cut].decode())  # fails inside a character
            data = data[cut:]
    assert "".join(parts) == text


def test_where_a_large_text_stops_being_text_is_told_from_its_beginning(tmp_path, small_parts):
    (tmp_path / "a.txt").write_bytes(b"one line\n\n" * 50 + b"\xff\xff" + b" and more\n" * 10)
    with pytest.raises(UserError, match="a.txt, from byte 500, .*is not UTF-8"):
        list(records(tmp_path / "a.txt"))


def bomb(name: str) -> bytes:
    """60 MB of one letter, packed into less than 100 kB."""
    letters = (b"a" * 10_000 + b"\n") * 6_000
    if name == "a.jsonl.gz":
        letters = json.dumps({"text": letters.decode()}).encode() + b"\n"
    if name.endswith(".zst"):
        return arrow.compress(letters, codec="zstd", asbytes=True)
    return gzip.compress(letters, 9)


@pytest.mark.parametrize("name", ["a.txt.gz", "a.txt.zst", "a.jsonl.gz"])
def test_an_archive_bomb_is_refused_before_it_fills_the_memory(tmp_path, monkeypatch, name):
    monkeypatch.setattr(formats, "BOMB_BYTES", 2 << 20)
    monkeypatch.setattr(formats, "WHOLE", 4 << 20)
    (tmp_path / name).write_bytes(bomb(name))
    tracemalloc.start()
    with pytest.raises(UserError, match="unpacks to more than 300 times its .*unpack it yourself"):
        list(records(tmp_path / name))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40e6  # some times what is allowed, and not all that is in there


def test_a_bomb_of_equal_rows_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(formats, "BOMB_BYTES", 2 << 20)
    table = arrow.table({"text": arrow.array(["a" * 100_000] * 100).dictionary_encode()})
    parquet.write_table(table, tmp_path / "a.parquet", compression="zstd")
    assert (tmp_path / "a.parquet").stat().st_size < 20_000
    with pytest.raises(UserError, match="unpacks to more than 300 times"):
        list(records(tmp_path / "a.parquet"))


def test_a_file_without_line_ends_is_no_file_of_json_lines(tmp_path, monkeypatch):
    monkeypatch.setattr(formats, "LONGEST_LINE", 1000)
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": "a" * 1000}), "utf-8")
    with pytest.raises(UserError, match="Line 1 of .*longer than.*one record on each line"):
        list(records(tmp_path / "a.jsonl"))


def test_a_cut_off_zstd_file_is_one_line(tmp_path):
    packed = arrow.compress(io.BytesIO(json.dumps({"text": "a" * 100}).encode()).read(), codec="zstd")
    (tmp_path / "a.jsonl.zst").write_bytes(packed.to_pybytes()[:-5])
    with pytest.raises(UserError, match="could not be read.*Download or copy it again"):
        list(records(tmp_path / "a.jsonl.zst"))


def test_bytes_in_a_column_of_texts_are_a_record_that_is_no_text(tmp_path):
    raw = arrow.array([b"fine", b"\xff\xfe", b"well"], arrow.binary())
    texts = arrow.Array.from_buffers(arrow.string(), 3, raw.buffers())  # as a careless program writes them
    parquet.write_table(arrow.table({"text": texts}), tmp_path / "a.parquet")
    found = list(records(tmp_path / "a.parquet"))
    assert [record.text for record in found] == ["fine", None, "well"]
    assert found[1].problem == "row 2: it is not UTF-8"


def test_two_columns_of_one_name_are_one_line(tmp_path):
    table = arrow.Table.from_arrays([arrow.array(["a"]), arrow.array(["b"])], names=["text", "text"])
    parquet.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(UserError, match='two columns of the name "text"'):
        list(records(tmp_path / "a.parquet"))


@pytest.mark.parametrize("name", ["gone.txt", "gone.jsonl", "gone.parquet"])
def test_a_file_that_vanished_meanwhile_is_one_line(tmp_path, name):
    with pytest.raises(UserError, match="could not be read.*No such file"):
        list(records(tmp_path / name))
