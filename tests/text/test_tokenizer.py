import itertools
import json
from typing import Any

import numpy as np
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import models

from groundup.errors import UserError
from groundup.text import tokenizer as module
from groundup.text.alphabet import ALPHABET
from groundup.text.bpe import train_bpe
from groundup.text.tokenizer import BORDER, SPECIAL_TOKENS, StreamDecoder, Tokenizer
from tests.text.kinds import KINDS

TEXT = (
    "The miller's daughter hasn't slept. \"Was it the wind?\" she asked, and the wind said: 1, 22, 333!\n\n"
    "Später kam der Bäcker, dann 面包师, et puis un naïf 🍞. The wind, the mill, the wind.  \t end \n"
)
OWN = train_bpe([TEXT * 3], 340)
BYTES = Tokenizer.from_bytes()


FALLBACK = KINDS["llama 2"].make()


def test_ids_are_the_special_tokens_then_the_bytes_then_the_merges():
    assert [OWN.token_to_id(token) for token in SPECIAL_TOKENS] == [0, 1, 2, 3, 4]
    assert (OWN.border_id, OWN.pad_id) == (0, 1)
    assert [OWN.token_to_id("!"), OWN.token_to_id("Ġ")] == [5, 5 + 188 + 32]
    assert min(id for token, id in OWN.library.get_vocab().items() if len(token) > 1 and id > 4) == 261
    assert OWN.vocab_size == 340
    assert BYTES.vocab_size == 261


@settings(max_examples=300, deadline=None)
@given(st.text())
def test_any_text_comes_back(text):
    for tokenizer in (OWN, BYTES):
        assert tokenizer.decode(tokenizer.encode(text)) == text


@given(st.binary())
def test_any_bytes_come_back(data):
    ids = OWN.library.get_vocab()
    of_byte = {OWN.decode_bytes([ids[character]]): ids[character] for character in ALPHABET}
    assert OWN.decode_bytes(of_byte[bytes([byte])] for byte in data) == data


@pytest.fixture(params=[0, 10**9], ids=["tiktoken", "tokenizers"])
def own(request, monkeypatch) -> Tokenizer:
    """Our tokenizer, made to take the fast path or the slow one."""
    monkeypatch.setattr(module, "WORTH_PREPARING", request.param)
    return OWN


def test_half_a_surrogate_pair_becomes_a_replacement_character(own):
    text = "wind \ud83c mill"
    assert own.decode(own.encode(text)) == "wind \ufffd mill"
    assert own.encode_batch([text]) == [own.encode(text)]


def test_every_character_of_unicode_comes_back(own):
    text = "".join(chr(c) for c in itertools.chain(range(0xD800), range(0xE000, 0x110000, 7)))
    assert own.decode(own.encode(text)) == text


@pytest.mark.parametrize("token", SPECIAL_TOKENS)
def test_text_never_becomes_a_special_token_unless_allowed_by_name(own, token):
    text, id = f"wind{token}mill {token}", own.special_tokens[token]
    for ids in (own.encode(text), own.encode_batch([text])[0]):
        assert id not in ids
        assert own.decode(ids) == text
    allowed = own.encode(text, allowed_special={token})
    assert allowed == [*own.encode("wind"), id, *own.encode("mill "), id]
    others = set(SPECIAL_TOKENS) - {token}
    assert own.encode(text, allowed_special=others) == own.encode(text)


def test_only_special_tokens_can_be_allowed():
    with pytest.raises(UserError, match="'wind' is no special token.*<|endoftext|>"):
        OWN.encode("wind", allowed_special={"wind"})


def test_several_texts_have_the_ids_of_each(own):
    texts = [TEXT, "", "wind", BORDER]
    assert own.encode_batch(texts) == [own.encode(text) for text in texts]
    assert own.encode_batch([]) == []


@given(st.lists(st.integers(-(2**70), 2**70)))
def test_decoding_any_numbers_does_not_crash(ids):
    for tokenizer in (OWN, FALLBACK):
        assert isinstance(tokenizer.decode(ids), str)
        assert len(tokenizer.pieces(ids)) == len(ids)


def test_ids_without_a_token_are_skipped():
    assert OWN.decode([*OWN.encode("wind"), 340, 50_303, -1, *OWN.encode(" mill")]) == "wind mill"


def test_ids_of_numpy_are_decoded():
    assert OWN.decode(np.array(OWN.encode(TEXT), dtype=np.uint16)) == TEXT


def test_pieces_show_what_each_id_stands_for():
    assert BYTES.pieces(BYTES.encode("aé")) == ["a", "\\xc3", "\\xa9"]
    assert "".join(OWN.pieces(OWN.encode("the wind"))) == "the wind"
    assert FALLBACK.pieces([*FALLBACK.encode(" wind")[-1:], -1, 10**6]) == ["▁wind", "", ""]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, OWN.vocab_size + 3), max_size=30))
def test_streaming_gives_the_text_of_all_ids_together(ids):
    decoder = StreamDecoder(OWN)
    assert "".join([*map(decoder.push, ids), decoder.finish()]) == OWN.decode(ids)


@pytest.mark.parametrize("tokenizer", [OWN, BYTES, FALLBACK], ids=["own", "bytes", "byte fallback"])
def test_streaming_never_shows_half_a_character(tokenizer):
    text = "wind 🍞é面 wind"
    decoder = StreamDecoder(tokenizer)
    shown = [decoder.push(id) for id in tokenizer.encode(text)]
    assert not any("\ufffd" in piece for piece in shown)
    assert "".join(shown) == text
    assert decoder.finish() == ""


@pytest.mark.parametrize("tokenizer", [BYTES, FALLBACK], ids=["bytes", "byte fallback"])
def test_a_character_that_stays_incomplete_shows_at_the_end(tokenizer):
    decoder = StreamDecoder(tokenizer)
    ids = tokenizer.encode("🍞")[:-1]
    assert "".join(map(decoder.push, ids)) == ""
    assert set(decoder.finish()) == {"\ufffd"}


def test_a_saved_folder_reads_back_as_the_same_tokenizer(tmp_path):
    OWN.save(tmp_path)
    again = Tokenizer.from_folder(tmp_path)
    assert again.encode(TEXT) == OWN.encode(TEXT)
    assert (again.fingerprint, again.pad_id, again.border_id) == (OWN.fingerprint, OWN.pad_id, OWN.border_id)
    assert Tokenizer.from_file(tmp_path / "tokenizer.json").fingerprint == OWN.fingerprint


def test_saving_keeps_what_a_foreign_config_held(tmp_path):
    source, target = tmp_path / "a", tmp_path / "b"
    OWN.save(source)
    config = json.loads((source / "tokenizer_config.json").read_text("utf-8"))
    (source / "tokenizer_config.json").write_text(json.dumps({**config, "chat_template": "T"}), "utf-8")
    Tokenizer.from_folder(source).save(target)
    assert json.loads((target / "tokenizer_config.json").read_text("utf-8"))["chat_template"] == "T"


def test_the_fingerprint_asks_the_meaning_and_not_the_layout(tmp_path):
    OWN.save(tmp_path)
    file = tmp_path / "tokenizer.json"
    meaning = json.loads(file.read_text("utf-8"))
    meaning["model"]["merges"] = [" ".join(merge) for merge in meaning["model"]["merges"]]
    file.write_text(json.dumps(meaning), "utf-8")
    assert Tokenizer.from_file(file).fingerprint == OWN.fingerprint
    meaning["model"]["merges"].pop()
    file.write_text(json.dumps(meaning), "utf-8")
    assert Tokenizer.from_file(file).fingerprint != OWN.fingerprint


def test_a_truncation_in_tokenizer_json_is_not_applied(tmp_path):
    library = tokenizers.Tokenizer.from_str(OWN.library.to_str())
    library.enable_truncation(3)
    library.enable_padding(length=64)
    library.save(str(tmp_path / "tokenizer.json"))
    assert Tokenizer.from_folder(tmp_path).encode(TEXT) == OWN.encode(TEXT)


def test_the_old_pair_of_files_is_read(tmp_path):
    description = json.loads(OWN.library.to_str())["model"]
    (tmp_path / "vocab.json").write_text(json.dumps(description["vocab"]), "utf-8")
    lines = ["#version: 0.2", *(" ".join(merge) for merge in description["merges"]), ""]
    (tmp_path / "merges.txt").write_text("\n".join(lines), "utf-8")
    found = Tokenizer.from_folder(tmp_path)
    assert found.encode(TEXT) == OWN.encode(TEXT)
    assert found.border_id == 0


def test_other_kinds_name_their_own_padding():
    assert (FALLBACK.pad_id, KINDS["bert"].make().pad_id) == (None, 0)


def damaged(**parts: Any) -> str:
    """A tokenizer.json with something replaced in it; "model__x" replaces x of the model."""
    description = json.loads(BYTES.library.to_str())
    for name, value in parts.items():
        where, _, key = name.rpartition("__")
        (description[where] if where else description)[key] = value
    return json.dumps(description)


NO_PROPER = "no proper tokenizer.json.*Delete it, or get it again"
REMEDY = "save_pretrained.FOLDER. writes tokenizer.json"


@pytest.mark.parametrize(
    "files, message",
    [
        ({}, "no tokenizer in"),
        ({"tokenizer.model": "x"}, "has tokenizer.model .the form of SentencePiece.*" + REMEDY),
        ({"spiece.model": "x"}, "has spiece.model .the form of SentencePiece.*" + REMEDY),
        ({"vocab.txt": "[UNK]\nwind"}, "vocab.txt is no vocabulary of a BERT: it lacks .CLS"),
        ({"vocab.json": "{}"}, "expected tokenizer.json, vocab.json with merges.txt, or vocab.txt"),
        ({"tokenizer.json": ""}, NO_PROPER),
        ({"tokenizer.json": "{"}, NO_PROPER),
        ({"tokenizer.json": "null"}, NO_PROPER),
        ({"tokenizer.json": "\0" * 40}, NO_PROPER),
        ({"tokenizer.json": BYTES.library.to_str()[:2000]}, NO_PROPER),
        ({"tokenizer.json": "version https://git-lfs.github.com/spec/v1\nsize 3\n"}, NO_PROPER),
        ({"tokenizer.json": damaged(model={})}, NO_PROPER),
        ({"tokenizer.json": damaged(model__merges=[["zz", "y"]])}, "Token `zz` out of vocabulary"),
        ({"tokenizer.json": damaged(pre_tokenizer={"type": "Magic"})}, NO_PROPER),
        ({"tokenizer.json": damaged(model__vocab={}, added_tokens=[])}, "it has no tokens. Delete it"),
        ({"tokenizer.json": damaged(model__vocab={"a": 4_000_000_000})}, "highest id is 4,000,000,000"),
        (
            {"tokenizer.json": "{}", "tokenizer_config.json": "[]"},
            "holds no JSON object. Delete it, or get it again",
        ),
        ({"tokenizer.json": "{}", "special_tokens_map.json": "nonsense"}, "Could not read .*special_tokens"),
        ({"vocab.json": '{"a": 0}', "merges.txt": "a b c"}, "Line 1 of .*expected two tokens"),
        ({"vocab.json": '{"a": 0}', "merges.txt": "a b"}, "do not belong together"),
        ({"vocab.json": '{"a": "x"}', "merges.txt": ""}, "do not belong together"),
        ({"vocab.json": "nonsense", "merges.txt": "a b"}, "Could not read .*Delete it, or get it again"),
    ],
)
def test_a_folder_that_is_no_tokenizer_is_one_line(tmp_path, files, message):
    for name, content in files.items():
        (tmp_path / name).write_text(content, "utf-8")
    with pytest.raises(UserError, match=message) as error:
        Tokenizer.from_folder(tmp_path)
    assert "\n" not in str(error.value)


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(UserError, match="There is no file"):
        Tokenizer.from_file(tmp_path / "tokenizer.json")
    with pytest.raises(UserError, match="Could not read"):
        Tokenizer.from_gpt2_files(tmp_path / "vocab.bpe", tmp_path / "encoder.json")


@pytest.mark.parametrize("name", [5, ["a"], {"content": 7}, {}, None, "no such token"])
def test_a_border_that_is_no_token_is_one_line(name):
    library = tokenizers.Tokenizer(models.BPE(vocab={"a": 0}, merges=[]))
    with pytest.raises(UserError, match="Name one as bos_token"):
        _ = Tokenizer(library, {"bos_token": name}).border_id


def test_older_folders_name_their_special_tokens_in_a_file_of_its_own(tmp_path):
    KINDS["llama 2"].make().save(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text('{"eos_token": "</s>", "bos_token": null}', "utf-8")
    names = {"bos_token": {"content": "<s>"}, "eos_token": "<unk>", "pad_token": "</s>"}
    (tmp_path / "special_tokens_map.json").write_text(json.dumps(names), "utf-8")
    found = Tokenizer.from_folder(tmp_path)
    assert (found.border_id, found.pad_id, found.config["eos_token"]) == (1, 2, "</s>")


def test_a_text_that_a_vocabulary_cannot_express_is_one_line():
    tokenizer = Tokenizer(tokenizers.Tokenizer(models.WordLevel(vocab={"wind": 0}, unk_token="[UNK]")))
    for call in (tokenizer.encode, tokenizer.ends, lambda text: tokenizer.encode_batch([text])):
        with pytest.raises(UserError, match="cannot express the text.*unknown token or bytes"):
            call("mill")
