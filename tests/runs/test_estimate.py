"""What a run is said to take: exact where it can be counted, and honest where it is a guess."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode

from groundup.errors import UserError
from groundup.methods.next_token import NextToken
from groundup.model.config import ModelConfig
from groundup.model.counting import count_parameters, flops_per_token
from groundup.model.decoder import Decoder
from groundup.runs.estimate import (
    LONG_ENOUGH,
    PROBE_SECONDS,
    Estimate,
    expected_config,
    kept_bytes,
    matrix_speed,
    only_estimate,
    passing_bytes,
    peak_by_name,
    prefixed,
    span,
)
from groundup.runs.folder import RunFolder
from groundup.runs.recipe import Recipe, make_recipe, model_config
from groundup.training.loop import State, train
from groundup.zoo import FAMILIES
from tests.runs.conftest import TINY, quiet_view, said, tiny_recipe

DECODERS = [family.name for family in FAMILIES.all() if family.model is Decoder]

CPU = torch.device("cpu")


class Same:
    """The same batch at every step."""

    def __init__(self, recipe: Recipe, vocab_size: int):
        self.ids = torch.arange(recipe.train.micro_batch * (recipe.train.sequence_length + 1)) % vocab_size
        self.ids = self.ids.view(recipe.train.micro_batch, -1)

    def at(self, step: int) -> list[dict[str, torch.Tensor]]:
        return [{"ids": self.ids[:, :-1], "targets": self.ids[:, 1:]}]


def in_family(family: str, *changes: str) -> tuple[Recipe, ModelConfig]:
    model = {**TINY["model"], "family": family, "dropout": 0.0}
    recipe = make_recipe({**TINY, "model": model, "train": {**TINY["train"], "steps": 1}})
    recipe = replace(recipe, train=replace(recipe.train, **dict(word.split("=") for word in changes)))
    return recipe, model_config(recipe, 261)


@pytest.mark.parametrize("family", DECODERS)
@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_the_kept_bytes_are_those_of_weights_gradients_and_optimizer(family: str, optimizer: str) -> None:
    recipe, config = in_family(family, f"optimizer={optimizer}")
    model = Decoder(config)
    state: State = train(NextToken(model), Same(recipe, 261), recipe.train)
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    memory = (t for name, t in state.optimizer.memory().items() if not name.endswith(".step"))
    assert kept_bytes(config, optimizer) == 2 * weights + sum(t.numel() * t.element_size() for t in memory)


@pytest.mark.parametrize("family", DECODERS)
@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_what_passes_is_nearly_what_autograd_keeps_and_a_chunk_of_logits(family: str, precision: str) -> None:
    recipe, config = in_family(family, f"precision={precision}")
    config = replace(config, n_layers=8)
    model, kept = Decoder(config), dict[int, int]()
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    held: list[torch.Tensor] = []

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        held.append(tensor)  # so that no address is used twice
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    ids = Same(recipe, 261).at(0)[0]["ids"]
    with (
        torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"),
        saved_tensors_hooks(pack, lambda t: t),
    ):
        model.hidden(ids)
    saved = sum(size for where, size in kept.items() if where not in weights)
    one_more, chunk = 9 / 8, 12 * ids.numel() * 261 + 8 * 261 * config.d_model
    assert passing_bytes(recipe, config) == pytest.approx(saved * one_more + chunk, rel=0.1)


def test_fp16_takes_the_memory_of_bf16_and_its_speed_is_measured_in_fp16(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (low, config), (lower, _) = in_family("gpt2", "precision=bf16"), in_family("gpt2", "precision=fp16")
    assert passing_bytes(low, config) == passing_bytes(lower, config)
    types = set[torch.dtype]()
    real = torch.Tensor.to

    def watched(tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        types.add(dtype)
        return real(tensor, dtype)

    monkeypatch.setattr(torch.Tensor, "to", watched)
    ticks = iter(range(10**6))
    matrix_speed(CPU, "fp16", clock=lambda: next(ticks) * 0.01)
    assert types == {torch.float16}


def some_estimate(**changes: Any) -> Estimate:
    config = ModelConfig(vocab_size=50_304, context_length=1024, d_model=256, n_layers=4, n_heads=8)
    figures = {
        "config": config,
        "parameters": 16_299_520,
        "inner_parameters": 3_159_552,
        "flops_per_token": 102_432_768,
        "tokens": 1_000_000,
        "tokens_left": 500_000,
        "kept_bytes": 260_792_320,
        "passing_bytes": 545_000_000,
        "precision": "bf16",
        "peak": 1e12,
    }
    return Estimate(**{**figures, **changes})


def test_an_estimate_is_told_in_four_lines() -> None:
    assert list(some_estimate().lines()) == [
        "Model: 4 layers of width 256 with 8 heads: 16,299,520 parameters, 3,159,552 without embeddings.",
        "Work: 102 MFLOP a token, forward and backward; 102 TFLOP for 1,000,000 tokens.",
        "Memory: 261 MB for weights, gradients and optimizer, and about 545 MB for what each micro-batch "
        "computes; on a CPU up to twice that.",
        "Time: about 1.4 to 4.3 min. Matrix products run at 1.0 TFLOP a second here in bf16; training "
        "usually makes use of 20 % to 60 % of that, and the share is called MFU (model FLOPs utilisation).",
    ]


def test_mfu_is_the_share_of_the_matrix_speed() -> None:
    assert some_estimate().mfu(3000) == pytest.approx(0.307298304)


def test_the_speed_of_matrices_is_operations_by_time_and_the_best_counts() -> None:
    ticks = iter(range(10**6))

    def clock() -> float:  # two calls around each product: 10 ms in between, but for one in four, of 5 ms
        tick = next(ticks)
        return tick * 0.01 - (0.005 if tick % 8 == 7 else 0.0)

    speed = matrix_speed(CPU, "float32", clock=clock)
    assert speed == pytest.approx(2 * 512**3 / 0.005, rel=1e-6)


def test_the_probe_takes_no_random_numbers_of_the_run_and_little_time() -> None:
    before = torch.get_rng_state()
    speed = matrix_speed(CPU, "float32")
    assert torch.equal(before, torch.get_rng_state())
    assert speed > 1e8
    assert PROBE_SECONDS + 10 * LONG_ENOUGH < 0.5


class Products(TorchDispatchMode):
    """Notes in which numbers matrices are multiplied."""

    def __init__(self) -> None:
        super().__init__()
        self.dtypes: set[torch.dtype] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten.mm.default:
            self.dtypes.add(args[0].dtype)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    "precision, dtype",
    [("float32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)],
)
def test_the_speed_of_matrices_is_measured_in_the_numbers_of_the_run(
    precision: str, dtype: torch.dtype
) -> None:
    ticks = iter(range(10**6))
    with Products() as products:
        matrix_speed(CPU, precision, clock=lambda: float(next(ticks)))
    assert products.dtypes == {dtype}


@pytest.mark.parametrize(
    "name, tera",
    [
        ("NVIDIA H200", 989),
        ("NVIDIA H100 80GB HBM3", 989),
        ("NVIDIA H100 PCIe", 756),
        ("NVIDIA H100 NVL", 835),
        ("NVIDIA A100-SXM4-40GB", 312),
        ("NVIDIA A10", 125),
        ("NVIDIA GeForce RTX 4090", 165),
    ],
)
def test_the_peak_of_a_known_gpu_comes_from_its_name(name: str, tera: int) -> None:
    assert peak_by_name(name) == tera * 1e12


@pytest.mark.parametrize(
    "name",
    ["NVIDIA A10G", "NVIDIA GeForce RTX 4090 Laptop GPU", "NVIDIA GeForce RTX 4090 D", "Tesla T4",
     "NVIDIA GeForce RTX 3090 Ti", "NVIDIA H100 80GB HBM3 MIG 1g.10gb", "NVIDIA GH200 480GB"],
)  # fmt: skip
def test_another_gpu_is_measured(name: str) -> None:
    assert peak_by_name(name) is None


@pytest.mark.parametrize(
    "number, text",
    [
        (0, "0 B"),
        (999, "999 B"),
        (1500, "1.5 kB"),
        (260_792_320, "261 MB"),
        (2.5e19, "25.0 EB"),
        (3e23, "300,000 EB"),
    ],
)
def test_large_numbers_have_the_prefixes_of_physics(number: float, text: str) -> None:
    assert prefixed(number, "B") == text


@pytest.mark.parametrize(
    "low, high, text",
    [
        (0.2, 0.7, "less than a second"),
        (0.5, 1.6, "about 0.5 to 1.6 s"),
        (12, 80, "about 12 to 80 s"),
        (480, 900, "about 8 to 15 min"),
        (3000, 9000, "about 0.83 to 2.5 h"),
        (1e6, 3e6, "about 12 to 35 days"),
        (1e8, 3e8, "about 1,200 to 3,500 days"),
    ],
)
def test_a_span_of_time_has_one_unit_and_two_digits(low: float, high: float, text: str) -> None:
    assert span(low, high) == text


def test_a_run_tells_its_estimate_and_writes_its_mfu(finished_run: RunFolder) -> None:
    timing = finished_run.lines("timing")
    assert all(0 < line["mfu"] < 5 for line in timing)
    shares = [line["mfu"] / line["tokens_per_second"] for line in timing if line["mfu"] > 0.01]
    assert shares == pytest.approx([shares[0]] * len(shares), rel=0.02)  # one peak for the whole run


def test_an_estimate_alone_prepares_nothing(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    view = quiet_view()
    table = {**TINY, "tokenizer": {"source": "train", "vocab_size": 1000}}
    found = only_estimate(make_recipe(table), view, device="cpu")
    assert found.config.vocab_size == 1000
    assert found.tokens == found.tokens_left == 5120
    assert "Model: 1 layer of width 32 with 2 heads" in said(view)
    assert list(tmp_path.iterdir()) == []


def test_the_model_to_start_from_is_estimated_by_its_own_shape(finished_run: RunFolder) -> None:
    recipe = make_recipe({**TINY, "model": {"from": str(finished_run.path)}})
    config = expected_config(recipe)
    wanted = expected_config(tiny_recipe())
    assert flops_per_token(config, 64) == flops_per_token(wanted, 64)
    assert count_parameters(config) == count_parameters(wanted)
    long = replace(recipe, train=replace(recipe.train, sequence_length=128))
    with pytest.raises(UserError, match="longer than"):
        expected_config(long)
