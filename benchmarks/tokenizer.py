"""How fast the tokenizer is: encoding beside tiktoken, training beside Hugging Face's trainer.

    python benchmarks/tokenizer.py --quick              1 MB of the village, under half a minute
    python benchmarks/tokenizer.py --text my_books.txt  20 MB (or all there is) of one's own text

Both sides run in turn in this one process, so that a busy machine slows both. Encoding is measured in time of
the processor, which other programs hardly lengthen: it is all on one thread. Training goes by the clock, as
the other trainer uses several. Exit code 0 if the medians of the ratios meet the targets: encoding at least
0.91 times as fast as tiktoken, training at least 0.4 times as fast as the trainer.
"""

import argparse
import inspect
import itertools
import re
import sys
import time
from pathlib import Path

import tiktoken
import tokenizers
from _compare import compare, verdict
from tiktoken_ext import openai_public
from tokenizers import Regex, models, pre_tokenizers, trainers

from groundup import village
from groundup.data.corpus import read_documents
from groundup.text.alphabet import ALPHABET
from groundup.text.bpe import train_bpe
from groundup.text.patterns import PATTERNS, split_pattern
from groundup.text.tokenizer import SPECIAL_TOKENS, Tokenizer

WANTED = {"training": 1 / 2.5, "one text": 1 / 1.1, "documents": 1 / 1.1}
"""Our speed over theirs, at least."""


def main() -> int:
    """Measure all parts; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--text", type=Path, help="a file or folder of texts; without it, the village's documents"
    )
    parser.add_argument(
        "--quick", action="store_true", help="1 MB and 2,048 tokens instead of 20 MB and 8,192"
    )
    parser.add_argument("--pattern", choices=list(PATTERNS), default="gpt2")
    given = parser.parse_args()
    size, vocab_size = (1_000_000, 2048) if given.quick else (20_000_000, 8192)
    documents = take_documents(given.text, size)
    n_bytes = sum(len(document.encode()) for document in documents)
    print(f"{len(documents):,} documents, {n_bytes / 1e6:.1f} MB, {vocab_size:,} tokens, {given.pattern}")
    ratios = {
        "training": compare(
            "training",
            lambda: train_bpe(documents, vocab_size, pattern=given.pattern),
            lambda: train_with_hugging_face(documents, vocab_size, given.pattern),
            rounds=5 if given.quick else 3,
            amount=n_bytes / 1e6,
            unit="MB",
        )
    }
    tokenizer = train_bpe(documents, vocab_size, pattern=given.pattern)
    theirs = encoding_of_openai(tokenizer, given.pattern)
    whole = "".join(documents)
    assert tokenizer.encode(whole) == theirs.encode_ordinary(whole)
    sides = {
        "one text": (lambda: tokenizer.encode(whole), lambda: theirs.encode_ordinary(whole)),
        "documents": (
            lambda: tokenizer.encode_batch(documents),
            lambda: [theirs.encode_ordinary(document) for document in documents],
        ),
    }
    for name, both in sides.items():
        rounds, clock = 21 if given.quick else 7, time.thread_time
        ratios[name] = compare(name, *both, rounds=rounds, amount=n_bytes / 1e6, unit="MB", clock=clock)
    return verdict(ratios, WANTED)


def take_documents(where: Path | None, size: int) -> list[str]:
    """The first documents of a source, about `size` characters of them."""
    village_documents = (village.sample(1, index) for index in itertools.count())
    documents, taken = [], 0
    for document in village_documents if where is None else read_documents(where):
        documents.append(document[: size - taken])
        taken += len(documents[-1])
        if taken >= size:
            break
    return documents


def train_with_hugging_face(documents: list[str], vocab_size: int, pattern: str) -> None:
    """The same training by the library that most published tokenizers are made with."""
    library = tokenizers.Tokenizer(models.BPE())
    library.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(split_pattern(pattern).piece.pattern), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    if pattern == "gpt2":  # the library's own form of it, which is faster
        library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=list(ALPHABET),
        show_progress=False,
    )
    library.train_from_iterator(documents, trainer)


def encoding_of_openai(tokenizer: Tokenizer, pattern: str) -> tiktoken.Encoding:
    """tiktoken with our vocabulary and the split pattern that it ships itself."""
    shipped = openai_public.r50k_pat_str
    if pattern == "gpt4":
        found = re.search(r'"pat_str": r"""(.*?)""",', inspect.getsource(openai_public.cl100k_base))
        assert found, "tiktoken writes its pattern in another way now"
        shipped = found[1]
    first = len(SPECIAL_TOKENS)
    ranks = {tokenizer.decode_bytes([id]): id for id in range(first, tokenizer.vocab_size)}
    return tiktoken.Encoding("theirs", pat_str=shipped, mergeable_ranks=ranks, special_tokens={})


if __name__ == "__main__":
    sys.exit(main())
