"""How fast a model trains, and in how much memory, beside transformers' GPT2LMHeadModel in a plain loop.

    python benchmarks/training.py --quick    against it as it ships, in float32; 3 minutes of 2 idle cores
    python benchmarks/training.py            also against it tuned: bf16, compiled, the fast float32 products

The shape of `gpt-16m`: 4 layers, 8 heads, width 256, 50,304 tokens; 4 rows of 512 tokens a step; AdamW and
clipping on both sides. Each side is a process of its own, so that its memory is its own; they work in turn.
Exit code 0 if the targets are met: with a C++ compiler 2.5 times their float32 speed in bf16, 1.8 times in
float32, and at most 0.6 of their memory.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from _compare import compare, verdict

ROWS, LENGTH, VOCABULARY = 4, 512, 50_304
TOKENS = ROWS * LENGTH
WANTED = {"bf16": 2.5, "float32": 1.8, "less memory, bf16": 1 / 0.6, "less memory, float32": 1 / 0.6}


def main() -> int:
    """Measure; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="only the pairs that the targets are about")
    parser.add_argument("--rounds", type=int, default=9, help="how often each side takes a turn")
    parser.add_argument("--side", help=argparse.SUPPRESS)  # what a process started by this one is
    options = parser.parse_args()
    if options.side:
        return serve(options.side)
    if sys.platform != "win32":
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # as the command groundup does, for both sides
    print_limits()
    ratios: dict[str, float] = {}
    with Side("theirs float32") as theirs:
        for precision in ("float32", "bf16"):
            for how in ("compiled", "eager"):
                with Side(f"ours {precision} {how}") as ours:
                    name = precision + (", no compiler" if how == "eager" else "")
                    ratios[name] = pair(f"{name} : their float32", ours, theirs, options.rounds)
                if how == "compiled":
                    ratios[f"less memory, {precision}"] = theirs.peak / ours.peak
                    print(f"  peak memory: ours {ours.peak:,.0f} MiB, theirs {theirs.peak:,.0f} MiB")
    if not options.quick:
        for precision in ("float32", "bf16"):
            with (
                Side(f"theirs {precision} compiled") as theirs,
                Side(f"ours {precision} compiled") as ours,
            ):
                pair(f"{precision} : theirs tuned the same way", ours, theirs, options.rounds)
                print(f"  peak memory: ours {ours.peak:,.0f} MiB, theirs {theirs.peak:,.0f} MiB")
    return verdict(ratios, WANTED)


class Side:
    """A process that trains when it is told to. `peak`: the most memory it has held, in MiB."""

    def __init__(self, name: str):
        words = [sys.executable, "-W", "ignore", __file__, "--side", name]
        self.process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.peak = 0.0
        print(f"{name}: ready after {self.step():.0f} s", flush=True)

    def step(self) -> float:
        """Let it make one step; returns the seconds that it took."""
        start = time.perf_counter()
        assert self.process.stdin is not None and self.process.stdout is not None
        print("step", file=self.process.stdin, flush=True)
        self.peak = float(self.process.stdout.readline())
        return time.perf_counter() - start

    def __enter__(self) -> "Side":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate("")  # the end of its input ends it


def pair(name: str, ours: Side, theirs: Side, rounds: int) -> float:
    """The ratio of the speeds of two sides."""
    return compare(name, ours.step, theirs.step, rounds=rounds, amount=TOKENS, unit="tokens", warm=2)


def serve(name: str) -> int:
    """Be one side: make a step for each line that is read, and answer with the peak of memory."""
    whose, precision, *rest = name.split()
    ids = torch.randint(VOCABULARY, (ROWS, LENGTH + 1), generator=torch.Generator().manual_seed(0))
    make = our_step if whose == "ours" else their_step
    step = make(ids[:, :-1].contiguous(), ids[:, 1:].contiguous(), precision, "compiled" in rest)
    for _ in sys.stdin:
        step()
        print(peak_mib(), flush=True)
    return 0


def peak_mib() -> float:
    """The most memory this process has held, in MiB."""
    from groundup.system.device import peak_memory_mb

    return (peak_memory_mb() or 0.0) * 1e6 / 2**20


def our_step(ids: torch.Tensor, targets: torch.Tensor, precision: str, compiled: bool) -> Callable[[], None]:
    """One step of groundup's loop, with all that a run does for speed."""
    from groundup.methods.next_token import NextToken
    from groundup.model.config import ModelConfig
    from groundup.model.decoder import Decoder
    from groundup.training.compiling import compile_training
    from groundup.training.loop import Batch, State, train
    from groundup.training.precision import use_fast_float32
    from groundup.training.settings import TrainSettings

    use_fast_float32(torch.device("cpu"))
    config = ModelConfig(vocab_size=VOCABULARY, context_length=1024, d_model=256, n_layers=4, n_heads=8)
    method = NextToken(Decoder(config))
    settings = TrainSettings(
        steps=10**9,
        tokens_per_step=TOKENS,
        sequence_length=LENGTH,
        micro_batch=ROWS,
        precision="bf16" if precision == "bf16" else "float32",
    )
    batch: Batch = {"ids": ids, "targets": targets}
    if compiled and (failed := compile_training(method, batch, precision)):
        raise SystemExit(f"Compiling failed: {failed}")
    state = State.fresh(method, settings)

    class Same:
        def at(self, step: int) -> list[Batch]:
            return [batch]

    def stop(state: State) -> None:
        state.stop = True

    def step() -> None:
        state.stop = False
        train(method, Same(), settings, state=state, observers=[stop])

    return step


def their_step(ids: torch.Tensor, targets: torch.Tensor, precision: str, tuned: bool) -> Callable[[], None]:
    """One step of the usual PyTorch loop around transformers' model; tuned: compiled, fast products."""
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(vocab_size=VOCABULARY, n_positions=1024, n_embd=256, n_layer=4, n_head=8)
    config.resid_pdrop = config.embd_pdrop = config.attn_pdrop = 0.0
    model = GPT2LMHeadModel(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=6e-4, weight_decay=0.1, fused=True)
    if tuned:
        torch.set_float32_matmul_precision("medium")

    def loss() -> torch.Tensor:
        logits = model(ids).logits
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())

    run = torch.compile(loss) if tuned else loss

    def step() -> None:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
            value = run()
        value.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        value.item()

    return step


def print_limits() -> None:
    """What this machine's matrix products reach now: no ratio of training can be far above theirs."""
    import torch.utils.benchmark as benchmark

    speeds = {}
    for name, dtype, mode in (
        ("float32", torch.float32, "highest"),
        ("fast float32", torch.float32, "medium"),
        ("bf16", torch.bfloat16, "medium"),
    ):
        torch.set_float32_matmul_precision(mode)
        a, b = torch.randn(512, 256).to(dtype), torch.randn(256, VOCABULARY).to(dtype)
        timer = benchmark.Timer("a @ b", globals={"a": a, "b": b}, num_threads=torch.get_num_threads())
        speeds[name] = 2 * a.numel() * VOCABULARY / timer.blocked_autorange(min_run_time=0.5).median / 1e9
    told = ", ".join(f"{name} {speed:,.0f}" for name, speed in speeds.items())
    print(f"This machine now, products of the head in GFLOP/s on {torch.get_num_threads()} threads: {told}")


if __name__ == "__main__":
    sys.exit(main())
