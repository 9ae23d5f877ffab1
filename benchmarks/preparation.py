"""How much faster several processes turn a corpus into tokens than one does.

    python benchmarks/preparation.py --quick              20 MB of the village, under a minute
    python benchmarks/preparation.py --text my_texts/     200 MB (or all there is) of one's own text

The same corpus is prepared in turn by one process that does everything, and with an encoding process for each
core beside it, so that a busy machine slows both. Exit code 0 if the speed grows by at least 80 % of the
number of cores.
"""

import argparse
import itertools
import json
import os
import sys
import tempfile
from pathlib import Path

from _compare import compare, verdict

from groundup import village
from groundup.data.building import build
from groundup.data.corpus import corpus_pieces, read_documents
from groundup.data.split import split_pieces
from groundup.text.bpe import train_bpe
from groundup.text.tokenizer import Tokenizer

WANTED = 0.8


def main() -> int:
    """Measure both; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--text", type=Path, help="a file or folder of texts; without it, the village")
    parser.add_argument("--quick", action="store_true", help="20 MB instead of 200 MB")
    parser.add_argument("--tokenizer", type=Path, help="a folder; without it, 4,096 tokens are learned")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        corpus = write_corpus(folder / "corpus.jsonl", given.text, 20_000_000 if given.quick else 200_000_000)
        if given.tokenizer:
            tokenizer = Tokenizer.from_folder(given.tokenizer)
        else:
            tokenizer = train_bpe(itertools.islice(read_documents(corpus), 2000), 4096)
        tokens, processes = folder / "tokens", given.processes
        ratio = compare(
            f"{processes} encoding processes beside one process alone",
            lambda: prepare_in(tokens, corpus, tokenizer, processes),
            lambda: prepare_in(tokens, corpus, tokenizer, 0),
            rounds=3,
            amount=corpus.stat().st_size / 1e6,
            unit="MB",
        )
    return verdict({"preparation": ratio}, {"preparation": WANTED * processes})


def write_corpus(file: Path, source: Path | None, size: int) -> Path:
    """JSON lines of about `size` bytes, one's own documents over and over, or the village's."""
    if source is None:
        texts = list(village.documents(seed=1, start=0, count=20_000))
    else:
        texts = [t[i : i + 4000] for t in read_documents(source) for i in range(0, len(t), 4000)]
    with open(file, "w", encoding="utf-8") as lines:
        for number, text in enumerate(itertools.cycle(texts)):
            if file.stat().st_size >= size:
                break
            lines.write(json.dumps({"text": f"{number} {text}"}) + "\n")
    return file


def prepare_in(folder: Path, corpus: Path, tokenizer: Tokenizer, processes: int) -> None:
    """Prepare a corpus once, from its first document on to the finished files."""
    parts = split_pieces(corpus_pieces(corpus), by="hash")
    build(folder, parts, tokenizer, limits={"train": 0, "validation": 0}, processes=processes)


if __name__ == "__main__":
    sys.exit(main())
