import json
import shutil

import numpy as np
import pytest
from tests.written import write_shard

from groundup.data.shards import open_shards
from groundup.errors import UserError
from groundup.text.bpe import train_bpe
from groundup.text.tokenizer import Tokenizer

DOCUMENTS = ["The mill and the miller.", "Été: 面包师 🍞", "x", "The wind <|endoftext|> at the mill.\n" * 9]
TOKENIZER = train_bpe(DOCUMENTS, 300)


@pytest.fixture
def shard(tmp_path):
    return write_shard(tmp_path / "train", DOCUMENTS, TOKENIZER, floor=lambda text: len(text) / 4)


def test_each_document_is_its_border_and_its_ids(shard):
    assert shard.manifest["n_documents"] == len(DOCUMENTS)
    for index, text in enumerate(DOCUMENTS):
        ids = shard.document(index)
        assert ids[0] == TOKENIZER.border_id
        assert ids[1:].tolist() == TOKENIZER.encode(text)
        assert TOKENIZER.decode(ids[1:]) == text
    assert np.concatenate([shard.document(i) for i in range(4)]).tolist() == shard.tokens.tolist()
    assert (shard.tokens == TOKENIZER.border_id).sum() == len(DOCUMENTS)


def test_bytes_and_floor_are_kept_for_each_document(shard):
    assert shard.document_bytes.tolist() == [len(text.encode()) for text in DOCUMENTS]
    assert shard.floor_bits.tolist() == [len(text) / 4 for text in DOCUMENTS]
    assert shard.manifest["n_bytes"] == sum(len(text.encode()) for text in DOCUMENTS)
    assert shard.manifest["n_tokens"] == len(shard.tokens) == shard.starts[-1]


def test_without_a_known_floor_there_is_none(tmp_path):
    assert write_shard(tmp_path / "a", DOCUMENTS, TOKENIZER).floor_bits is None


def test_opening_again_gives_the_same_and_nothing_can_be_written(shard):
    again = open_shards(shard.folder, check=True)
    assert again.fingerprint == shard.fingerprint
    assert again.tokens.tolist() == shard.tokens.tolist()
    with pytest.raises(ValueError, match="read-only"):
        again.tokens[0] = 1


@pytest.mark.parametrize("vocab_size, name", [(2**16, "uint16"), (2**16 + 1, "uint32")])
def test_tokens_take_two_bytes_up_to_65536_ids_and_four_above(tmp_path, vocab_size, name):
    class Wide(Tokenizer):
        def encode(self, text, *, allowed_special=frozenset()):
            return [vocab_size - 1]

    wide = Wide(TOKENIZER.library)
    wide.vocab_size = vocab_size
    shard = write_shard(tmp_path / "a", ["text"], wide)
    assert shard.tokens.dtype == np.dtype(name)
    assert shard.tokens.tolist() == [0, vocab_size - 1]


def test_writing_stops_before_the_document_that_would_be_too_much(tmp_path):
    whole = write_shard(tmp_path / "a", DOCUMENTS, TOKENIZER)
    two = int(whole.starts[2])
    assert write_shard(tmp_path / "b", DOCUMENTS, TOKENIZER, max_tokens=two).manifest["n_documents"] == 2
    assert write_shard(tmp_path / "c", DOCUMENTS, TOKENIZER, max_tokens=two - 1).manifest["n_documents"] == 1
    assert write_shard(tmp_path / "d", DOCUMENTS, TOKENIZER, max_tokens=1).manifest["n_documents"] == 1


def test_the_fingerprint_changes_with_texts_tokenizer_and_floor(shard, tmp_path):
    others = [
        write_shard(tmp_path / "a", DOCUMENTS[:3], TOKENIZER, floor=lambda text: len(text) / 4),
        write_shard(tmp_path / "b", DOCUMENTS, Tokenizer.from_bytes(), floor=lambda text: len(text) / 4),
        write_shard(tmp_path / "c", DOCUMENTS, TOKENIZER, floor=lambda text: len(text) / 5),
    ]
    assert len({shard.fingerprint, *(other.fingerprint for other in others)}) == 4


@pytest.mark.parametrize("name", ["tokens.bin", "starts.bin", "document_bytes.bin", "floor_bits.bin"])
def test_a_damaged_file_is_named(shard, name):
    file = shard.folder / name
    content = file.read_bytes()
    file.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    with pytest.raises(UserError, match=f"{name} is corrupt"):
        open_shards(shard.folder, check=True)
    file.write_bytes(content[:-1])
    with pytest.raises(UserError, match=rf"{name} has {len(content) - 1:,} bytes, expected {len(content):,}"):
        open_shards(shard.folder)
    file.unlink()
    with pytest.raises(UserError, match=f"{name} is missing"):
        open_shards(shard.folder)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"format": "other"}, "its format is 'other'"),
        ({"dtype": "nonsense"}, "does not describe"),
        ({"n_tokens": None}, "does not describe"),
        ({"files": 3}, "does not describe"),
    ],
)
def test_a_foreign_manifest_is_one_line(shard, change, message):
    file = shard.folder / "manifest.json"
    file.write_text(json.dumps({**json.loads(file.read_text("utf-8")), **change}), "utf-8")
    with pytest.raises(UserError, match=message) as error:
        open_shards(shard.folder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", ["", "[]", "{}", "{"])
def test_a_manifest_that_is_none_is_one_line(shard, content):
    (shard.folder / "manifest.json").write_text(content, "utf-8")
    with pytest.raises(UserError, match="does not describe"):
        open_shards(shard.folder)


def test_a_folder_that_is_no_shard_is_one_line(shard, tmp_path):
    with pytest.raises(UserError, match="no prepared tokens in .*nowhere"):
        open_shards(tmp_path / "nowhere")
    shutil.rmtree(shard.folder)
    shard.folder.write_text("a file", "utf-8")
    with pytest.raises(UserError):
        open_shards(shard.folder)


def test_a_manifest_that_names_a_file_that_is_not_there_is_one_line(shard):
    path = shard.folder / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["files"]["more.bin"] = "0" * 64
    path.write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(UserError, match="more.bin is missing"):
        open_shards(shard.folder, check=True)
