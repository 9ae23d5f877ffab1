"""Stopping and going on: through a checkpoint on the disk, to the last bit."""

import copy
from functools import partial

import pytest
import torch

from groundup.data.batches import Batches
from groundup.data.order import Order
from groundup.data.windows import TokenWindows
from groundup.methods.next_token import NextToken
from groundup.text.tokenizer import Tokenizer
from groundup.training.loop import State, train
from groundup.training.snapshot import restore, state_tensors
from groundup.weights.checkpoints import read_checkpoint, save_checkpoint
from groundup.weights.folder import Loaded, load, write_model


def make_batches(settings):
    tokens = torch.randint(270, (900,), generator=torch.Generator().manual_seed(5)).numpy()
    windows = TokenWindows(tokens, settings.sequence_length)
    return Batches(windows, Order(len(windows), 3), samples_per_step=settings.samples_per_step, micro_batch=4)


def run(method, settings, state=None, stop_at=None, log=None):
    """Train with a log of losses, until stop_at."""

    def watch(state: State) -> None:
        if log is not None:
            log.append((state.step, state.loss, state.gradient_norm, state.learning_rate, state.tokens))
        state.stop = state.step == stop_at

    return train(method, make_batches(settings), settings, state=state, observers=[watch])


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_run_that_was_stopped_and_resumed_ends_with_the_same_bits(
    make_method, make_settings, tmp_path, optimizer
):
    settings = make_settings(steps=6, warmup_steps=2, optimizer=optimizer)
    whole_log, log = [], []
    torch.manual_seed(1)
    whole = run(make_method(dtype=torch.float32, dropout=0.3), settings, log=whole_log)

    torch.manual_seed(1)
    method = make_method(dtype=torch.float32, dropout=0.3)
    first = run(method, settings, stop_at=3, log=log)
    loaded = Loaded(method.model, Tokenizer.from_bytes(), method.model.config)
    values = {"tokens": first.tokens}
    save_checkpoint(
        tmp_path,
        partial(write_model, loaded=loaded),
        step=3,
        tensors=state_tensors(first),
        values=values,
        keep=3,
    )

    torch.manual_seed(999)  # another process, with whatever its generator holds
    checkpoint = read_checkpoint(tmp_path / "step-000003")
    method = NextToken(load(checkpoint.folder).model)
    state = State.fresh(method, settings)
    restore(state, checkpoint.tensors)
    state.step, state.tokens = checkpoint.step, checkpoint.values["tokens"]
    resumed = run(method, settings, state=state, log=log)

    assert log == whole_log
    assert len(log) == 6
    for (name, ours), theirs in zip(method.named_parameters(), whole.method.parameters(), strict=True):
        assert torch.equal(ours, theirs), name
    ours, theirs = state_tensors(resumed), state_tensors(whole)
    assert ours.keys() == theirs.keys()
    assert any("exp_avg_sq" in name for name in ours)
    for name, tensor in ours.items():
        assert torch.equal(tensor, theirs[name]), name


def test_the_scale_of_fp16_goes_on_where_it_was(make_method, make_settings):
    settings = make_settings(precision="fp16")
    first = State.fresh(make_method(), settings)
    first.scale.follow(finite=False)
    first.scale.follow(finite=True)
    resumed = State.fresh(make_method(), settings)
    assert resumed.scale != first.scale
    restore(resumed, state_tensors(first))
    assert resumed.scale == first.scale


def test_dropout_goes_on_with_the_same_generator(make_method, make_settings):
    """Without the generator's state the step gives another loss, so the test above is about something."""
    settings = make_settings(steps=1)
    losses = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        losses.append(run(make_method(dtype=torch.float32, dropout=0.3), settings).loss)
    assert losses[0] == losses[1] != losses[2]


def test_a_snapshot_can_be_restored_twice_because_training_on_does_not_change_it(make_method, make_settings):
    settings = make_settings(steps=4)
    first = run(make_method(), settings, stop_at=2)
    kept, weights = state_tensors(first), copy.deepcopy(first.method.state_dict())
    losses = []
    for _ in range(2):
        method = make_method()
        method.load_state_dict(weights)
        state = State.fresh(method, settings)
        restore(state, kept)
        state.step = 2
        losses.append(run(method, settings, state=state).loss)
    assert losses[0] == losses[1]


def test_a_snapshot_of_another_kind_of_device_leaves_the_generators_here_alone(make_method, make_settings):
    state = State.fresh(make_method(), make_settings())
    assert [name for name in state_tensors(state) if name.startswith("generator")] == ["generator.cpu"]
    torch.manual_seed(5)
    here = torch.get_rng_state()
    restore(state, {"generator.cuda.0": torch.zeros(16, dtype=torch.uint8)})
    assert torch.equal(torch.get_rng_state(), here)
