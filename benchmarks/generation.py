"""How fast a model writes, beside transformers' `generate` on the same weights.

    python benchmarks/generation.py --quick    4 layers of width 256, about half a minute of 2 idle cores
    python benchmarks/generation.py            the shape of GPT-2's smallest model, a few minutes

Random weights in the shape of GPT-2 with 50,304 tokens, in float32. Both sides write in turn in this one
process, so that a busy machine slows both; ours also turns the tokens into text. Exit code 0 if in each case
the median of the ratios of speed is at least 1.
"""

import argparse
import itertools
import sys
import tempfile
from collections.abc import Callable
from typing import Any

import torch
import transformers
from _compare import compare, verdict
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
    device, new = pick_device(given.device), 24 if given.quick else 128
    loaded = make_model(QUICK if given.quick else GPT2, device)
    with tempfile.TemporaryDirectory() as folder:
        theirs: Any = AutoModelForCausalLM.from_pretrained(save(folder + "/model", loaded))
        theirs = theirs.to(device).eval()
    print(
        f"{loaded.model.n_parameters() / 1e6:.0f} million parameters, {new} new tokens, {device}, "
        f"{torch.get_num_threads()} threads, transformers {transformers.__version__}"
    )
    ratios = {
        name: compare(
            name,
            ours_of(loaded, count, new, ours),
            theirs_of(loaded, theirs, count, new, how),
            rounds=5,
            amount=count * new,
            unit="tokens",
            warm=1,
        )
        for name, (count, ours, how) in CASES.items()
    }
    return verdict(ratios, dict.fromkeys(ratios, 1.0))


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


def ours_of(loaded: Loaded, count: int, new: int, how: dict[str, Any]) -> Callable[[], None]:
    """A function that writes once."""
    asked = prompts(count)

    def write() -> None:
        made = sum(len(piece.ids) for piece in generate(loaded, asked, max_tokens=new, **how))
        assert made == count * new, f"{made} tokens instead of {count * new}"

    return write


def theirs_of(loaded: Loaded, model: Any, count: int, new: int, how: dict[str, Any]) -> Callable[[], None]:
    """The same with transformers: shorter prompts are padded on the left, as it wants it."""
    read = [prompt_ids(loaded, prompt) for prompt in prompts(count)]
    longest = max(map(len, read))
    pad = loaded.tokenizer.pad_id or 0
    ids = torch.tensor([[pad] * (longest - len(row)) + row for row in read], device=loaded.device)
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in read], device=loaded.device)
    model.generation_config = transformers.GenerationConfig()  # nothing but what is asked for below

    def write() -> None:
        made = model.generate(
            ids, attention_mask=mask, max_new_tokens=new, eos_token_id=None, pad_token_id=pad, **how
        )
        assert made[:, longest:].numel() == count * new

    return write


if __name__ == "__main__":
    sys.exit(main())
