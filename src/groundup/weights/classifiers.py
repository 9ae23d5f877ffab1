"""A classifier's folder as transformers has it: the head in the weights, its labels in config.json."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from groundup.errors import UserError
from groundup.model.classifier import Classifier
from groundup.model.encoder import Encoder
from groundup.text.frame import Frame
from groundup.text.library import read_json
from groundup.text.tokenizer import Tokenizer
from groundup.zoo._family import Family

ENDING = "ForSequenceClassification"
HEAD = "head"  # what the tables of names call it on our side
LABELS = "labels.json"  # beside an adapter: PEFT leaves the names of the labels to the model's config.json


def is_classifier(config_json: Mapping[str, Any]) -> bool:
    """Whether a config.json is that of a model with a head that sorts texts."""
    return any(str(name).endswith(ENDING) for name in config_json.get("architectures") or ())


def labels_of(config_json: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the labels, in the order of the logits. UserError for a head that does another thing."""
    named = config_json.get("id2label") or enumerate(default_labels(config_json.get("num_labels") or 2))
    try:
        labels = {int(id): str(name) for id, name in dict(named).items()}
    except (TypeError, ValueError):
        labels = {}
    kind = config_json.get("problem_type") or "single_label_classification"
    if kind != "single_label_classification" or len(labels) == 1:
        what = "one number" if kind == "regression" or len(labels) == 1 else "several labels at once"
        raise UserError(
            f"This model gives each text {what}, which groundup does not compute. Choose a classifier that "
            f"gives one of two or more labels."
        )
    if not labels or sorted(labels) != [*range(len(labels))] or len(set(labels.values())) < len(labels):
        raise UserError(
            f"The labels are named {str(named)[:60]} (id2label): expected one name of its own for each of "
            f"0, 1, 2 ... Mend it."
        )
    return tuple(labels[id] for id in range(len(labels)))


def labels_beside(folder: Path, count: int) -> tuple[str, ...]:
    """The names of the labels that an adapter's head tells apart: those beside it, else transformers' own."""
    place = folder / LABELS
    labels = labels_of({"num_labels": count, **(read_json(place) if place.is_file() else {})})
    if len(labels) != count:
        raise UserError(
            f"{place} names {len(labels)} labels, but the adapter's head tells {count} apart. Get its files "
            f"again."
        )
    return labels


def label_fields(model: Classifier, labels: Sequence[str]) -> dict[str, Any]:
    """The fields of config.json that name the labels."""
    names = labels or default_labels(model.n_labels)
    assert len(names) == model.n_labels, "a name for each label"
    numbered = {str(id): name for id, name in enumerate(names)}
    return {"id2label": numbered, "label2id": {name: int(id) for id, name in numbered.items()}}


def default_labels(count: int) -> tuple[str, ...]:
    """What transformers calls labels that nobody has named."""
    return tuple(f"LABEL_{id}" for id in range(count))


def head_fields(
    model: Classifier, labels: Sequence[str], tokenizer: Tokenizer, family: Family
) -> dict[str, Any]:
    """The fields of config.json that tell of the head. `tokenizer`: one that `with_padding` gave."""
    fields = {
        "architectures": [re.sub("(ForCausalLM|LMHeadModel|Model)$", ENDING, family.architecture)],
        **label_fields(model, labels),
        "problem_type": "single_label_classification",
        "pad_token_id": tokenizer.pad_id,
    }
    return fields | ({"classifier_dropout": model.drop.p} if isinstance(model.model, Encoder) else {})


def with_padding(tokenizer: Tokenizer) -> Tokenizer:
    """The same tokenizer with a pad token that ends no text.

    transformers takes the last token that is not padding for the last real one, so a text that ended with
    the pad token would be read off another place. UserError if there is no such token.
    """
    tokens = {id: token for token, id in tokenizer.special_tokens.items()}
    for id in (tokenizer.pad_id, tokenizer.border_id, *tokens):
        if id in tokens and [id] != Frame.of(tokenizer).after[-1:]:
            return Tokenizer(tokenizer.library, {**tokenizer.config, "pad_token": tokens[id]})
    raise UserError(
        "This tokenizer has no special token that could fill up short texts. Add a pad_token to its "
        "tokenizer_config.json and tokenizer.json."
    )


def refuse_unpadded(config_json: Mapping[str, Any], tokenizer: Tokenizer) -> None:
    """UserError if every text ends with the pad token: transformers then reads the token before it."""
    if config_json.get("pad_token_id") in Frame.of(tokenizer).after[-1:]:
        raise UserError(
            f"The tokenizer of this classifier ends each text with the token that pads "
            f"(pad_token_id {config_json['pad_token_id']}), so its last real token is not known. Name "
            f"another pad_token_id in config.json."
        )


def pull_classifier(model: Classifier, tensors: Mapping[str, Tensor], family: Family) -> None:
    """Copy a file's tensors into the model and its head. UserError for missing or left-over ones."""
    # What a model may do without, a classifier needs: its head reads the pooler.
    table = dataclasses.replace(family.table, optional=())
    table.pull(model.parts(), tensors, tied=model.config.tie_embeddings)
