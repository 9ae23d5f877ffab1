"""DPO against the paper's formula in float64, closed forms at the start, and a reference asked once."""

import copy
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.testing import assert_close

from groundup.data.batches import Batches
from groundup.data.order import Order
from groundup.data.preferences import Preference, PreferenceExamples, stack_preferences
from groundup.errors import UserError
from groundup.evaluation.statistics import wilson
from groundup.methods._reference import log_p, reference
from groundup.methods.dpo import DPO, Settings, sentence, validate
from groundup.model.config import ModelConfig
from groundup.model.decoder import Decoder
from groundup.model.lora import add_lora
from groundup.text.chat import with_template
from groundup.text.tokenizer import Tokenizer
from groundup.training.loop import State, train
from groundup.training.settings import TrainSettings

TOKENIZER = with_template(Tokenizer.from_bytes(), "groundup")


def make_model(seed: int = 0, **fields: Any) -> Decoder:
    sizes = {"vocab_size": 270, "context_length": 40, "d_model": 16, "n_layers": 2, "n_heads": 2}
    model = (
        Decoder(ModelConfig(**{**sizes, **fields})).initialise(torch.Generator().manual_seed(seed)).double()
    )
    with torch.no_grad():
        for number, parameter in enumerate(model.parameters()):
            parameter += 0.2 * torch.randn(
                parameter.shape, generator=torch.Generator().manual_seed(seed + number)
            )
    return model


def make_examples(n: int = 5) -> PreferenceExamples:
    """Pairs of answers of many lengths; the chosen ones are of other letters than the rejected ones."""
    asked = [[{"role": "user", "content": "Say" + "?" * number}] for number in range(n)]
    pairs = [Preference(p, "abc" * (1 + i % 3), "xyz"[: 1 + i % 3] * 2) for i, p in enumerate(asked)]
    return PreferenceExamples(pairs, TOKENIZER, 40)


def by_hand(model: Decoder, ids: Tensor, targets: Tensor) -> Tensor:
    """log p of one answer: position by position, over all logits."""
    log_p = model(ids[None])[0].log_softmax(-1)
    return sum((log_p[t, i] for t, i in enumerate(targets.tolist()) if i != -100), torch.zeros(()))


def gradients(loss: Tensor, model: Decoder) -> list[Tensor]:
    return list(torch.autograd.grad(loss, list(model.parameters()), retain_graph=True))


@pytest.mark.parametrize("beta", [0.1, 0.7])
def test_loss_margin_and_gradients_equal_the_papers_formula_in_float64(beta):
    model, base, examples = make_model(1), make_model(2), make_examples()
    reference(base, examples, pairs_per_batch=2)
    method = DPO(model, Settings(beta=beta))
    loss, count = method(stack_preferences([examples[i] for i in range(5)]))
    expected, margins = torch.zeros((), dtype=torch.float64), []
    for sample in examples.samples:
        policy = [by_hand(model, *answer) for answer in (sample.chosen, sample.rejected)]
        with torch.no_grad():
            before = [by_hand(base, *answer) for answer in (sample.chosen, sample.rejected)]
        margins.append(beta * ((policy[0] - before[0]) - (policy[1] - before[1])))
        expected = expected - torch.log(1 / (1 + torch.exp(-margins[-1])))
    assert count == 5
    assert_close(loss, expected, atol=1e-10, rtol=0)
    assert_close(gradients(loss, model), gradients(expected, model), atol=1e-10, rtol=0)
    assert float(torch.stack(margins).detach().abs().min()) > 1e-2
    assert method.last["margin"] == pytest.approx(float(torch.stack(margins).detach().mean()), abs=1e-10)
    assert method.last["accuracy"] == float((torch.stack(margins) > 0).double().mean())


def test_at_the_start_the_loss_is_ln_2_and_the_gradient_half_beta_times_the_difference():
    model, examples = make_model(), make_examples()
    reference(model, examples, pairs_per_batch=5)
    loss, _ = DPO(model, Settings(beta=0.3))(stack_preferences([examples[3]]))
    assert float(loss.detach()) == pytest.approx(math.log(2), abs=1e-12)
    chosen, rejected = (by_hand(model, *answer) for answer in examples.samples[3][:2])
    ascent = zip(gradients(chosen, model), gradients(rejected, model), strict=True)
    assert_close(gradients(loss, model), [-0.3 / 2 * (c - r) for c, r in ascent], atol=1e-10, rtol=0)


def test_with_dropout_in_the_model_the_first_margins_are_still_0():
    """And the reference draws no random number, so asking for it changes no run."""
    model, examples = make_model(dropout=0.5), make_examples()
    add_lora(model, rank=2, alpha=4, dropout=0.5, generator=torch.Generator().manual_seed(0))
    method, before = DPO(model).train(), torch.get_rng_state()
    reference(model, examples, pairs_per_batch=2)
    assert model.training
    loss, _ = method.train()(stack_preferences([examples[i] for i in range(5)]))
    assert torch.equal(torch.get_rng_state(), before)
    assert float(loss.detach()) == pytest.approx(5 * math.log(2), abs=1e-12)
    assert all(block.training for block in model.blocks)  # what is compiled runs in training only
    assert not method.eval().training


def test_a_pair_counts_the_same_alone_and_beside_longer_ones():
    method, examples = DPO(make_model(1)), make_examples()
    reference(make_model(2), examples, pairs_per_batch=3)
    together = method.margins(stack_preferences([examples[i] for i in range(5)]))
    alone = torch.cat([method.margins(stack_preferences([examples[i]])) for i in range(5)])
    assert_close(together, alone, atol=1e-12, rtol=0)


def test_what_the_prompt_costs_counts_for_neither_answer():
    """log p of the answer alone: that of the whole less that of the prompt."""
    model, [sample] = make_model(), make_examples(1).samples
    found = log_p(model, stack_preferences([sample]))[0]
    for number, (ids, targets) in enumerate((sample.chosen, sample.rejected)):
        whole = torch.cat([ids, targets[-1:]])
        start = int((targets == -100).sum()) + 1
        everything = by_hand(model, whole[:-1], whole[1:])
        prompt = by_hand(model, whole[: start - 1], whole[1:start])
        assert float(prompt.detach()) < -1
        assert_close(found[number], everything - prompt, atol=1e-10, rtol=0)


def test_what_is_told_of_a_step_is_of_all_its_micro_batches_and_of_nothing_before():
    method, examples = DPO(make_model(1)), make_examples()
    reference(make_model(2), examples, pairs_per_batch=3)
    assert method.last == {}
    method(stack_preferences([examples[4]]))
    method.train()
    assert method.last == {}
    for part in ([0, 1, 2], [3]):
        method(stack_preferences([examples[i] for i in part]))
    margins = method.margins(stack_preferences([examples[i] for i in range(4)]))
    assert method.last["margin"] == pytest.approx(float(margins.detach().mean()), abs=1e-12)
    assert method.last["accuracy"] == float((margins > 0).double().mean())


class Asked(Decoder):
    """A model that counts how often it is asked."""

    times = 0

    def hidden(self, *args: Any, **kwargs: Any) -> Tensor:
        self.times += 1
        return super().hidden(*args, **kwargs)


def test_the_reference_is_asked_once_and_then_read_from_its_file(tmp_path):
    model = Asked(make_model().config)
    first, second = make_examples(), make_examples()
    told: list[tuple[int, int]] = []
    found = reference(model, first, pairs_per_batch=2, folder=tmp_path, progress=lambda *n: told.append(n))
    assert (model.times, told) == (3, [(2, 5), (4, 5), (5, 5)])
    assert found is first.reference
    again = reference(model, second, pairs_per_batch=4, folder=tmp_path)
    assert model.times == 3
    assert torch.equal(again, found)
    method = DPO(model)
    method(stack_preferences([second[0]]))
    assert model.times == 4  # the model itself, once
    [file] = tmp_path.iterdir()
    assert torch.equal(load_file(file)["log_p"], found)


@pytest.mark.parametrize("change", ["weight", "configuration", "example", "target", "precision", "damage"])
def test_a_reference_of_anything_else_is_not_taken(change, tmp_path):
    model, examples = Asked(make_model().config), make_examples()
    reference(model, examples, pairs_per_batch=5, folder=tmp_path)
    [file] = tmp_path.iterdir()
    how: dict[str, Any] = {"pairs_per_batch": 5, "folder": tmp_path}
    if change == "weight":
        with torch.no_grad():
            model.get_parameter("blocks.1.mlp.up.bias")[3] += 1e-6
    elif change == "configuration":
        model.config = replace(model.config, norm_eps=1e-6)
    elif change == "example":
        examples.samples[4].chosen[0][-1] += 1
    elif change == "target":
        examples.samples[0].rejected[1][-1] = -100
    elif change == "precision":
        how["precision"] = "bf16"
    else:
        file.write_bytes(file.read_bytes()[:-3])
    reference(model, examples, **how)
    assert model.times == 2
    assert len([*tmp_path.iterdir()]) == (1 if change == "damage" else 2)


@pytest.mark.parametrize("beta", [0, -0.1, math.inf, math.nan])
def test_a_beta_that_cannot_be_is_one_line(beta):
    with pytest.raises(UserError, match=r"method.beta = .* must be above 0") as caught:
        Settings(beta=beta)
    assert "\n" not in str(caught.value)


def test_validation_gives_mean_loss_margin_and_accuracy_and_changes_nothing():
    method, examples = DPO(make_model(1, dropout=0.3)), make_examples(12)
    reference(make_model(2), examples, pairs_per_batch=3)
    method.train()
    method(stack_preferences([examples[0]]))
    last, random = method.last, torch.get_rng_state()
    found = validate(method, examples, pairs_per_batch=5)
    margins = torch.stack(
        [method.margins(stack_preferences([each]))[0] for each in map(examples.__getitem__, range(12))]
    )
    right = int((margins > 0).sum())
    assert 0 < right < 12
    assert found["loss"] == pytest.approx(float(torch.log1p((-margins.detach()).exp()).mean()), abs=1e-12)
    assert found["margin"] == pytest.approx(float(margins.detach().mean()), abs=1e-12)
    assert (found["accuracy"], found["pairs"]) == (right / 12, 12)
    assert found["accuracy_interval"] == list(wilson(right, 12))
    assert method.training
    assert method.last == last
    assert torch.equal(torch.get_rng_state(), random)
    assert sentence(found) == (
        f"prefers the chosen answer in {right / 12:.1%} of 12 pairs ({found['accuracy_interval'][0]:.1%} to "
        f"{found['accuracy_interval'][1]:.1%}), margin {found['margin']:+.3f}, loss {found['loss']:.4f}"
    )


def test_before_learning_a_model_is_right_in_half_of_the_pairs():
    """All margins are 0 there: neither answer is preferred."""
    model, examples = make_model(), make_examples()
    reference(model, examples, pairs_per_batch=5)
    found = validate(DPO(model), examples, pairs_per_batch=5)
    assert (found["margin"], found["accuracy"]) == (0.0, 0.5)


def trained(folder: Path, steps: int, state: dict[str, Any] | None = None) -> tuple[State, dict[str, Any]]:
    """LoRA that learns preferences, with the reference from its file."""
    examples = make_examples(8)
    model = make_model()
    reference(model, examples, pairs_per_batch=4, folder=folder)
    add_lora(model, rank=4, alpha=8, generator=torch.Generator().manual_seed(1))
    method = DPO(model, Settings(beta=0.5))
    sizes: dict[str, Any] = {"steps": 10, "tokens_per_step": 6, "sequence_length": 1, "micro_batch": 4}
    settings = TrainSettings(**sizes, learning_rate=1e-2, precision="float32")
    batches = Batches(examples, Order(8, 1), samples_per_step=6, micro_batch=4, stack=stack_preferences)
    begun = State.fresh(method, settings)
    if state is not None:
        method.load_state_dict(state["weights"])
        begun.optimizer.remember(state["memory"])
        begun.step = state["step"]

    def watch(state: State) -> None:
        state.stop = state.step == steps

    done = train(method, batches, settings, state=begun, observers=[watch])
    kept = {"weights": method.state_dict(), "memory": done.optimizer.memory(), "step": done.step}
    return done, {**copy.deepcopy(kept), "found": validate(method, examples, pairs_per_batch=8)}


def test_lora_learns_what_is_preferred_and_a_resumed_run_ends_with_the_same_bits(tmp_path):
    whole, end = trained(tmp_path, 10)
    assert end["found"]["accuracy"] == 1.0
    assert end["found"]["loss"] < 0.2
    assert whole.loss < 0.2
    _, half = trained(tmp_path, 6)
    resumed, again = trained(tmp_path, 10, half)
    assert resumed.loss == whole.loss
    for kind in ("weights", "memory"):
        assert again[kind].keys() == end[kind].keys()
        assert all(torch.equal(again[kind][name], tensor) for name, tensor in end[kind].items())
    assert again["found"] == end["found"]
    assert len([*tmp_path.iterdir()]) == 1
