"""How fast a model writes, beside transformers' `generate` on the same weights.

    python benchmarks/generation.py --quick    4 layers of width 256, about half a minute of 2 idle cores
    python benchmarks/generation.py            the shape of GPT-2's smallest model, a few minutes

Random weights in the shape of GPT-2 with 50,304 tokens, in float32. Both sides write in turn in this one
process, so that a busy machine slows both; ours also turns the tokens into text. Exit code 0 if in each case
the median of the ratios of speed is at least 1.
"""

import argparse
import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import torch
import transformers
from transformers import AutoModelForCausalLM

from groundup.generation.engine import generate, prompt_ids
from groundup.model.config import ModelConfig
from groundup.model.decoder import Decoder
from groundup.system.device import pick_device
from groundup.text.alphabet import ALPHABET
from groundup.text.tokenizer import SPECIAL_TOKENS, Tokenizer
from groundup.weights.folder import Loaded, save

VOCABULARY = 50_304
QUICK: dict[str, Any] = {"n_layers": 4, "n_heads": 8, "d_model": 256, "context_length": 1024}
GPT2: dict[str, Any] = {"n_layers": 12, "n_heads": 12, "d_model": 768, "context_length": 1024}
CASES: dict[str, tuple[int, dict[str, Any], dict[str, Any]]] = {
    # What it is: how many prompts; how we are asked, and how transformers is.
    "1 prompt, greedy": (1, {"temperature": 0.0}, {"do_sample": False}),
    "1 prompt, top-k": (
        1,
        {"temperature": 0.8, "top_k": 50},
        {"do_sample": True, "temperature": 0.8, "top_k": 50},
    ),
    "8 prompts, top-k": (
        8,
        {"temperature": 0.8, "top_k": 50},
        {"do_sample": True, "temperature": 0.8, "top_k": 50},
    ),
    "8 prompts, top-p and penalty": (
        8,
        {"temperature": 0.8, "top_k": 0, "top_p": 0.9, "repetition_penalty": 1.2},
        {"do_sample": True, "temperature": 0.8, "top_k": 0, "top_p": 0.9, "repetition_penalty": 1.2},
    ),
}


def main() -> int:
    """Measure all cases; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a small model and fewer tokens")
    parser.add_argument("--device", help="cpu, cuda or mps; by default the best there is")
    given = parser.parse_args()
    device, new, rounds = pick_device(given.device), 24 if given.quick else 128, 5
    loaded = make_model(QUICK if given.quick else GPT2, device)
    with tempfile.TemporaryDirectory() as folder:
        theirs = AutoModelForCausalLM.from_pretrained(save(folder + "/model", loaded)).to(device).eval()
    print(
        f"{loaded.model.n_parameters() / 1e6:.0f} million parameters, {new} new tokens, {device}, "
        f"{torch.get_num_threads()} threads, transformers {transformers.__version__}"
    )
    ratios = [
        compare(
            name,
            ours_of(loaded, count, new, ours),
            theirs_of(loaded, theirs, count, new, how),
            rounds,
            count * new,
        )
        for name, (count, ours, how) in CASES.items()
    ]
    met = min(ratios) >= 1
    print(f"{'met' if met else 'NOT MET'}: at least {min(ratios):.2f} times as fast as transformers (1.00)")
    return 0 if met else 1


def make_model(shape: dict[str, Any], device: torch.device) -> Loaded:
    """A model that never says the border, so that both sides write the same number of tokens."""
    pairs = itertools.islice(itertools.product(ALPHABET, ALPHABET), VOCABULARY - 256 - len(SPECIAL_TOKENS))
    tokenizer = Tokenizer.from_merges(pairs)
    config = ModelConfig(vocab_size=VOCABULARY, **shape)
    model = Decoder(config).initialise(torch.Generator().manual_seed(1)).eval()
    with torch.no_grad():
        model.tokens.weight[tokenizer.border_id] = 0  # its logit is 0, far below the largest
    return Loaded(model.to(device), tokenizer, config)


def prompts(count: int) -> list[str]:
    """Texts of different lengths, about 30 tokens for one and 4 to 60 for eight."""
    text = "In a small house near the old mill lived a man who sold bells, ropes and lamps to all."
    return [text[:60]] if count == 1 else [text[: 8 + 16 * number % 97] for number in range(count)]


def ours_of(loaded: Loaded, count: int, new: int, how: dict[str, Any]) -> Callable[[], int]:
    """A function that writes once and returns the number of tokens."""
    asked = prompts(count)
    return lambda: sum(len(piece.ids) for piece in generate(loaded, asked, max_tokens=new, **how))


def theirs_of(loaded: Loaded, model: Any, count: int, new: int, how: dict[str, Any]) -> Callable[[], int]:
    """The same with transformers: shorter prompts are padded on the left, as it wants it."""
    read = [prompt_ids(loaded, prompt) for prompt in prompts(count)]
    longest = max(map(len, read))
    pad = loaded.tokenizer.pad_id or 0
    ids = torch.tensor([[pad] * (longest - len(row)) + row for row in read], device=loaded.device)
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in read], device=loaded.device)
    model.generation_config = transformers.GenerationConfig()  # nothing but what is asked for below

    def write() -> int:
        made = model.generate(
            ids, attention_mask=mask, max_new_tokens=new, eos_token_id=None, pad_token_id=pad, **how
        )
        return made[:, longest:].numel()

    return write


def compare(name: str, ours: Callable[[], int], theirs: Callable[[], int], rounds: int, tokens: int) -> float:
    """Run both in turn, each first in every other round; prints the speeds, gives ours over theirs."""
    seconds: dict[bool, list[float]] = {True: [], False: []}
    for number in range(rounds + 1):
        for mine in (True, False) if number % 2 else (False, True):
            start = time.perf_counter()
            made = (ours if mine else theirs)()
            seconds[mine].append(time.perf_counter() - start)
            assert made == tokens, f"{made} tokens instead of {tokens}"
    del seconds[True][0], seconds[False][0]  # the first round warms both
    ours_speed, theirs_speed = (tokens / statistics.median(seconds[mine]) for mine in (True, False))
    # Of the two runs of a round, which lie beside each other in time: what came between hits both.
    ratio = statistics.median(b / a for a, b in zip(seconds[True], seconds[False], strict=True))
    print(
        f"{name:28s} {rounds} rounds: ours {ours_speed:6.0f} tokens/s, transformers {theirs_speed:6.0f}, "
        f"ratio {ratio:.2f}",
        flush=True,
    )
    return ratio


if __name__ == "__main__":
    sys.exit(main())
