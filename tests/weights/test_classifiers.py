"""Classifiers: transformers opens ours and we open theirs, plain and with PEFT, with the same logits from texts."""

import copy
import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer as Library
from tokenizers.processors import TemplateProcessing
from torch import Tensor
from torch.testing import assert_close
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

from groundup.data.label_examples import LabelledExamples, stack_labelled
from groundup.errors import UserError
from groundup.model.classifier import Classifier
from groundup.model.config import ModelConfig
from groundup.model.lora import add_lora, lora_layers, merge_lora
from groundup.text.tokenizer import Tokenizer
from groundup.weights import adapters
from groundup.weights.adapter_config import ADAPTER_CONFIG
from groundup.weights.checkpoints import save_checkpoint
from groundup.weights.classifiers import labels_of, with_padding
from groundup.weights.folder import Loaded, load, load_classifier, save, write_model
from groundup.zoo import FAMILIES
from tests.weights.adapted import named, seeded, shake
from tests.zoo.conftest import EXAMPLES

LABELS = ("ham", "spam", "who knows")
TEXTS = ["Win a prize now!", "Ok", "See you at the mill", "x"]
TURNED = {"gpt2"}


@dataclass
class Theirs:
    """A tiny classifier of transformers, all its numbers shaken, and the folder that it wrote."""

    name: str
    model: Any
    folder: Path

    def copy(self) -> Any:
        return copy.deepcopy(self.model)


def make_theirs(name: str, folder: Path) -> Theirs:
    shape = next(iter(EXAMPLES[name].shapes.values()))
    ends = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 1}
    named = {"id2label": dict(enumerate(LABELS)), "label2id": {n: i for i, n in enumerate(LABELS)}}
    config = AutoConfig.for_model(FAMILIES.get(name).model_type, **shape, **ends, **named)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = AutoModelForSequenceClassification.from_config(config).eval()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter += 0.1 * torch.randn_like(parameter)
    model.save_pretrained(folder)
    Tokenizer.from_bytes().save(folder)
    return Theirs(name, model, folder)


@pytest.fixture(scope="module")
def theirs_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Theirs]:
    return functools.cache(lambda name: make_theirs(name, tmp_path_factory.mktemp(name)))


@pytest.fixture(params=FAMILIES.names())
def theirs(request: pytest.FixtureRequest, theirs_of: Callable[[str], Theirs]) -> Theirs:
    """A classifier of each family."""
    return theirs_of(request.param)


@torch.no_grad()
def our_logits(loaded: Loaded[Any], texts: list[str] = TEXTS) -> Tensor:
    examples = LabelledExamples(texts, [0] * len(texts), loaded.tokenizer, 24)
    batch = stack_labelled([examples[i] for i in range(len(examples))])
    return loaded.model(batch["ids"], batch["lengths"])


@torch.no_grad()
def their_logits(model: Any, folder: Path, texts: list[str] = TEXTS) -> Tensor:
    """What people get who give texts to transformers, all in one padded batch."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    given = tokenizer(texts, padding=True, return_tensors="pt")
    return model(input_ids=given["input_ids"], attention_mask=given["attention_mask"]).logits


def ours(name: str, tokenizer: Tokenizer | None = None, seed: int = 0) -> Loaded[Classifier]:
    """A classifier of our own, all its numbers shaken."""
    family = FAMILIES.get(name)
    sizes = {"vocab_size": 270, "context_length": 24, "d_model": 16, "n_layers": 2, "n_heads": 2}
    model = Classifier(family.model(ModelConfig(**{**family.defaults, **sizes})), len(LABELS)).eval()
    with torch.no_grad():
        for number, parameter in enumerate(model.parameters()):
            parameter += 0.1 * torch.randn(parameter.shape, generator=seeded(seed + number))
    return Loaded(model, tokenizer or Tokenizer.from_bytes(), model.config, labels=LABELS)


def test_a_classifier_of_transformers_loads_here_with_the_same_logits(theirs):
    loaded = load_classifier(theirs.folder)
    assert loaded.labels == LABELS
    expected = their_logits(theirs.model, theirs.folder)
    assert expected.std(0).min() > 1e-2, "the texts must be told apart, or nothing is tested"
    assert_close(our_logits(loaded), expected, atol=1e-5, rtol=0)


def test_ours_opens_in_transformers_with_the_same_logits_and_labels(theirs, tmp_path):
    loaded = ours(theirs.name)
    save(tmp_path / "model", loaded)
    opened, info = AutoModelForSequenceClassification.from_pretrained(
        tmp_path / "model", output_loading_info=True
    )
    assert not any(info.values()), info
    assert opened.config.id2label == dict(enumerate(LABELS))
    assert opened.config.label2id == {name: id for id, name in enumerate(LABELS)}
    assert (
        type(opened).__name__ == json.loads((tmp_path / "model/config.json").read_text())["architectures"][0]
    )
    assert_close(their_logits(opened.eval(), tmp_path / "model"), our_logits(loaded), atol=1e-5, rtol=0)


def test_from_them_to_us_and_back_not_a_number_changes(theirs, tmp_path):
    save(tmp_path / "again", load_classifier(theirs.folder))
    before, after = (
        load_file(folder / "model.safetensors") for folder in (theirs.folder, tmp_path / "again")
    )
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_checkpoint_of_a_classifier_is_one_too(tmp_path):
    loaded = ours("llama")
    write = partial(write_model, loaded=loaded)
    folder = save_checkpoint(tmp_path, write, step=3, tensors={}, values={}, keep=1)
    assert_close(our_logits(load_classifier(folder)), our_logits(loaded), atol=0, rtol=0)


def test_the_pad_token_is_one_that_ends_no_text(tmp_path):
    gpt2 = Tokenizer(Tokenizer.from_bytes().library, {"eos_token": "<|endoftext|>"})
    assert with_padding(gpt2).config["pad_token"] == "<|pad|>"
    library = Library.from_str(Tokenizer.from_bytes().library.to_str())
    library.post_processor = TemplateProcessing(single="$A <|pad|>", special_tokens=[("<|pad|>", 1)])
    ending = Tokenizer(library, {"pad_token": "<|pad|>", "eos_token": "<|pad|>"})
    assert with_padding(ending).config["pad_token"] == "<|endoftext|>"
    save(tmp_path / "model", loaded := ours("gpt2", ending))
    opened = AutoModelForSequenceClassification.from_pretrained(tmp_path / "model").eval()
    assert opened.config.pad_token_id == 0
    assert_close(their_logits(opened, tmp_path / "model"), our_logits(loaded), atol=1e-5, rtol=0)


def test_without_any_special_token_there_is_nothing_to_pad_with():
    library = json.loads(Tokenizer.from_bytes().library.to_str())
    for token in library["added_tokens"]:
        token["special"] = False
    with pytest.raises(UserError, match="no special token that could fill up short texts. Add a pad_token"):
        with_padding(Tokenizer(Library.from_str(json.dumps(library)), {}))


def test_a_foreign_classifier_whose_texts_end_with_the_pad_token_is_refused(theirs_of, tmp_path):
    library = Library.from_str(Tokenizer.from_bytes().library.to_str())
    library.post_processor = TemplateProcessing(single="$A <|pad|>", special_tokens=[("<|pad|>", 1)])
    theirs_of("gpt2").copy().save_pretrained(tmp_path)
    Tokenizer(library, {"pad_token": "<|pad|>"}).save(tmp_path)
    with pytest.raises(UserError, match=r"ends each text with the token that pads \(pad_token_id 1\)"):
        load_classifier(tmp_path)


CONFIGS = {
    "regression": ({"problem_type": "regression"}, "gives each text one number"),
    "one label": ({"id2label": {"0": "LABEL_0"}}, "gives each text one number"),
    "several at once": ({"problem_type": "multi_label_classification"}, "several labels at once"),
    "a label is missing": ({"id2label": {"0": "ham", "2": "spam"}}, "expected one name of its own for each"),
    "the same name twice": ({"id2label": {"0": "ham", "1": "ham"}}, "expected one name of its own for each"),
    "no names": ({"id2label": ["ham", "spam"]}, "expected one name of its own for each"),
    "more labels than the head": (
        {"id2label": {str(i): f"l{i}" for i in range(4)}},
        r"has shape \(3, 32\), but",
    ),
}


@pytest.mark.parametrize("changes, told", CONFIGS.values(), ids=CONFIGS)
def test_a_head_that_does_something_else_is_refused(theirs_of, tmp_path, changes, told):
    theirs_of("gpt2").copy().save_pretrained(tmp_path)
    Tokenizer.from_bytes().save(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | changes))
    with pytest.raises(UserError, match=told):
        load_classifier(tmp_path)


def test_labels_that_nobody_named_are_called_as_transformers_calls_them():
    assert labels_of({}) == labels_of({"num_labels": 2}) == ("LABEL_0", "LABEL_1")
    assert labels_of({"id2label": {"1": "b", "0": "a"}}) == ("a", "b")


def test_a_classifier_is_no_language_model_and_the_other_way_round(theirs_of, make_loaded, tmp_path):
    with pytest.raises(UserError, match="is a classifier: it sorts texts into ham, spam, who knows"):
        load(theirs_of("bert").folder)
    with pytest.raises(UserError, match="has no head that sorts texts. Teach it one with groundup finetune"):
        load_classifier(save(tmp_path / "plain", make_loaded()))


@pytest.mark.parametrize("name, tensor", [("bert", "bert.pooler.dense.bias"), ("gpt2", "score.weight")])
def test_a_classifier_without_a_part_is_refused(theirs_of, tmp_path, name, tensor):
    theirs_of(name).copy().save_pretrained(tmp_path)
    Tokenizer.from_bytes().save(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    del tensors[tensor]
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=f"The weights lack '{tensor}'"):
        load_classifier(tmp_path)


def test_an_encoders_dropout_before_the_head_comes_back(tmp_path):
    loaded = ours("bert")
    loaded.model.drop.p = 0.35
    save(tmp_path / "model", loaded)
    assert load_classifier(tmp_path / "model").model.drop.p == 0.35
    opened = AutoModelForSequenceClassification.from_pretrained(tmp_path / "model")
    assert opened.dropout.p == 0.35


def their_base(base: Any) -> Any:
    """The plain base model, opened by transformers with a new head for three labels."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return AutoModelForSequenceClassification.from_pretrained(base.folder, num_labels=3, pad_token_id=1)


@pytest.mark.filterwarnings("ignore:Some weights of")
def test_peft_opens_our_lora_classifier_on_the_plain_base_with_the_same_logits(base, tmp_path):
    loaded = base.loaded()
    add_lora(loaded.model, rank=3, alpha=5, generator=seeded())
    loaded.model, loaded.labels = Classifier(loaded.model, 3, 0.0, generator=seeded()).eval(), LABELS
    shake(loaded.model)
    adapters.save(tmp_path / "adapter", loaded)
    config = json.loads((tmp_path / "adapter" / ADAPTER_CONFIG).read_text())
    head = "classifier" if base.name == "bert" else "score"
    assert (config["task_type"], config["modules_to_save"]) == ("SEQ_CLS", [head])
    wrapped = peft.PeftModel.from_pretrained(their_base(base), tmp_path / "adapter").eval()
    assert type(wrapped).__name__ == "PeftModelForSequenceClassification"
    expected = our_logits(loaded)
    assert_close(their_logits(wrapped, tmp_path / "adapter"), expected, atol=1e-5, rtol=0)
    merged = load_classifier(tmp_path / "adapter")
    assert merged.labels == LABELS and not lora_layers(merged.model)
    assert_close(our_logits(merged), expected, atol=1e-5, rtol=0)


@pytest.mark.filterwarnings("ignore:Some weights of")
def test_a_lora_classifier_of_peft_loads_here_with_the_same_logits(base, tmp_path):
    turned = base.name in TURNED
    kind = peft.LoraConfig(
        task_type=peft.TaskType.SEQ_CLS,
        target_modules=[*named(base)],
        r=4,
        lora_alpha=6,
        fan_in_fan_out=turned,
    )
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = peft.get_peft_model(their_base(base), kind).eval()
    shake(model)
    model.save_pretrained(str(tmp_path))
    Tokenizer.from_bytes().save(tmp_path)
    expected = their_logits(model, tmp_path)
    loaded = adapters.attach(base.loaded(), tmp_path)
    assert loaded.labels == ("LABEL_0", "LABEL_1", "LABEL_2")
    assert_close(our_logits(loaded), expected, atol=1e-5, rtol=0)
    learn = [name for name, p in loaded.model.named_parameters() if p.requires_grad]
    assert "head.weight" in learn and all("lora_" in name or name.startswith("head.") for name in learn)
    adapters.save(tmp_path / "again", loaded)
    wrapped = peft.PeftModel.from_pretrained(their_base(base), tmp_path / "again").eval()
    assert_close(their_logits(wrapped, tmp_path / "again"), expected, atol=1e-5, rtol=0)
    merge_lora(loaded.model)
    assert_close(our_logits(loaded), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["llama", "bert"])
def test_lora_beside_a_classifier_travels_too(theirs_of, tmp_path, name):
    loaded = load_classifier(theirs_of(name).folder)
    add_lora(loaded.model, rank=2, alpha=4, targets="attention", generator=seeded())
    shake(loaded.model)
    adapters.save(tmp_path / "adapter", loaded)
    wrapped = peft.PeftModel.from_pretrained(theirs_of(name).copy(), tmp_path / "adapter").eval()
    expected = our_logits(loaded)
    assert_close(their_logits(wrapped, tmp_path / "adapter"), expected, atol=1e-5, rtol=0)
    again = adapters.attach(load_classifier(theirs_of(name).folder), tmp_path / "adapter")
    assert again.labels == LABELS
    assert_close(our_logits(again), expected, atol=0, rtol=0)


def test_an_adapter_for_other_labels_changes_nothing(theirs_of, base_of_family, tmp_path):
    base = base_of_family("gpt2")
    loaded = base.loaded()
    add_lora(loaded.model, rank=2, alpha=2, generator=seeded())
    loaded.model = Classifier(loaded.model, 2)
    loaded.labels = ("a", "b")
    adapters.save(tmp_path / "adapter", loaded)
    other = load_classifier(theirs_of("gpt2").folder)
    with pytest.raises(UserError, match=r"its score.weight is \(2, 32\), here \(3, 32\)"):
        adapters.attach(other, tmp_path / "adapter")
    assert other.labels == LABELS and not lora_layers(other.model)
    (tmp_path / "adapter/labels.json").write_text('{"id2label": {"0": "a", "1": "b", "2": "c"}}')
    plain = base.loaded()
    with pytest.raises(UserError, match="labels.json names 3 labels, but the adapter's head tells 2 apart"):
        adapters.attach(plain, tmp_path / "adapter")
    assert plain.model(base.ids).shape[-1] == 270
