import json

import pytest
import tiktoken
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.text.alphabet import ALPHABET
from groundup.text.bpe import train_bpe
from groundup.text.fast import LONG_RUN, fast_encoder, has_long_run, same_ids
from groundup.text.patterns import GPT2_PATTERN, GPT4_PATTERN
from groundup.text.tokenizer import Tokenizer, byte_level_bpe

TEXT = "The wind's at the mill, the miller isn't. aaaa aaaaa 1234 été  \n\n 面包师 🍞 ...--- \t end\n" * 3
OWN = train_bpe([TEXT], 500)
ENCODER = fast_encoder(OWN.library)


def fast(text: str) -> list[int]:
    assert ENCODER is not None
    return ENCODER.encode_ordinary(text)


def slow(text: str) -> list[int]:
    return OWN.library.encode(text, add_special_tokens=False).ids


def changed(**parts) -> tokenizers.Tokenizer:
    """Our tokenizer with parts of its tokenizer.json replaced; "model.x" replaces x of the model."""
    description = json.loads(OWN.library.to_str())
    for name, value in parts.items():
        where, _, key = name.rpartition("__")
        (description[where] if where else description)[key] = value
    return tokenizers.Tokenizer.from_str(json.dumps(description))


def split_then_bytes(pattern: str, behavior: str = "Isolated", invert: bool = False) -> dict[str, object]:
    """A pre_tokenizer as GPT-4's, with something else in it."""
    split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": behavior, "invert": invert}
    last = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    return {"type": "Sequence", "pretokenizers": [split, last]}


def test_both_patterns_of_openai_have_a_fast_path_in_whatever_form_they_are_written():
    for pattern in (GPT2_PATTERN, GPT4_PATTERN):
        library = changed(pre_tokenizer=split_then_bytes(pattern))
        encoder = fast_encoder(library)
        assert encoder is not None
        assert encoder.encode_ordinary(TEXT) == library.encode(TEXT, add_special_tokens=False).ids


@settings(max_examples=300, deadline=None)
@given(
    st.text(
        alphabet=st.one_of(st.sampled_from("aehilmnrtwTé1' \n\t.-"), st.characters(exclude_categories=["Cs"]))
    )
)
def test_the_fast_path_gives_the_ids_of_tokenizer_json(text):
    assert fast(text) == slow(text)


def test_both_libraries_cut_at_the_same_characters():
    # They are built with Unicode tables of their own; a difference in what is a letter would change ids.
    characters = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000][::41]
    text = "".join(f"a{c}1{c}-{c} " for c in characters)
    assert fast(text) == slow(text)


def test_long_texts_take_the_fast_path_and_short_ones_need_not_prepare_it():
    tokenizer = Tokenizer(tokenizers.Tokenizer.from_str(OWN.library.to_str()))
    tokenizer.encode(TEXT)
    assert "_fast" not in vars(tokenizer)
    many = TEXT * 1000
    assert tokenizer.encode(many) == slow(many)
    assert isinstance(vars(tokenizer)["_fast"], tiktoken.Encoding)


@pytest.mark.parametrize(
    "parts",
    [
        {"normalizer": {"type": "NFC"}},
        {"pre_tokenizer": None},
        {
            "pre_tokenizer": {
                "type": "ByteLevel",
                "add_prefix_space": True,
                "trim_offsets": True,
                "use_regex": True,
            }
        },
        {
            "pre_tokenizer": {
                "type": "ByteLevel",
                "add_prefix_space": False,
                "trim_offsets": True,
                "use_regex": False,
            }
        },
        {"pre_tokenizer": split_then_bytes(r"\p{L}+|\s+")},
        {"pre_tokenizer": split_then_bytes(GPT4_PATTERN, behavior="Removed")},
        {"pre_tokenizer": split_then_bytes(GPT4_PATTERN, invert=True)},
        {"model__dropout": 0.1},
        {"model__ignore_merges": True},
    ],
    ids=str,
)
def test_a_tokenizer_that_does_anything_else_has_no_fast_path(parts):
    assert fast_encoder(changed(**parts)) is None


def test_a_token_that_is_no_special_one_is_found_before_splitting_so_there_is_no_fast_path():
    library = tokenizers.Tokenizer.from_str(OWN.library.to_str())
    library.add_tokens(["the mill"])
    assert fast_encoder(library) is None


def ids_of(merges):
    return {token: id for id, token in enumerate([*ALPHABET, *dict.fromkeys(a + b for a, b in merges)])}


@pytest.mark.parametrize(
    "merges, text",
    [
        # "abc" is listed as a + bc, but ab comes first, so the list never makes abc; tiktoken would.
        ([("a", "b"), ("b", "c"), ("a", "bc")], "abc"),
        # The same token from two pairs, of which only one can ever meet.
        ([("a", "b"), ("ab", "c"), ("b", "c"), ("a", "bc")], "abc"),
    ],
)
def test_merges_that_tiktoken_would_read_otherwise_are_noticed(merges, text):
    ids = ids_of(merges)
    assert not same_ids(ids, merges)
    assert fast_encoder(byte_level_bpe(ids, merges, [])) is None


def test_ids_that_are_not_in_the_order_of_the_merges_are_noticed():
    merges = [("a", "b"), ("b", "c")]
    ids = ids_of(merges)
    assert same_ids(ids, merges)
    ids["ab"], ids["bc"] = ids["bc"], ids["ab"]
    library = byte_level_bpe(ids, merges, [])
    assert not same_ids(ids, merges)
    # And the difference is real: by the list, "abc" is ab c; by the lowest id it would be a bc.
    assert library.encode("abc").tokens == ["ab", "c"]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_whenever_the_two_are_held_for_equal_they_are(data):
    """Any list of merges, also ones that no training gives: where `same_ids` agrees, so do the libraries."""
    tokens, merges = list("abc"), []
    for _ in range(data.draw(st.integers(1, 8))):
        pair = data.draw(st.sampled_from(tokens)), data.draw(st.sampled_from(tokens))
        if pair[0] + pair[1] not in tokens:
            tokens.append(pair[0] + pair[1])
            merges.append(pair)
    ids = ids_of(merges)
    if same_ids(ids, merges):
        library = byte_level_bpe(ids, merges, [])
        encoder = fast_encoder(library)
        text = data.draw(st.text(alphabet="abc", max_size=25))
        assert encoder is not None
        assert encoder.encode_ordinary(text) == library.encode(text, add_special_tokens=False).ids


def test_gpt2s_own_files_give_the_ids_of_tiktoken(shared_data):
    folder = shared_data / "gpt2_bpe"
    gpt2 = Tokenizer.from_gpt2_files(folder / "vocab.bpe", folder / "encoder.json")
    assert gpt2.encode("Hello, I am") == [15496, 11, 314, 716]
    assert (gpt2.vocab_size, gpt2.border_id, gpt2.pad_id) == (50257, 50256, None)
    assert gpt2.encode("<|endoftext|>", allowed_special={"<|endoftext|>"}) == [50256]
    text = (shared_data / "text" / "the-verdict.txt").read_text(encoding="utf-8")
    encoder = fast_encoder(gpt2.library)
    assert encoder is not None
    assert encoder.encode_ordinary(text) == gpt2.encode(text)


@pytest.mark.parametrize("unit", ["x", " ", "ab1-", "包师水", "\n"])
def test_a_text_of_one_endless_word_takes_no_minutes_and_has_the_librarys_ids(unit):
    tokenizer = train_bpe(["the lamp is by the well, x xx xxx abab1-ab1-  \n\n 包师水包师" * 30], 400)
    text = "The lamp " * 20_000 + unit * (60_000 // len(unit)) + " by the well."
    assert has_long_run(text)
    assert tokenizer.encode(text) == tokenizer.library.encode(text, add_special_tokens=False).ids
    assert tokenizer.encode_batch([text]) == [tokenizer.encode(text)]


def test_only_long_runs_are_told_apart():
    words = "The lamp is by the well.\n" * 4000
    assert not has_long_run(words)
    assert not has_long_run("x" * (LONG_RUN - 1))
    for start in range(0, LONG_RUN, 613):
        assert has_long_run(words[:start] + "x" * (2 * LONG_RUN) + words)
