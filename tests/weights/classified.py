"""Tiny classifiers, theirs and ours, and the logits that both give for texts."""

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

from groundup.data.label_examples import LabelledExamples, stack_labelled
from groundup.model.classifier import Classifier
from groundup.model.config import ModelConfig
from groundup.text.tokenizer import Tokenizer
from groundup.weights.folder import Loaded
from groundup.zoo import FAMILIES
from tests.weights.adapted import seeded
from tests.zoo.conftest import EXAMPLES

LABELS = ("ham", "spam", "who knows")
TEXTS = ["Win a prize now!", "Ok", "See you at the mill", "x"]


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
