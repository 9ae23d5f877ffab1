"""What a run will take, told before its first step: parameters, arithmetic, memory and time."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch

from groundup.model.config import ModelConfig
from groundup.model.counting import block_matrices, count_parameters, flops_per_token
from groundup.runs.recipe import Recipe, check_context, model_config
from groundup.runs.sizes import told_shape, vocabulary_to_expect
from groundup.system.device import pick_device
from groundup.system.progress import View
from groundup.training.loss import ROWS
from groundup.training.precision import LOW, pick_precision, use_fast_float32
from groundup.weights.folder import read_config

USUAL_SHARE = (0.2, 0.6)
"""Of the speed of plain matrix products, what training reaches: on a CPU 0.22 (width 128, bf16) to 0.55
(width 256 with a vocabulary of 50,304, float32)."""

PEAKS = (
    (("B200",), 2250e12),
    (("H200", "NVL"), 835e12),
    (("H200",), 989e12),
    (("H100", "PCIe"), 756e12),
    (("H100", "NVL"), 835e12),
    (("H100",), 989e12),
    (("A100",), 312e12),
    (("L40S",), 362e12),
    (("L4",), 121e12),
    (("A10",), 125e12),
    (("GeForce", "4090"), 165e12),
    (("GeForce", "3090"), 71e12),
)
"""bf16 operations a second of NVIDIA's GPUs, by words of the name: dense, half of those "with sparsity".

Sources: NVIDIA's data sheets of the B200, H200, H100, A100, L40S, L4 and A10; for the GeForce cards, appendix
A of the Ada and of the GA102 architecture papers (bf16 with float32 accumulation).
"""
OTHER_CARDS = {"Laptop", "D", "Max", "Ti", "MIG"}
"""Words that make it another, slower or faster card than the one in the table: it is measured."""

UNITS = ((86_400, "days"), (3600, "h"), (60, "min"), (1, "s"))
PROBE_SECONDS, LONG_ENOUGH, LARGEST_PROBE = 0.1, 0.004, 8192


@dataclass(frozen=True)
class Estimate:
    """Counts of a run, and the speed of its machine. Bytes, floating-point operations (FLOPs), seconds."""

    config: ModelConfig
    parameters: int
    inner_parameters: int  # without the embeddings
    flops_per_token: int  # forward and backward
    tokens: int  # of the whole run
    tokens_left: int
    kept_bytes: int  # weights, gradients and what the optimizer remembers
    passing_bytes: int  # about what one micro-batch needs besides
    precision: str
    peak: float  # operations a second of this machine's matrix products

    def mfu(self, tokens_per_second: float) -> float:
        """Which share of the machine's matrix speed a training at this speed makes use of (MFU).

        The operations that the model needs count, not those that are really made, so a trick that saves some
        does not lower it. Source: Chowdhery et al. 2022, PaLM, section 4.1: model FLOPs utilisation.
        """
        return tokens_per_second * self.flops_per_token / self.peak

    @property
    def seconds(self) -> tuple[float, float]:
        """About how long what is left will take: at the best, and at the worst of the usual."""
        low, high = USUAL_SHARE
        at_peak = self.tokens_left * self.flops_per_token / self.peak
        return at_peak / high, at_peak / low

    def lines(self) -> Iterator[str]:
        """All of it in words, to be shown at the start."""
        heads = f"{self.config.n_heads} head{'s' * (self.config.n_heads > 1)}"
        yield (
            f"Model: {told_shape(self.config)} with {heads}: {self.parameters:,} parameters, "
            f"{self.inner_parameters:,} without embeddings."
        )
        whole = prefixed(self.flops_per_token * self.tokens, "FLOP")
        yield (
            f"Work: {prefixed(self.flops_per_token, 'FLOP')} a token, forward and backward; {whole} for "
            f"{self.tokens:,} tokens."
        )
        yield (
            f"Memory: {prefixed(self.kept_bytes, 'B')} for weights, gradients and optimizer, and "
            f"about {prefixed(self.passing_bytes, 'B')} for what each micro-batch computes; on a CPU up to "
            f"twice that."
        )
        low, high = USUAL_SHARE
        yield (
            f"Time: {span(*self.seconds)}. Matrix products run at {prefixed(self.peak, 'FLOP')} a second "
            f"here in {self.precision}; training usually makes use of {low:.0%} to {high:.0%} of that, and "
            "the share is called MFU (model FLOPs utilisation)."
        ).replace("%", " %")


def tell_estimate(
    recipe: Recipe, config: ModelConfig, device: torch.device, view: View, done: int = 0
) -> Estimate:
    """Show what a run will take that has `done` steps behind it. Measures the machine for a moment."""
    train = recipe.train
    found = Estimate(
        config=config,
        parameters=count_parameters(config),
        inner_parameters=count_parameters(config, embeddings=False),
        flops_per_token=flops_per_token(config, train.sequence_length),
        tokens=train.steps * train.tokens_per_step,
        tokens_left=(train.steps - done) * train.tokens_per_step,
        kept_bytes=kept_bytes(config, train.optimizer),
        passing_bytes=passing_bytes(recipe, config),
        precision=train.precision,
        peak=known_peak(device, train.precision) or matrix_speed(device, train.precision),
    )
    for line in found.lines():
        view.say(line)
    return found


def only_estimate(recipe: Recipe, view: View, *, device: str | None = None) -> Estimate:
    """The job of `pretrain --estimate`: show what a recipe would take, without preparing anything."""
    where = pick_device(device)
    use_fast_float32(where)
    precision = pick_precision(recipe.train.precision, where)
    recipe = replace(recipe, train=replace(recipe.train, precision=precision))
    return tell_estimate(recipe, expected_config(recipe), where, view)


def expected_config(recipe: Recipe) -> ModelConfig:
    """The configuration of a recipe's model before anything is prepared. UserError where there can be none.

    A tokenizer that is still to be trained is taken to have as many tokens as the recipe asks for.
    """
    if "from" in recipe.model:
        config = read_config(recipe.model["from"])
        check_context(config, recipe.train.sequence_length)
        return config
    tokens = vocabulary_to_expect(recipe.tokenizer.source, recipe.tokenizer.vocab_size)
    return model_config(recipe, tokens)


def kept_bytes(config: ModelConfig, optimizer: str) -> int:
    """Bytes of weights, gradients and the optimizer's memory, all float32; its step counters are left out.

    AdamW remembers two numbers for each parameter, Muon one for each entry of a matrix of the blocks.
    """
    parameters = count_parameters(config)
    by_muon = block_matrices(config) if optimizer == "muon" else 0
    return 4 * (2 * parameters + 2 * (parameters - by_muon) + by_muon)


def passing_bytes(recipe: Recipe, config: ModelConfig) -> int:
    """About how many bytes one forward and backward needs besides: what they keep, and a chunk of logits.

    Peaks measured with an allocator that gives memory back were 0 to 28 % higher. glibc's keeps what it has
    cut up, and then it was up to 1.8 times as much.
    """
    width = 2 if recipe.train.precision in LOW else 4  # bytes of what a product reads
    tokens = min(recipe.train.micro_batch, recipe.train.samples_per_step) * recipe.train.sequence_length
    queries, keys = config.n_heads * config.head_width, config.kv_heads * config.head_width
    norm = (
        4 * config.d_model * (1 if config.norm == "layer" else 2)
    )  # its input; RMSNorm also the unit vector
    inside = (4 if config.mlp == "gated" else 2) * config.hidden_width
    layer = 2 * norm + width * (2 * config.d_model + 2 * queries + 2 * keys + inside)
    layer += 8 * (queries + keys) * config.qk_norm
    if config.dropout and tokens:  # then attention is computed without the fused kernel on a CPU
        layer += 4 * 4 * config.n_heads * recipe.train.sequence_length
    # One layer more for the gradients on their way back, and three vectors at the end.
    activations = tokens * ((config.n_layers + 1) * layer + 3 * 4 * config.d_model)
    head = config.vocab_size * config.d_model
    low_weights = 2 * (block_matrices(config) + head) if width == 2 else 0
    return activations + 12 * min(ROWS, tokens) * config.vocab_size + 8 * head + low_weights


def known_peak(device: torch.device, precision: str) -> float | None:
    """The published speed of a GPU in operations a second, or None: then it is measured."""
    if device.type != "cuda" or precision != "bf16":
        return None
    return peak_by_name(torch.cuda.get_device_name(device))


def peak_by_name(name: str) -> float | None:
    """The bf16 operations a second of a GPU of this name; None of one that is not in the table."""
    words = set(name.replace("-", " ").split()) | set(name.split())
    if words & OTHER_CARDS:
        return None
    return next((peak for wanted, peak in PEAKS if words.issuperset(wanted)), None)


def matrix_speed(
    device: torch.device, precision: str, *, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Operations a second of large matrix products on this machine, as the run computes them.

    The size grows until one product takes long enough to be timed. Then the best of a tenth of a second
    counts, because the others met another program.
    """
    dtype = LOW.get(precision, torch.float32)
    generator = torch.Generator(device).manual_seed(0)  # the run's own random numbers stay what they are

    def seconds(a: torch.Tensor, b: torch.Tensor) -> float:
        began = clock()
        float((a @ b)[0, 0])  # a number that is read has been computed, on each device
        return clock() - began

    size = 256
    while True:
        size *= 2
        a, b = torch.randn(2, size, size, generator=generator, device=device).to(dtype)
        seconds(a, b)  # the first one warms up
        best = min(seconds(a, b) for _ in range(5))
        if best >= LONG_ENOUGH or size >= LARGEST_PROBE:
            break
    began = clock()
    while clock() - began < PROBE_SECONDS:
        best = min(best, seconds(a, b))
    return 2 * size**3 / max(best, 1e-9)


def span(low: float, high: float) -> str:
    """Two lengths of time for people, in one unit and no more exact than they are: "about 8 to 15 min"."""
    if high < 1:
        return "less than a second"
    size, name = next((u for u in UNITS if high >= 1.5 * u[0]), UNITS[-1])
    return f"about {_two_digits(low / size)} to {_two_digits(high / size)} {name}"


def _two_digits(number: float) -> str:
    whole = float(f"{number:.2g}")
    return f"{whole:,.0f}" if whole >= 10 else f"{whole:g}"


def prefixed(number: float, unit: str) -> str:
    """A large number for people: 1.02e8 FLOP becomes "102 MFLOP"."""
    step = min(6, max(0, math.floor(math.log10(max(1.0, number)) / 3)))
    value = number / 1000**step
    digits = 0 if value >= 100 or step == 0 else 1
    return f"{value:,.{digits}f} {' kMGTPE'[step].strip()}{unit}"
