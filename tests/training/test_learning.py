"""What learns: chosen by name, told in a table with the numbers of a real step; and nothing else moves."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from groundup.errors import UserError
from groundup.methods.next_token import NextToken
from groundup.model.config import ModelConfig
from groundup.model.decoder import Decoder
from groundup.model.encoder import Encoder
from groundup.model.lora import add_lora
from groundup.training.learning import choose, learned
from groundup.training.loop import State, train
from groundup.training.snapshot import restore, state_tensors

SIZES: dict[str, Any] = {"vocab_size": 270, "context_length": 8, "d_model": 8, "n_layers": 3, "n_heads": 2}


class WithHead(nn.Module):
    """A classifier around an encoder or a decoder."""

    def __init__(self, model: Decoder | Encoder):
        super().__init__()
        self.model, self.score = model, nn.Linear(8, 3)
        if isinstance(model, Decoder) and not model.config.tie_embeddings:
            del model.unembed  # as a classifier may, which does not use it


def decoder(**fields: Any) -> Decoder:
    return Decoder(ModelConfig(**{**SIZES, **fields}))


def encoder() -> Encoder:
    return Encoder(ModelConfig(**SIZES, causal=False, norm_position="post", n_segments=2))


def with_lora(model: Any) -> Any:
    return add_lora(model, rank=2, alpha=4, targets="attention", generator=torch.Generator().manual_seed(3))


def learning(model: nn.Module) -> set[str]:
    return {name for name, p in model.named_parameters() if p.requires_grad}


def names(model: nn.Module, *starts: str) -> set[str]:
    return {name for name, _ in model.named_parameters() if name.startswith(starts)}


@pytest.mark.parametrize(
    "make, what, starts",
    [
        (decoder, "all", ("",)),
        (decoder, "last 2 blocks", ("blocks.1.", "blocks.2.")),
        (decoder, "last block", ("blocks.2.",)),
        (decoder, "last 3 blocks", ("blocks.",)),
        (decoder, ["blocks.2", "final_norm", "positions"], ("blocks.2.", "final_norm.", "positions.")),
        (decoder, "blocks.1.mlp.up", ("blocks.1.mlp.up.",)),
        (decoder, "attention.query", tuple(f"blocks.{n}.attention.query." for n in range(3))),
        (decoder, "norm", None),
        (decoder, "head", ("tokens.",)),
        (decoder, "unembed", ("tokens.",)),
        (lambda: decoder(tie_embeddings=False), "head", ("unembed.",)),
        (lambda: NextToken(decoder(tie_embeddings=False)), ["head"], ("model.unembed.",)),
        (lambda: NextToken(decoder()), "last block", ("model.blocks.2.",)),
        (encoder, ["pooler", "segments"], ("pooler.", "segments.")),
        (lambda: WithHead(encoder()), "head", ("score.",)),
        (lambda: WithHead(decoder()), ["last block"], ("score.", "model.blocks.2.")),
        (lambda: WithHead(decoder(tie_embeddings=False)), "head", ("score.",)),
    ],
)
def test_what_is_named_learns_and_nothing_else(make: Callable[[], nn.Module], what, starts):
    model = make()
    if starts is None:  # part of a name only
        with pytest.raises(UserError, match="Did you mean '.*norm'"):
            choose(model, what)
        assert learning(model) == names(model, "")
        return
    choose(model, what)
    assert learning(model) == names(model, *starts) != set()


@pytest.mark.parametrize("what", [[], "head", "last block"])
def test_what_was_added_in_order_to_learn_always_does(what):
    model = WithHead(with_lora(encoder()))
    choose(model, what)
    lora = {name for name in names(model, "model.blocks.") if "lora_" in name}
    assert len(lora) == 3 * 4 * 2
    rest = names(model, "model.blocks.2.") if what == "last block" else set()
    assert learning(model) == lora | names(model, "score.") | rest


@pytest.mark.parametrize(
    "model, what, message",
    [
        (decoder(), "blocks.3", r"'blocks.3'. It has 3 blocks, blocks.0 to blocks.2."),
        (decoder(), "last 4 blocks", r"'last 4 blocks'. It has 3 blocks"),
        (decoder(), "last 0 blocks", r"It has 3 blocks"),
        (decoder(), "last two blocks", r"Did you mean 'last 2 blocks'\?"),
        (decoder(), ["all", "lm_head"], r"'lm_head'. Did you mean 'head'\? Known: all, head, last 2"),
        (decoder(), "ln_f", r"Did you mean 'final_norm'\?"),
        (decoder(), "fnal_norm", r"Did you mean 'final_norm'\?"),
        (decoder(), "", r"is ''. Known: all, head, .*, tokens, positions, attention_norm, .* mlp.up"),
        (decoder(), "pooler", r"is 'pooler'"),
        (decoder(position="rope"), "positions", r"is 'positions'"),
        (encoder(), "head", r"is 'head'. An encoder has no head"),
        (decoder(), [], r"learn.what = \[\] lets nothing learn. Name at least one part, or add LoRA."),
    ],
)
def test_what_names_nothing_is_one_line_and_changes_nothing(model, what, message):
    with pytest.raises(UserError, match=message) as caught:
        choose(model, what)
    assert "\n" not in str(caught.value)
    assert learning(model) == names(model, "")


def step_once(method: NextToken, settings: Any, batches: Any) -> State:
    """One step whose gradients are kept to be counted."""
    state = State.fresh(method, settings)
    state.optimizer.zero_grad = lambda: None
    return train(method, batches, settings, state=state)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("what", ["all", "head", ["last 2 blocks", "final_norm"], "lora", "mlp.up"])
@pytest.mark.parametrize("tied", [True, False])
def test_the_bytes_of_the_table_are_those_that_a_step_keeps(make_settings, fixed, optimizer, what, tied):
    model = decoder(tie_embeddings=tied)
    if what == "lora":
        with_lora(model)
    else:
        choose(model, what)
    told = learned(NextToken(model), optimizer).total
    state = step_once(NextToken(model), make_settings(steps=1, optimizer=optimizer), fixed(6))
    memory = state.optimizer.memory()
    kept = (t for name, t in memory.items() if not name.endswith(".step"))
    assert told.parameters == model.n_parameters()
    assert told.learn == sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert told.weights == sum(p.nbytes for p in model.parameters())
    assert told.gradients == sum(p.grad.nbytes for p in model.parameters() if p.grad is not None)
    assert told.optimizer == sum(t.nbytes for t in kept)


def test_the_table_has_a_row_for_each_part_and_joins_blocks_that_are_alike():
    model = decoder()
    choose(model, ["last block", "blocks.0.mlp", "final_norm"])
    rows = {part.name: (part.parameters, part.learn) for part in learned(model).parts}
    attention, mlp = 4 * (8 * 8 + 8), 2 * 8 * 32 + 32 + 8
    assert rows == {
        "embeddings = head": (270 * 8, 0),
        "positions": (8 * 8, 0),
        "block 0 attention": (attention, 0),
        "block 0 mlp": (mlp, mlp),
        "block 0 norms": (32, 0),
        "block 1 attention": (attention, 0),
        "block 1 mlp": (mlp, 0),
        "block 1 norms": (32, 0),
        "block 2 attention": (attention, attention),
        "block 2 mlp": (mlp, mlp),
        "block 2 norms": (32, 32),
        "final_norm": (16, 16),
    }
    choose(model, "positions")
    assert [part.name for part in learned(model).parts][2] == "blocks 0-2 attention"


def test_the_table_of_an_adapted_classifier_shows_the_head_and_lora_last():
    model = WithHead(with_lora(encoder()))
    choose(model, "head")
    parts = learned(model).parts
    assert [part.name for part in parts][-4:] == ["blocks 0-2 norms", "pooler", "head", "LoRA"]
    assert [(part.parameters, part.learn) for part in parts[-2:]] == [(27, 27), (384, 384)]


def test_the_lines_are_a_table_and_its_sum_in_words():
    model = decoder(tie_embeddings=False, position="rope")
    choose(model, "head")
    first, *rows, total, words = learned(model).lines()
    assert first.split() == ["part", "parameters", "learn", "weights", "gradients", "optimizer"]
    assert len({len(line) for line in (first, *rows, total)}) == 1
    assert rows[-1].split() == ["head", "2,160", "2,160", "0.0", "MB", "0.0", "MB", "0.0", "MB"]
    everything = model.n_parameters()
    assert total.split()[:3] == ["all", f"{everything:,}", "2,160"]
    assert words.startswith(f"2,160 of {everything:,} parameters learn ({2160 / everything:.2%}); 0.1 MB")


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("what", ["head", "last block", ["blocks.0.mlp", "positions"], "final_norm", "lora"])
def test_what_is_frozen_stays_to_the_bit_under_strong_decay(make_settings, fixed, optimizer, what):
    method = NextToken(decoder())
    if what == "lora":
        with_lora(method.model)
    else:
        choose(method, what)
    before = copy.deepcopy(method.state_dict())
    train(method, fixed(2, 4), make_settings(optimizer=optimizer, weight_decay=0.9))
    for name, parameter in method.named_parameters():
        assert torch.equal(parameter, before[name]) != parameter.requires_grad, name


def test_a_part_that_learns_alone_makes_the_steps_that_it_makes_where_all_learn(
    make_method, make_settings, fixed
):
    """But for clipping, which looks at the norm of what learns."""
    settings = make_settings(steps=1, clip_norm=1e9)
    whole, part = make_method(), make_method()
    choose(part, "last block")
    for method in (whole, part):
        train(method, fixed(6), settings)
    after = dict(whole.named_parameters())
    for name in learning(part):
        torch.testing.assert_close(part.get_parameter(name), after[name], atol=1e-15, rtol=0)


def test_clipping_looks_at_the_norm_of_what_learns(make_method, make_settings, fixed):
    method = make_method()
    choose(method, "final_norm")
    state = step_once(method, make_settings(steps=1, clip_norm=1e9), fixed(6))
    gradients = [p.grad.flatten() for p in method.model.final_norm.parameters()]
    assert state.gradient_norm == pytest.approx(float(torch.cat(gradients).norm()), rel=1e-12)


def trained(settings: Any, fixed: Any, steps: int, kept: dict[str, Tensor] | None = None) -> State:
    """A decoder with LoRA, a frozen part and one that learns, from the start or from a snapshot."""
    method = NextToken(with_lora(decoder(dropout=0.2).initialise(torch.Generator().manual_seed(0))))
    choose(method, ["final_norm", "blocks.2.mlp"])
    state = State.fresh(method, settings)
    if kept is None:
        torch.manual_seed(1)
    else:
        torch.manual_seed(99)  # another process
        method.load_state_dict({n: t for n, t in kept.items() if n.startswith("model.")}, strict=True)
        restore(state, kept)
        state.step = 2

    def watch(state: State) -> None:
        state.stop = state.step == steps

    return train(method, fixed(2, 4), settings, state=state, observers=[watch])


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_with_frozen_parts_and_lora_a_resumed_run_ends_with_the_same_bits(make_settings, fixed, optimizer):
    settings = make_settings(steps=5, optimizer=optimizer)
    whole = trained(settings, fixed, 5)
    first = trained(settings, fixed, 2)
    kept = copy.deepcopy({**first.method.state_dict(), **state_tensors(first)})
    resumed = trained(settings, fixed, 5, kept)
    ends = [{**state.method.state_dict(), **state_tensors(state)} for state in (whole, resumed)]
    assert ends[0].keys() == ends[1].keys()
    assert [name for name in ends[0] if not torch.equal(ends[0][name], ends[1][name])] == []
    assert resumed.loss == whole.loss
    remembered = [name for name in ends[0] if name.endswith(("exp_avg", "momentum_buffer"))]
    assert len(remembered) == len(learning(whole.method))


@pytest.mark.parametrize("other", ["all", "final_norm"])
def test_a_snapshot_of_other_parts_is_refused_in_one_line(make_method, make_settings, fixed, other):
    first, second = make_method(), make_method()
    choose(first, "last block")
    state = train(first, fixed(6), make_settings(steps=1))
    choose(second, other)
    with pytest.raises(UserError, match=r"other parts of the model learned. Go on with the same \[learn\]"):
        restore(State.fresh(second, make_settings()), state_tensors(state))


def test_lora_learns_by_adamw_where_the_blocks_learn_by_muon(make_settings):
    method = NextToken(with_lora(decoder()))
    choose(method, "last block")
    parts = State.fresh(method, make_settings(optimizer="muon")).optimizer.parts
    names_of = {id(p): name for name, p in method.named_parameters()}
    muon, adamw = (
        {names_of[id(p)] for group in part.param_groups for p in group["params"]} for part in parts
    )
    assert {name for name in learning(method) if "lora_" in name} <= adamw
    assert muon == {n for n in names(method, "model.blocks.2.") if n.endswith("weight") and "norm" not in n}
    assert muon | adamw == learning(method)


@pytest.mark.parametrize("what, parts", [("lora", 1), ("final_norm", 1), ("attention.query", 2), ("mlp", 2)])
def test_muon_beside_nothing_is_left_out_and_adamw_too(make_settings, fixed, what, parts):
    method = NextToken(decoder(qkv_bias=True))
    if what == "lora":
        with_lora(method.model)
    else:
        choose(method, what)
    state = train(method, fixed(6), make_settings(optimizer="muon"))
    assert len(state.optimizer.parts) == parts
    method = NextToken(decoder(qkv_bias=False))
    choose(method, "attention.query")
    assert len(train(method, fixed(6), make_settings(optimizer="muon")).optimizer.parts) == 1
