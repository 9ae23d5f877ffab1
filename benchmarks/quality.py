"""How soon a model of one's own is as good as the usual recipe makes one, everything counted.

    python benchmarks/quality.py TRAIN.jsonl.gz UNSEEN.jsonl.gz --gpt2 FOLDER              about half an hour
    python benchmarks/quality.py TRAIN.jsonl.gz UNSEEN.jsonl.gz --gpt2 FOLDER --quick      3 minutes for each

Theirs: transformers' GPT2LMHeadModel with 4 layers of width 256, GPT-2's vocabulary, float32, AdamW at
1e-3 with a cosine, 2,048 tokens a step (far better here than the usual 32,768). Ours: `groundup pretrain
TRAIN --minutes M`, as a user would call it, once with and once without a C++ compiler. Clocks start with the
process, caches are empty. Both are scored by the same code: bits per byte on 100 kB from the middle of each
unseen text. FOLDER holds vocab.bpe and encoder.json. Exit code 0 if ours is as good 15 times sooner with a
compiler and 5 times sooner without (with --quick 5 and 3, because starting weighs more).
"""

import argparse
import gzip
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import torch
from _compare import verdict

LENGTH, ROWS, VOCABULARY = 512, 4, 50_304
PIECE = 100_000


def main() -> int:
    """Measure; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("train", type=Path, help="the texts to learn from, JSON lines")
    parser.add_argument("unseen", type=Path, help="other texts, JSON lines")
    parser.add_argument("--gpt2", type=Path, required=True, help="a folder with vocab.bpe and encoder.json")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--quick", action="store_true", help="3 minutes for each side")
    parser.add_argument("--side", type=Path, help=argparse.SUPPRESS)  # where theirs is to be written
    options = parser.parse_args()
    if options.quick:
        options.minutes = 3.0
    if options.side:
        train_theirs(options)
        return 0
    pieces = [middle(text) for text in texts_of(options.unseen)]
    with tempfile.TemporaryDirectory() as folder:
        seconds = 60 * options.minutes
        place = Path(folder)
        words = [sys.executable, "-W", "ignore", __file__, *sys.argv[1:], "--side", str(place / "theirs")]
        subprocess.run(words, check=True)
        goal = bits_per_byte(place / "theirs", pieces)
        print(f"theirs: {goal:.3f} bits per byte after {seconds:.0f} s", flush=True)
        ratios: dict[str, float] = {}
        for name, environment in (("compiled", {}), ("no compiler", {"CXX": "none", "PATH": ""})):
            found = Ours(place / name.replace(" ", "_"), options, environment)
            stop_after = None if name == "compiled" else 0.4 * seconds
            found.run(stop_after)
            reached = found.reached(goal, pieces)
            last = list(found.seen)[-1]
            bits = f"{bits_per_byte(last, pieces):.3f} bits per byte after {found.seen[last]:.0f} s"
            print(f"ours, {name}: as good after {reached:.0f} s; {bits} ({last.name})", flush=True)
            ratios[name] = seconds / reached
    wanted = (
        {"compiled": 5.0, "no compiler": 3.0} if options.quick else {"compiled": 15.0, "no compiler": 5.0}
    )
    return verdict(ratios, wanted)


class Ours:
    """A run of `groundup pretrain`. `seen`: its checkpoints and when each was there, in seconds."""

    def __init__(self, place: Path, options: argparse.Namespace, environment: dict[str, str]):
        self.runs = place / "runs"
        self.words = [sys.executable, "-m", "groundup", "pretrain", str(options.train)]
        self.words += ["--minutes", str(options.minutes), "--runs", str(self.runs), "name=ours"]
        self.words += ["train.checkpoint={every=20, keep=100000}"]
        self.environment = {**os.environ, "XDG_CACHE_HOME": str(place / "cache"), **environment}
        self.seen: dict[Path, float] = {}

    def run(self, stop_after: float | None) -> None:
        """Let it run to its end, or stop it after so many seconds."""
        began = time.perf_counter()
        process = subprocess.Popen(self.words, env=self.environment)
        if stop_after is not None:
            timer = threading.Timer(stop_after, process.send_signal, [signal.SIGINT])
            timer.start()
        while process.poll() is None:
            for checkpoint in sorted((self.runs / "ours" / "checkpoints").glob("step-*")):
                self.seen.setdefault(checkpoint, time.perf_counter() - began)
            time.sleep(0.2)
        print(f"the whole run: {time.perf_counter() - began:.0f} s", flush=True)

    def reached(self, goal: float, pieces: list[str]) -> float:
        """When the first checkpoint was there that is as good as the goal, in seconds."""
        for checkpoint, seconds in self.seen.items():
            bits = bits_per_byte(checkpoint, pieces)
            print(f"  {seconds:6.1f} s {checkpoint.name}: {bits:.3f}", flush=True)
            if bits <= goal:
                return seconds
        return math.inf


def bits_per_byte(folder: Path, pieces: list[str]) -> float:
    """How well the model of a folder predicts the pieces, each from its beginning."""
    from groundup import evaluate, load

    return evaluate(load(folder), "perplexity", documents=pieces).value


def texts_of(path: Path) -> list[str]:
    """The texts of a gzipped file of JSON lines."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line)["text"] for line in file]


def middle(text: str) -> str:
    """100 kB from a third of the text on."""
    data = text.encode()
    start = len(data) // 3
    return data[start : start + PIECE].decode(errors="ignore")


def train_theirs(options: argparse.Namespace) -> None:
    """The usual recipe for so many minutes, from the start of this process on."""
    began = time.perf_counter()
    from transformers import GPT2Config, GPT2LMHeadModel

    from groundup.text.tokenizer import Tokenizer

    tokenizer = Tokenizer.from_gpt2_files(options.gpt2 / "vocab.bpe", options.gpt2 / "encoder.json")
    ids: list[int] = []
    for text in texts_of(options.train):
        ids += [tokenizer.border_id, *tokenizer.encode(text)]
    tokens = torch.from_numpy(np.array(ids, dtype=np.int64))
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=VOCABULARY, n_positions=LENGTH, n_embd=256, n_layer=4, n_head=8)
    config.resid_pdrop = config.embd_pdrop = config.attn_pdrop = 0.0
    model = GPT2LMHeadModel(config)
    decayed = [parameter for parameter in model.parameters() if parameter.ndim >= 2]
    others = [parameter for parameter in model.parameters() if parameter.ndim < 2]
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.95), fused=True)
    order = torch.randperm(len(tokens) // LENGTH - 1) * LENGTH
    step, whole, start = 0, 60 * options.minutes, time.perf_counter()
    while (now := time.perf_counter() - began) < whole:
        share = (time.perf_counter() - start) / (whole - (start - began))
        rate = share / 0.04 if share < 0.04 else 0.1 + 0.45 * (1 + math.cos(math.pi * (share - 0.04) / 0.96))
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * rate
        first = [int(order[(step * ROWS + row) % len(order)]) for row in range(ROWS)]
        batch = torch.stack([tokens[i : i + LENGTH + 1] for i in first])
        logits = model(batch[:, :-1]).logits
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        step += 1
    print(f"theirs: {step} steps, {step * ROWS * LENGTH:,} tokens in {now:.0f} s", flush=True)
    model.save_pretrained(options.side)
    tokenizer.save(options.side)


if __name__ == "__main__":
    sys.exit(main())
