"""How fast the tokenizer is: encoding beside tiktoken, training beside Hugging Face's trainer.

    python benchmarks/tokenizer.py --quick              1 MB of the village, under half a minute
    python benchmarks/tokenizer.py --text my_books.txt  20 MB (or all there is) of one's own text

Both sides run in turn in this one process, so that a busy machine slows both. Encoding is measured in time of
the processor, which other programs hardly lengthen: it is all on one thread. Training goes by the clock, as
the other trainer uses several. Exit code 0 if the medians meet the targets: encoding within 10 % of tiktoken,
training in at most 2.5 times the trainer's time.
"""

import argparse
import inspect
import itertools
import re
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import tiktoken
import tokenizers
from tiktoken_ext import openai_public
from tokenizers import Regex, models, pre_tokenizers, trainers

from groundup import village
from groundup.data.corpus import read_documents
from groundup.text.alphabet import ALPHABET
from groundup.text.bpe import train_bpe
from groundup.text.patterns import PATTERNS, split_pattern
from groundup.text.tokenizer import SPECIAL_TOKENS, Tokenizer

ENCODING, TRAINING = 1.10, 2.5
"""Our time over theirs, at most."""


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
    training = compare(
        "training",
        lambda: train_bpe(documents, vocab_size, pattern=given.pattern),
        lambda: train_with_hugging_face(documents, vocab_size, given.pattern),
        5 if given.quick else 3,
        n_bytes,
        time.perf_counter,
    )
    tokenizer = train_bpe(documents, vocab_size, pattern=given.pattern)
    theirs = encoding_of_openai(tokenizer, given.pattern)
    whole, rounds = "".join(documents), 21 if given.quick else 7
    tokenizer.encode(whole)  # prepares tiktoken
    assert tokenizer.encode(whole) == theirs.encode_ordinary(whole)
    one_text = compare(
        "one text",
        lambda: tokenizer.encode(whole),
        lambda: theirs.encode_ordinary(whole),
        rounds,
        n_bytes,
        time.thread_time,
    )
    batch = compare(
        "documents",
        lambda: tokenizer.encode_batch(documents),
        lambda: [theirs.encode_ordinary(document) for document in documents],
        rounds,
        n_bytes,
        time.thread_time,
    )
    met = training <= TRAINING and max(one_text, batch) <= ENCODING
    print(
        f"{'met' if met else 'NOT MET'}: training {training:.2f} times (at most {TRAINING}), "
        f"encoding {max(one_text, batch):.2f} times (at most {ENCODING})"
    )
    return 0 if met else 1


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


def compare(
    name: str,
    ours: Callable[[], object],
    theirs: Callable[[], object],
    rounds: int,
    n_bytes: int,
    clock: Callable[[], float],
) -> float:
    """Run both in turn, each first in every other round; prints the medians, gives our time over theirs."""
    seconds: dict[bool, list[float]] = {True: [], False: []}
    for number in range(rounds):
        for mine in (True, False) if number % 2 else (False, True):
            start = clock()
            (ours if mine else theirs)()
            seconds[mine].append(clock() - start)
    ours_median, theirs_median = statistics.median(seconds[True]), statistics.median(seconds[False])
    # Of the two runs of a round, which lie beside each other in time: what came between hits both.
    ratio = statistics.median(a / b for a, b in zip(seconds[True], seconds[False], strict=True))
    print(
        f"{name:10s} {rounds:2} rounds: ours {ours_median:7.3f} s ({n_bytes / 1e6 / ours_median:5.1f} MB/s), "
        f"theirs {theirs_median:7.3f} s ({n_bytes / 1e6 / theirs_median:5.1f} MB/s), ratio {ratio:.2f}",
        flush=True,
    )
    return ratio


if __name__ == "__main__":
    sys.exit(main())
