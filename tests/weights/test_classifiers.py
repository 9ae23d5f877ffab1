"""Classifiers' folders: transformers opens ours and we open theirs, with the same logits for texts."""

import json
from functools import partial

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer as Library
from tokenizers.processors import TemplateProcessing
from torch.testing import assert_close
from transformers import AutoModelForSequenceClassification

from groundup.errors import UserError
from groundup.text.tokenizer import Tokenizer
from groundup.weights.checkpoints import save_checkpoint
from groundup.weights.classifiers import labels_of, with_padding
from groundup.weights.folder import load, load_classifier, save, write_model
from groundup.zoo import FAMILIES
from tests.weights.classified import LABELS, our_logits, ours, their_logits


@pytest.fixture(params=FAMILIES.names())
def theirs(request, classifier_of):
    """A classifier of each family."""
    return classifier_of(request.param)


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


def test_a_foreign_classifier_whose_texts_end_with_the_pad_token_is_refused(classifier_of, tmp_path):
    library = Library.from_str(Tokenizer.from_bytes().library.to_str())
    library.post_processor = TemplateProcessing(single="$A <|pad|>", special_tokens=[("<|pad|>", 1)])
    classifier_of("gpt2").copy().save_pretrained(tmp_path)
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
def test_a_head_that_does_something_else_is_refused(classifier_of, tmp_path, changes, told):
    classifier_of("gpt2").copy().save_pretrained(tmp_path)
    Tokenizer.from_bytes().save(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | changes))
    with pytest.raises(UserError, match=told):
        load_classifier(tmp_path)


def test_labels_that_nobody_named_are_called_as_transformers_calls_them():
    assert labels_of({}) == labels_of({"num_labels": 2}) == ("LABEL_0", "LABEL_1")
    assert labels_of({"id2label": {"1": "b", "0": "a"}}) == ("a", "b")


def test_a_classifier_is_no_language_model_and_the_other_way_round(classifier_of, make_loaded, tmp_path):
    with pytest.raises(UserError, match="is a classifier: it sorts texts into ham, spam, who knows"):
        load(classifier_of("bert").folder)
    with pytest.raises(UserError, match="has no head that sorts texts. Teach it one with groundup finetune"):
        load_classifier(save(tmp_path / "plain", make_loaded()))


@pytest.mark.parametrize("name, tensor", [("bert", "bert.pooler.dense.bias"), ("gpt2", "score.weight")])
def test_a_classifier_without_a_part_is_refused(classifier_of, tmp_path, name, tensor):
    classifier_of(name).copy().save_pretrained(tmp_path)
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
