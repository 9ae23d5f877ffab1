"""Classifiers with LoRA: PEFT opens ours and we open PEFT's, with the same logits for texts."""

import json
from typing import Any

import peft
import pytest
import torch
from torch.testing import assert_close
from transformers import AutoModelForSequenceClassification

from groundup.errors import UserError
from groundup.model.classifier import Classifier
from groundup.model.lora import add_lora, lora_layers, merge_lora
from groundup.text.tokenizer import Tokenizer
from groundup.weights import adapters
from groundup.weights.adapter_config import ADAPTER_CONFIG
from groundup.weights.folder import load_classifier
from tests.weights.adapted import QKV_SHARED, named, seeded, shake
from tests.weights.classified import LABELS, our_logits, their_logits


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
    turned = base.name in QKV_SHARED
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
def test_lora_beside_a_classifier_travels_too(classifier_of, tmp_path, name):
    loaded = load_classifier(classifier_of(name).folder)
    add_lora(loaded.model, rank=2, alpha=4, targets="attention", generator=seeded())
    shake(loaded.model)
    adapters.save(tmp_path / "adapter", loaded)
    wrapped = peft.PeftModel.from_pretrained(classifier_of(name).copy(), tmp_path / "adapter").eval()
    expected = our_logits(loaded)
    assert_close(their_logits(wrapped, tmp_path / "adapter"), expected, atol=1e-5, rtol=0)
    again = adapters.attach(load_classifier(classifier_of(name).folder), tmp_path / "adapter")
    assert again.labels == LABELS
    assert_close(our_logits(again), expected, atol=0, rtol=0)


def test_an_adapter_for_other_labels_changes_nothing(classifier_of, base_of_family, tmp_path):
    base = base_of_family("gpt2")
    loaded = base.loaded()
    add_lora(loaded.model, rank=2, alpha=2, generator=seeded())
    loaded.model = Classifier(loaded.model, 2)
    loaded.labels = ("a", "b")
    adapters.save(tmp_path / "adapter", loaded)
    other = load_classifier(classifier_of("gpt2").folder)
    with pytest.raises(UserError, match=r"its score.weight is \(2, 32\), here \(3, 32\)"):
        adapters.attach(other, tmp_path / "adapter")
    assert other.labels == LABELS and not lora_layers(other.model)
    (tmp_path / "adapter/labels.json").write_text('{"id2label": {"0": "a", "1": "b", "2": "c"}}')
    plain = base.loaded()
    with pytest.raises(UserError, match="labels.json names 3 labels, but the adapter's head tells 2 apart"):
        adapters.attach(plain, tmp_path / "adapter")
    assert plain.model(base.ids).shape[-1] == 270
