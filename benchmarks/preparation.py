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
import statistics
import sys
import tempfile
import time
from pathlib import Path

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
        seconds = {0: [], given.processes: []}
        for _ in range(3):
            for processes, times in seconds.items():
                times.append(prepared_in(folder / "tokens", corpus, tokenizer, processes))
        medians = {processes: statistics.median(times) for processes, times in seconds.items()}
        for processes, median in medians.items():
            speed = corpus.stat().st_size / 1e6 / median
            print(
                f"{processes} more processes: median {median:.2f} s, {speed:.1f} MB/s ({seconds[processes]})"
            )
        ratio = medians[0] / medians[given.processes]
        print(f"with {given.processes} encoding processes {ratio:.2f} times as fast as one process alone")
        return 0 if ratio >= WANTED * given.processes else 1


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


def prepared_in(folder: Path, corpus: Path, tokenizer: Tokenizer, processes: int) -> float:
    """Seconds that one preparation takes, from the first document on to the finished files."""
    parts = split_pieces(corpus_pieces(corpus), by="hash")
    start = time.perf_counter()
    build(folder, parts, tokenizer, limits={"train": 0, "validation": 0}, processes=processes)
    return time.perf_counter() - start


if __name__ == "__main__":
    sys.exit(main())
