"""GPT-2's and GPT-4's rules for pieces, against tiktoken's own strings and Hugging Face's library."""

import inspect
import itertools
import json
import re

import pytest
import tiktoken
import tokenizers
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tiktoken_ext import openai_public
from tokenizers import Regex, models, pre_tokenizers, trainers

from groundup.errors import UserError
from groundup.text.alphabet import to_alphabet
from groundup.text.bpe import ReadableBPE, blocks, count_pieces, learn_merges, train_bpe
from groundup.text.fast import fast_encoder
from groundup.text.patterns import GPT4, PATTERNS, split_pattern
from groundup.text.tokenizer import SPECIAL_TOKENS, Tokenizer

# What decides between the rules: letters, both cases, digits, signs, every sort of space, and characters that
# lose their case oddly (the long s, the Kelvin sign).
TRICKY = "aStl1é'  \n\r\t.-ſK\u3000\u00a0面²\u0301"
TEXT = "We'LL see: 12345 ducks\r\n\r\n  (or THEY'VE gone)...\n\n\tdef f(x):\n    return x\n  \n" * 3


def openais_pattern(name: str) -> str:
    """The pattern in the source of tiktoken; the ranks beside it would need a download."""
    if name == "gpt2":
        return openai_public.r50k_pat_str
    found = re.search(r'"pat_str": r"""(.*?)""",', inspect.getsource(openai_public.cl100k_base))
    assert found
    return found[1]


def pieces_of_tiktoken(pattern: str, text: str) -> list[str]:
    """Every part of the text is a token of its own here, so tiktoken gives exactly one for each piece."""
    parts = {text[i:j].encode() for i, j in itertools.combinations(range(len(text) + 1), 2)}
    single = [bytes([byte]) for byte in range(256)]
    ranks = {part: rank for rank, part in enumerate([*single, *sorted(parts - set(single), key=len)])}
    encoding = tiktoken.Encoding("pieces", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
    found = [encoding.decode_single_token_bytes(id) for id in encoding.encode_ordinary(text)]
    return [piece.decode() for piece in found]


@pytest.mark.parametrize("name", PATTERNS)
@settings(max_examples=100, deadline=None)
@given(text=st.text(alphabet=TRICKY, max_size=12))
@example(text="x1234 12345")
@example(text="I'LL 'Ll'll")
def test_the_pieces_are_those_of_openais_own_pattern(name, text):
    pattern = split_pattern(name)
    pieces = pieces_of_tiktoken(openais_pattern(name), text)
    assert pattern.piece.findall(text) == pieces
    assert pieces_of_tiktoken(pattern.fast, text) == pieces
    split = pre_tokenizers.Split(Regex(pattern.piece.pattern), "isolated")
    assert [piece for piece, _ in split.pre_tokenize_str(text)] == pieces


def test_gpt4s_pieces_of_a_text_cut_by_hand():
    text = "I'LL pay 12345 (or\tso)!\n\n  ok \n "
    cut = ["I", "'LL", " pay", " ", "123", "45", " (", "or", "\tso", ")!\n\n", " ", " ok", " \n "]
    assert GPT4.piece.findall(text) == cut


@pytest.mark.parametrize("name", PATTERNS)
@settings(max_examples=300, deadline=None)
@given(text=st.text(alphabet=TRICKY, max_size=40), size=st.integers(1, 8))
def test_blocks_have_exactly_the_pieces_of_the_whole_text(name, text, size):
    piece, parts = split_pattern(name).piece, list(blocks(text, size, pattern=name))
    assert "".join(parts) == text
    assert [found for part in parts for found in piece.findall(part)] == piece.findall(text)


@pytest.mark.parametrize("name", PATTERNS)
@pytest.mark.parametrize(
    "text", ["word word " * 9, "word\nword\r\n" * 9, "面。\n面。\n" * 9, "a!\n(b)\n" * 9]
)
def test_every_usual_text_can_be_cut_so_that_a_long_one_needs_little_memory(name, text):
    assert len(list(blocks(text, 10, pattern=name))) >= 4


@pytest.mark.parametrize("name", PATTERNS)
def test_all_three_libraries_take_the_same_characters_for_letters_digits_and_spaces(name):
    # Each is built with Unicode tables of its own; `regex` has the newest, so it is asked about old scripts.
    tokenizer = train_bpe(["x"], 300, pattern=name)
    fast, split = fast_encoder(tokenizer.library), tokenizer.library.pre_tokenizer
    assert fast and split
    everything = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000][::41]
    text = "".join(f"a{c}1{c}-{c} " for c in everything)
    assert fast.encode_ordinary(text) == tokenizer.library.encode(text, add_special_tokens=False).ids
    old = [chr(c) for c in [*range(0x530), *range(0x2000, 0x2070), *range(0x3000, 0x3100), 0x1F35E]]
    text = "".join(f"a{c}1{c}-{c} " for c in old)
    pieces = [to_alphabet(piece) for piece in split_pattern(name).piece.findall(text)]
    assert pieces == [piece for piece, _ in split.pre_tokenize_str(text)]


def merges_of_hugging_face(text: str, vocab_size: int) -> list[tuple[str, str]]:
    library = tokenizers.Tokenizer(models.BPE())
    library.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(GPT4.piece.pattern), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    library.train_from_iterator([text], trainer)
    return [tuple(merge) for merge in json.loads(library.to_str())["model"]["merges"]]


def test_hugging_faces_trainer_learns_the_same_merges_with_gpt4s_pattern(shared_data):
    text = (shared_data / "text" / "tinyshakespeare.txt").read_text(encoding="utf-8")[:200_000] + TEXT
    merges = learn_merges(count_pieces([text], pattern="gpt4"), 600)
    assert merges == merges_of_hugging_face(text, 600 + len(SPECIAL_TOKENS) + 256)
    assert merges != learn_merges(count_pieces([text]), 600)


@settings(max_examples=100, deadline=None)
@given(text=st.text(alphabet=TRICKY, max_size=60))
def test_with_gpt4s_pattern_the_readable_the_fast_and_the_saved_one_agree(text):
    ids = TOKENIZER.encode(text)
    assert READABLE.encode(text) == ids
    assert FAST is not None
    assert FAST.encode_ordinary(text) == ids
    assert OPENAIS.encode_ordinary(text) == ids
    assert READABLE.decode(ids) == TOKENIZER.decode(ids) == text


MERGES = learn_merges(count_pieces([TEXT], pattern="gpt4"), 150)
TOKENIZER, READABLE = Tokenizer.from_merges(MERGES, pattern="gpt4"), ReadableBPE(MERGES, pattern="gpt4")
FAST = fast_encoder(TOKENIZER.library)
OPENAIS = tiktoken.Encoding(
    "gpt4",
    pat_str=openais_pattern("gpt4"),
    mergeable_ranks={TOKENIZER.decode_bytes([id]): id for id in range(5, TOKENIZER.vocab_size)},
    special_tokens={},
)


def test_the_saved_folder_tells_which_pattern_it_has(tmp_path):
    TOKENIZER.save(tmp_path)
    again = Tokenizer.from_folder(tmp_path)
    assert again.encode(TEXT) == TOKENIZER.encode(TEXT)
    assert again.fingerprint != Tokenizer.from_merges(MERGES).fingerprint
    encoder = fast_encoder(again.library)
    assert encoder is not None
    assert encoder.encode_ordinary(TEXT) == again.encode(TEXT)


def test_an_unknown_pattern_is_one_line():
    for call in (
        lambda: train_bpe(["a"], 300, pattern="gtp4"),
        lambda: count_pieces(["a"], pattern="gtp4"),
        lambda: Tokenizer.from_merges([], pattern="gtp4"),
        lambda: ReadableBPE([], pattern="gtp4"),
    ):
        with pytest.raises(
            UserError, match="no split pattern 'gtp4'. Did you mean 'gpt4'.*Known: gpt2, gpt4"
        ):
            call()
