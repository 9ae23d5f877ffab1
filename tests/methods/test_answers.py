"""Instruction tuning against PyTorch's own loss on hand-made labels, against transformers, and packed."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tests.text.chats import said
from tests.zoo.conftest import make_case
from torch import Tensor
from torch.testing import assert_close
from transformers import AutoModelForCausalLM

from groundup.data.answers import AnswerExamples, PackedAnswers, stack_answers
from groundup.data.batches import Batch, Batches, stack_windows
from groundup.data.order import Order
from groundup.methods.answers import Answers
from groundup.model.config import ModelConfig
from groundup.model.decoder import Decoder
from groundup.model.lora import add_lora, lora_layers
from groundup.text.tokenizer import Tokenizer
from groundup.training.loop import train
from groundup.training.settings import TrainSettings
from groundup.weights.folder import load
from groundup.zoo import FAMILIES

BYTES = Tokenizer.from_bytes()
CONVERSATIONS = [
    said("ab", "cde"),
    said("a", "b", "cd", "efg"),  # two turns
    said("abcdefgh", "i"),
    said("a", "b"),
    said("abcde", "fghijkl", system="m"),
    said("ab", "c", "d", "e", "f", "ghijkl"),  # three turns, longer than a sample: cut
    said("b", "c"),
    said("", "d"),
    said("c", "de"),
    said("e", "f"),
]
LENGTH = 24
SHAPES = {  # of every way to know positions, and of windows that are shorter than an example
    "gpt2": {},
    "llama": {},
    "mistral": {"window": 5},
    "gpt_neo": {"window": 3},
    "qwen3": {},
    "gemma": {},
}


def make(name: str, **fields: Any) -> Decoder:
    """A tiny model of a family in float64, all its numbers shaken."""
    sizes = {"vocab_size": 270, "context_length": LENGTH, "d_model": 16, "n_layers": 3, "n_heads": 2}
    config = ModelConfig(**{**FAMILIES.get(name).defaults, **sizes, **SHAPES[name], **fields})
    generator = torch.Generator().manual_seed(4)
    model = Decoder(config).initialise(generator).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.2 * torch.randn(parameter.shape, generator=generator)
    return model


@pytest.fixture(scope="module")
def examples() -> AnswerExamples:
    return AnswerExamples(CONVERSATIONS, BYTES, LENGTH)


@pytest.fixture(scope="module")
def unpacked(examples: AnswerExamples) -> Batch:
    return stack_windows([examples[number] for number in range(len(examples))])


@pytest.fixture(scope="module")
def packed(examples: AnswerExamples) -> Batch:
    rows = PackedAnswers(examples, seed=0)
    assert len(rows) < len(examples)
    assert max(map(len, rows.groups)) == 3
    return stack_answers([rows[number] for number in range(len(rows))])


@pytest.fixture
def in_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    """RMS norms and rotations compute in float32, whatever the model's numbers are; here they do not."""
    monkeypatch.setattr(Tensor, "float", Tensor.double)


def learned(model: Decoder, *batches: Batch) -> tuple[float, int, list[Tensor]]:
    """Loss, count, and the gradient of everything that learns, added up over batches."""
    method = Answers(model)
    method.zero_grad()
    total, count = 0.0, 0
    for batch in batches:
        loss, counted = method(batch)
        loss.backward()
        total, count = total + loss.item(), count + counted
    return total, count, [p.grad.clone() for p in model.parameters() if p.grad is not None]


def labels_by_hand(conversation: list[dict[str, str]]) -> tuple[list[int], list[int]]:
    """Ids and labels as transformers wants them, each label at its own token, written out mark by mark."""
    ids, labels = [0], [-100]
    before = ""
    for message in conversation:
        if message["role"] == "system":
            before = message["content"] + "\n\n"
            continue
        content = BYTES.encode(before + message["content"])
        before, answers = "", message["role"] == "assistant"
        ids += [3 if answers else 2, *content, 4]
        labels += [-100, *content, 4] if answers else [-100] * (len(content) + 2)
    return ids, labels


@pytest.mark.parametrize("name", ["gpt2", "llama", "mistral", "gpt_neo"])
def test_the_loss_is_that_of_transformers_with_labels_that_a_person_wrote(
    name, examples, packed, unpacked, tmp_path
):
    shape = {"gpt2": "plain", "llama": "two heads share one key"}.get(name, "a window of five")
    make_case(name, shape, AutoModelForCausalLM, tmp_path)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path).double().eval()
    expected, count = 0.0, 0
    for conversation in CONVERSATIONS:
        ids, labels = (torch.tensor(each)[None, : LENGTH + 1] for each in labels_by_hand(conversation))
        # The last id is only a target: the model has no place for so long a text.
        with torch.no_grad():
            logits = theirs(ids[:, :-1]).logits[0]  # (T, V)
        expected += float(F.cross_entropy(logits, labels[0, 1:], reduction="sum", ignore_index=-100))
        count += int((labels != -100).sum())
        if ids.shape[1] <= LENGTH:
            with torch.no_grad():
                mean = float(theirs(ids, labels=labels).loss)  # it shifts the labels by itself
            alone = Answers(load(tmp_path).model.double())
            one = AnswerExamples([conversation], BYTES, LENGTH)
            assert alone(stack_windows([one[0]]))[0].item() == pytest.approx(
                mean * int((labels != -100).sum()), rel=1e-6
            )
    for batch in (packed, unpacked):
        loss, counted = Answers(load(tmp_path).model.double())(batch)
        assert counted == count == examples.answer_tokens - examples.lost_tokens
        # transformers keeps some of its arithmetic in float32, as ours does.
        assert loss.item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", SHAPES)
def test_packed_examples_have_the_loss_and_the_gradients_of_the_examples_alone(
    name, packed, unpacked, in_float64
):
    model = make(name)
    one, many = learned(model, packed), learned(model, unpacked)
    assert one[0] == pytest.approx(many[0], abs=1e-9)
    assert one[1] == many[1]
    assert_close(one[2], many[2], atol=1e-9, rtol=0)


@pytest.mark.parametrize("left_out", ["documents", "positions"])
@pytest.mark.parametrize("name", SHAPES)
def test_without_borders_or_without_positions_that_begin_anew_the_loss_would_be_another(
    name, packed, unpacked, left_out
):
    """Only distances count where positions turn the keys, so there the borders alone are enough."""
    model = make(name)
    wrong = {key: tensor for key, tensor in packed.items() if key != left_out}
    difference = abs(learned(model, wrong)[0] - learned(model, unpacked)[0])
    assert (difference > 1e-3) == (left_out == "documents" or model.positions is not None)


def test_what_another_example_in_the_row_says_changes_neither_loss_nor_gradient(packed, in_float64):
    model = make("llama")
    row = next(row for row in range(len(packed["ids"])) if packed["documents"][row].max() == 2)
    whole = {name: tensor[row : row + 1] for name, tensor in packed.items()}
    own = whole["documents"] == 1
    whole["targets"] = whole["targets"].where(own, -100)
    expected = learned(model, whole)
    other = learned(model, {**whole, "ids": whole["ids"].where(own, 99)})
    alone = learned(model, {name: whole[name][:, own[0]] for name in ("ids", "targets")})
    assert other[0] == pytest.approx(expected[0], abs=1e-12)
    assert alone[0] == pytest.approx(expected[0], abs=1e-9)
    # The gradient of the embedding differs by rows: what is only read by others has none.
    assert_close(alone[2], expected[2], atol=1e-9, rtol=0)
    assert expected[1] == int((whole["targets"] != -100).sum()) > 0


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_with_lora_the_head_stays_and_what_learns_gets_the_same_gradient_packed_or_not(
    name, packed, unpacked, in_float64
):
    model = add_lora(make(name), rank=2, alpha=4, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for layer in lora_layers(model).values():  # B begins as zero, and A would get no gradient
            layer.lora_B.add_(
                0.1 * torch.randn(layer.lora_B.shape, generator=torch.Generator().manual_seed(1))
            )
    one, many = learned(model, packed), learned(model, unpacked)
    assert len(one[2]) == 2 * len(lora_layers(model)) > 0
    assert model.unembed.weight.grad is None
    assert one[0] == pytest.approx(many[0], abs=1e-9)
    assert_close(one[2], many[2], atol=1e-9, rtol=0)
    logits = model(unpacked["ids"]).flatten(0, 1)
    plain = F.cross_entropy(logits, unpacked["targets"].flatten(), reduction="sum", ignore_index=-100)
    parameters = [p for p in model.parameters() if p.requires_grad]
    assert one[0] == pytest.approx(plain.item(), abs=1e-9)
    assert_close(one[2], list(torch.autograd.grad(plain, parameters)), atol=1e-9, rtol=0)


@pytest.mark.parametrize("is_packed", [True, False])
def test_one_step_of_training_is_the_same_however_its_examples_are_cut_into_micro_batches(
    examples, is_packed
):
    """Answers of all lengths: an average for each micro-batch would weigh them wrongly."""
    samples = PackedAnswers(examples, seed=0) if is_packed else examples
    stack = stack_answers if is_packed else stack_windows
    after = []
    for micro_batch in (1, 2, len(samples)):
        model = make("gpt2")
        batches = Batches(
            samples,
            Order(len(samples), 0),
            samples_per_step=len(samples),
            micro_batch=micro_batch,
            stack=stack,
        )
        settings = TrainSettings(
            steps=1,
            tokens_per_step=LENGTH,
            sequence_length=LENGTH,
            micro_batch=1,
            learning_rate=1e-2,
            precision="float32",
        )
        state = train(Answers(model), batches, settings)
        after.append((state.gradient_norm, state.loss))
    for norm, loss in after[1:]:
        assert norm == pytest.approx(after[0][0], rel=1e-12)
        assert loss == pytest.approx(after[0][1], rel=1e-6)  # the loop adds it up in float32
