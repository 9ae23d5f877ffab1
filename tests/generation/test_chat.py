"""A model in a conversation: what it reads, and what ends its answer, here and in other programs."""

import json

import pytest
import torch
from tests.text.chats import said
from transformers import AutoTokenizer, GenerationConfig

from groundup.errors import UserError
from groundup.generation.chat import chat_ids, speaking
from groundup.generation.engine import generate
from groundup.text.tokenizer import Tokenizer
from groundup.weights.folder import ENDS, load, save


def test_what_ends_an_answer_is_written_where_other_programs_look_for_it(make_loaded, tmp_path):
    save(tmp_path, speaking(make_loaded()))
    assert GenerationConfig.from_pretrained(tmp_path).eos_token_id == [0, 4]  # the border, and <|end|>
    assert json.loads((tmp_path / "config.json").read_text())[ENDS] == [0, 4]
    assert load(tmp_path).ends == {0, 4}


def test_only_the_ends_change(make_loaded, tmp_path):
    loaded = make_loaded(card="A card.")
    save(tmp_path / "usual", loaded)
    usual = load(tmp_path / "usual").generation
    assert loaded.generation == {}
    changed = speaking(loaded)
    assert (changed.model, changed.tokenizer, changed.card) == (loaded.model, loaded.tokenizer, "A card.")
    assert changed.generation == {**usual, ENDS: [0, 4]}
    assert loaded.generation == {}
    loaded.generation = {"do_sample": False, ENDS: 0}
    try:
        assert speaking(loaded).generation == {"do_sample": False, ENDS: [0, 4]}
    finally:
        loaded.generation = {}


def test_an_answer_ends_where_the_template_ends_it(make_loaded):
    loaded = make_loaded(tie_embeddings=False)
    with torch.no_grad():  # whatever it reads, it says <|end|>
        loaded.model.final_norm.weight.zero_()
        loaded.model.final_norm.bias.fill_(1.0)
        loaded.model.unembed.weight.zero_()[4] = 1.0
    prompt = [chat_ids(loaded, said("a"))]
    (last,) = generate(speaking(loaded), prompt, temperature=0, max_tokens=3)
    assert (last.text, last.finished) == ("", "border")
    before = "".join(piece.text for piece in generate(loaded, prompt, temperature=0, max_tokens=3))
    assert before == "<|end|>" * 3


def test_a_model_reads_what_transformers_would_give_it(make_loaded, tmp_path):
    loaded = make_loaded()
    save(tmp_path, loaded)
    messages = said("Whose?", "The miller's.", "Why?", system="Be kind.")
    theirs = AutoTokenizer.from_pretrained(tmp_path)
    assert chat_ids(loaded, messages) == theirs.apply_chat_template(
        messages, add_generation_prompt=True, return_dict=False
    )


def test_a_model_without_a_template_cannot_speak(make_loaded):
    loaded = make_loaded()
    loaded.tokenizer = Tokenizer(loaded.tokenizer.library, {})
    with pytest.raises(UserError, match="This model has no chat template"):
        speaking(loaded)
