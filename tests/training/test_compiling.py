"""Training in compiled code, where there is a compiler: the same numbers, and training only."""

import copy
import shutil

import pytest
import torch

from groundup.model.lora import add_lora
from groundup.training.compiling import compile_training, pays, why_not
from groundup.training.learning import choose
from groundup.training.loop import State, train

needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="There is no C++ compiler.")
CPU = torch.device("cpu")


def test_without_a_compiler_the_reason_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    assert "C++ compiler" in (why_not(CPU) or "")


def test_a_compiler_named_by_the_environment_counts(monkeypatch, tmp_path):
    (tmp_path / "own-cxx").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CXX", "own-cxx")
    assert why_not(CPU) is None


def test_only_long_runs_pay_for_compiling():
    assert not pays(CPU, 1e11)
    assert pays(CPU, 1e15)
    assert not pays(torch.device("mps"), 1e20)


def test_a_compiler_that_fails_leaves_training_as_it_was(make_method, make_settings, fixed, monkeypatch):
    def broken(*args, **kwargs):
        def run(*args, **kwargs):
            raise RuntimeError("no such\nluck")

        return run

    settings, batches = make_settings(), fixed(6)
    plain = train(make_method(), batches, settings)
    method = make_method()
    monkeypatch.setattr(torch, "compile", broken)
    assert compile_training(method, batches.at(0)[0], "float32") == "no such"
    assert train(method, batches, settings).loss == plain.loss
    assert all(map(torch.equal, method.parameters(), plain.method.parameters()))


def test_what_is_compiled_runs_in_training_only_and_leaves_no_trace(make_method, fixed, monkeypatch):
    calls: list[str] = []

    def watched(function, **how):
        def run(*args, **kwargs):
            calls.append(function.__name__)
            return function(*args, **kwargs)

        return run

    monkeypatch.setattr(torch, "compile", watched)
    method, batch = make_method(dropout=0.5), fixed(6).at(0)[0]
    random_state = torch.get_rng_state()
    assert compile_training(method, batch, "float32") is None
    assert calls == ["forward"] * 2  # the loss has no full chunk here
    assert torch.equal(torch.get_rng_state(), random_state)
    assert all(parameter.grad is None for parameter in method.parameters())
    method.model.hidden(batch["ids"])
    assert len(calls) == 4
    with torch.no_grad():
        method.model.hidden(batch["ids"])
    method.model.eval().hidden(batch["ids"])
    assert len(calls) == 4


def test_a_copy_of_a_compiled_model_runs_its_own_weights(make_method, fixed, monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda function, **how: function)
    method, batch = make_method(), fixed(6).at(0)[0]
    assert compile_training(method, batch, "float32") is None
    copied = copy.deepcopy(method)
    wanted = copied.model(batch["ids"])
    with torch.no_grad():
        for parameter in method.parameters():
            parameter.zero_()
    assert torch.equal(copied.model(batch["ids"]), wanted)


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_compiled_training_gives_the_numbers_of_eager_training(
    make_method, make_settings, fixed, precision, monkeypatch, tmp_path
):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    settings = make_settings(steps=5, precision=precision)
    kind = {"dtype": torch.float32, "position": "rope", "norm": "rms", "mlp": "gated"}
    losses = {}
    for how in ("eager", "compiled"):
        method, losses[how] = make_method(**kind), []
        if how == "compiled":
            random_state = torch.get_rng_state()
            assert compile_training(method, fixed(6).at(0)[0], precision) is None
            assert torch.equal(torch.get_rng_state(), random_state)
            assert all(parameter.grad is None for parameter in method.parameters())

        def watch(state: State, seen: list[float] = losses[how]) -> None:
            seen.append(state.loss)

        train(method, fixed(6), settings, observers=[watch])
    assert losses["compiled"] == pytest.approx(losses["eager"], rel=1e-5 if precision == "float32" else 3e-3)


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("what", ["last block", ["blocks.0.mlp", "final_norm"], "lora"])
def test_compiled_training_of_a_part_gives_the_numbers_of_eager_training(
    make_method, make_settings, fixed, what, monkeypatch, tmp_path
):
    """Blocks before the first that learns run without gradients, so they are compiled as another function."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    settings, ends = make_settings(steps=4), {}
    for how in ("eager", "compiled"):
        method = make_method(dtype=torch.float32)
        if what == "lora":
            add_lora(method.model, rank=2, alpha=4, generator=torch.Generator().manual_seed(3))
        else:
            choose(method, what)
        frozen = {name for name, p in method.named_parameters() if not p.requires_grad}
        before = copy.deepcopy(method.state_dict())
        if how == "compiled":
            assert compile_training(method, fixed(6).at(0)[0], "float32") is None
        state = train(method, fixed(6), settings)
        assert all(torch.equal(method.get_parameter(name), before[name]) for name in frozen)
        ends[how] = [state.loss, state.gradient_norm]
    assert ends["compiled"] == pytest.approx(ends["eager"], rel=1e-5)


@needs_compiler
@pytest.mark.slow
def test_evaluation_of_a_compiled_model_is_that_of_an_eager_one_to_the_bit(
    make_method, fixed, monkeypatch, tmp_path
):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    method, plain = make_method(dtype=torch.float32), make_method(dtype=torch.float32)
    batch = fixed(6).at(0)[0]
    assert compile_training(method, batch, "float32") is None
    method.eval()
    plain.eval()
    assert torch.equal(method.model(batch["ids"]), plain.model(batch["ids"]))
