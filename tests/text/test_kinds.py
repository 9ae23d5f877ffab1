"""Every kind of tokenizer.json, against transformers, which reads the same folder."""

import functools
import itertools
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.errors import UserError
from groundup.text.tokenizer import StreamDecoder, Tokenizer
from tests.text.kinds import KINDS, TEXT

transformers = pytest.importorskip("transformers")
TEXTS = [
    TEXT,
    "wind 🍞é面\nThe mill's 12345 é  e\u0301 x",
    " wind",
    "two  spaces ",
    "tab\tand\r\nline\n\n",
    "▁a ▁ ##er",
    "<0x0A><0xF0>",
    "[UNK] <unk>",
    "👩‍👩‍👧",
    "",
]
ANY_TEXT = st.text(
    alphabet=st.one_of(
        st.sampled_from("windTheml 's<>[]\n\t1▁🍞é面"), st.characters(exclude_categories=["Cs", "Cn"])
    )
)


@functools.cache
def ours(name: str) -> Tokenizer:
    return KINDS[name].make()


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What transformers makes of our saved folder, for each kind."""

    @functools.cache
    def read(name: str) -> Any:
        folder = tmp_path_factory.mktemp("kind")
        ours(name).save(folder)
        file = folder / "tokenizer_config.json"
        config = json.loads(file.read_text("utf-8"))
        file.write_text(json.dumps({**config, "tokenizer_class": KINDS[name].tokenizer_class}), "utf-8")
        return transformers.AutoTokenizer.from_pretrained(folder)

    return read


def names_special(name: str, text: str) -> bool:
    """Whether a special token's name is in the text; some kinds of transformers take it for the token."""
    return any(token in text for token in ours(name).special_tokens)


def pure(reader: Any, text: str) -> list[int]:
    """Ids by transformers, where text is text and nothing is added."""
    return reader.encode(text, add_special_tokens=False, split_special_tokens=True)


@pytest.mark.parametrize("name", KINDS)
def test_transformers_gives_the_same_ids_and_the_same_text(name, theirs):
    for text in TEXTS:
        ids = ours(name).encode(text)
        assert ids == pure(theirs(name), text) or names_special(name, text)
        assert ours(name).decode(ids) == theirs(name).decode(ids, clean_up_tokenization_spaces=False)


@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=60, deadline=None)
@given(text=ANY_TEXT)
def test_transformers_gives_the_same_ids_of_any_text(name, theirs, text):
    assert ours(name).encode(text) == pure(theirs(name), text) or names_special(name, text)


@pytest.mark.parametrize("name", KINDS)
def test_allowed_special_tokens_are_read_as_transformers_reads_them(name, theirs):
    special = KINDS[name].special
    for token in special:
        for text in (f"{token}wind {token} mill{token}", f"wind{token}", token, f"{token}{token}wind"):
            ids = ours(name).encode(text, allowed_special=special)
            assert ids == theirs(name).encode(text, add_special_tokens=False)


@pytest.mark.parametrize("name", KINDS)
def test_no_text_becomes_a_special_token(name):
    tokenizer, special = ours(name), KINDS[name].special
    of_special = {tokenizer.special_tokens[token] for token in special}
    for token in special:
        for text in (token, f"wind {token} mill", f"wind{token}mill", f" {token} ", f"{token}\n{token}"):
            for ids in (tokenizer.encode(text), *tokenizer.encode_batch([text])):
                assert not of_special & set(ids)
    # One is allowed, another is not: the other stays text.
    for one, other in itertools.permutations(special, 2):
        ids = tokenizer.encode(f"{one} wind {other}", allowed_special={one})
        assert of_special & set(ids) == {tokenizer.special_tokens[one]}


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.exact])
@settings(max_examples=100, deadline=None)
@given(text=ANY_TEXT)
def test_any_text_comes_back_where_the_kind_keeps_it(name, text):
    text = text.replace("▁", "_")  # this character stands for a space in the kinds of SentencePiece
    assert ours(name).decode(ours(name).encode(text)) == text


@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=60, deadline=None)
@given(text=ANY_TEXT)
def test_streaming_gives_the_whole_text_and_never_half_a_character(name, text):
    text = text.replace("\ufffd", "?")
    ids = ours(name).encode(text)
    decoder = StreamDecoder(ours(name))
    shown = [decoder.push(id) for id in ids]
    assert "".join([*shown, decoder.finish()]) == ours(name).decode(ids)
    assert not any("\ufffd" in piece for piece in shown)


@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_streaming_any_ids_shows_no_character_twice(name, data):
    """Bytes that are no text may show as one or several "�"; all else is the text of all ids together."""
    ids = data.draw(st.lists(st.integers(0, ours(name).vocab_size + 2), max_size=20))
    decoder = StreamDecoder(ours(name))
    shown = "".join([*map(decoder.push, ids), decoder.finish()])
    whole = ours(name).decode(ids)
    if "\ufffd" not in whole:
        assert shown == whole


def test_a_broken_byte_behind_a_character_that_was_shown_is_one_sign():
    # All bytes of one run are "�" to the library as soon as one is wrong; the bread was shown long before.
    tokenizer = ours("llama 2")
    ids = [*tokenizer.encode("🍞")[1:], tokenizer.token_to_id("<0xF0>"), *tokenizer.encode("wind")]
    decoder = StreamDecoder(tokenizer)
    shown = [decoder.push(id) for id in ids if id is not None]
    assert "".join(shown) == "🍞\ufffd wind"


@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=60, deadline=None)
@given(text=ANY_TEXT)
def test_ends_go_forward_through_the_text_one_for_each_id(name, text):
    ends = ours(name).ends(text)
    assert len(ends) == len(ours(name).encode(text))
    assert ends == sorted(ends)
    assert not ends or 0 <= ends[0] and ends[-1] <= len(text)


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.exact])
@settings(max_examples=60, deadline=None)
@given(text=ANY_TEXT)
def test_the_tokens_up_to_an_end_are_the_text_up_to_it(name, text):
    text = "x" + text.replace("▁", "_")  # a first space and the one that Llama puts before it are one
    ids, ends = ours(name).encode(text), ours(name).ends(text)
    for count, (end, after) in enumerate(zip(ends, [*ends[1:], -1], strict=True), 1):
        if end != after:  # else the token ends within a character
            assert ours(name).decode(ids[:count]) == text[:end]


def test_ends_of_a_word_piece_tokenizer_are_those_of_the_words_themselves():
    text = "The MILLER  hasn't"
    ends = ours("bert").ends(text)
    pieces = [piece.removeprefix("##") for piece in ours("bert").pieces(ours("bert").encode(text))]
    slices = [text[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    assert [part.strip().lower() for part in slices] == pieces


@pytest.mark.parametrize("name", KINDS)
def test_pieces_are_one_for_each_id_and_show_no_half_character(name):
    ids = ours(name).encode(TEXT)
    pieces = ours(name).pieces(ids)
    assert len(pieces) == len(ids)
    assert all(pieces)
    assert not any("\ufffd" in piece for piece in pieces)


@pytest.mark.parametrize("name", KINDS)
def test_bytes_are_those_of_the_decoded_text(name):
    for text in TEXTS:
        ids = ours(name).encode(text)
        assert ours(name).decode_bytes(ids) == ours(name).decode(ids).encode()


@pytest.mark.parametrize("name", KINDS)
def test_a_saved_folder_is_the_same_tokenizer(name, tmp_path):
    ours(name).save(tmp_path)
    again = Tokenizer.from_folder(tmp_path)
    assert (again.fingerprint, again.config) == (ours(name).fingerprint, ours(name).config)
    assert [again.encode(text) for text in TEXTS] == [ours(name).encode(text) for text in TEXTS]


@pytest.mark.parametrize("name", KINDS)
def test_the_border_is_the_one_that_the_folder_names(name):
    border = KINDS[name].border
    if border is None:
        with pytest.raises(UserError, match="bos_token"):
            _ = ours(name).border_id
    else:
        assert ours(name).border_id == ours(name).special_tokens[border]


def test_half_a_surrogate_is_no_reason_to_stop():
    for name in KINDS:
        assert ours(name).encode("a\ud800") == ours(name).encode("a\ufffd")
        assert len(ours(name).ends("a\ud800")) == len(ours(name).encode("a\ud800"))
