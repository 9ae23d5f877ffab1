"""config.json as published models have it: read as it is meant, and computed as transformers computes it.

The files in `published/` have their keys, old names among them; a smaller model's sizes replace some of them.
"""

import copy
import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch.testing import assert_close
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

from groundup.model.config import ModelConfig
from groundup.model.decoder import Decoder
from groundup.text.library import read_json
from groundup.weights.folder import load, save
from groundup.zoo import FAMILIES, family_of, resolved
from tests.text.kinds import KINDS

FILES = Path(__file__).parent / "published"
SMALL = {
    "vocab_size": 420,
    "hidden_size": 32,
    "intermediate_size": 44,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 24,
}
SMALL_NEO = {
    "vocab_size": 420,
    "hidden_size": 32,
    "num_layers": 4,
    "num_heads": 4,
    "max_position_embeddings": 24,
    "window_size": 5,
    "attention_types": [[["global", "local"], 2]],
    "attention_layers": ["global", "local"] * 2,
}
SMALL_GPT2 = {"vocab_size": 420, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 24, "n_ctx": 24}


class Published(NamedTuple):
    """What the file of a model means, and what makes a small one of it."""

    family: str
    size: str  # its name among the published sizes of the family
    small: dict[str, Any]
    tokenizer: str


MODELS = {
    "zephyr-7b-beta": Published(
        "mistral", "7B", SMALL | {"num_key_value_heads": 1, "sliding_window": 5}, "llama 2"
    ),
    "TinyLlama-1.1B-Chat-v1.0": Published(
        "llama", "TinyLlama-1.1B", SMALL | {"num_key_value_heads": 2}, "llama 2"
    ),
    "Llama-3.2-1B-Instruct": Published(
        "llama", "3.2-1B", SMALL | {"num_key_value_heads": 1, "head_dim": 8}, "gpt2"
    ),
    # A window that is switched off: it must not be taken for one that is on.
    "Qwen2.5-0.5B-Instruct": Published(
        "qwen2", "0.5B", SMALL | {"num_key_value_heads": 2, "sliding_window": 5}, "qwen"
    ),
    "Qwen3-0.6B": Published("qwen3", "0.6B", SMALL | {"num_key_value_heads": 2, "head_dim": 14}, "qwen"),
    "gemma-2b": Published("gemma", "2B", SMALL | {"num_key_value_heads": 1, "head_dim": 14}, "gemma"),
    "gpt-neo-125m": Published("gpt_neo", "125M", SMALL_NEO, "gpt2"),
    "DialoGPT-medium": Published("gpt2", "355M", SMALL_GPT2, "gpt2"),
    "bert-base-uncased": Published("bert", "base", SMALL, "bert"),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_published_file_means_the_published_size(name):
    published, config_json = MODELS[name], read_json(FILES / f"{name}.json")
    family = FAMILIES.get(published.family)
    assert family_of(config_json) is family
    # Dropout of a file is what the model was trained with.
    dropout = {"dropout": 0.1} if published.family in ("gpt2", "bert") else {}
    expected = ModelConfig(**{**family.defaults, **family.sizes[published.size], **dropout})
    assert resolved(family.read(config_json)) == resolved(expected)


def test_every_published_file_is_tested():
    assert {path.stem for path in FILES.glob("*.json")} == MODELS.keys()


@pytest.mark.parametrize("name", MODELS)
def test_a_small_one_by_the_published_file_computes_as_in_transformers_and_comes_back(name, tmp_path):
    """transformers, too, reads the file in its old form. The weights are bf16, as most published ones are."""
    published = MODELS[name]
    config_json = read_json(FILES / f"{name}.json") | published.small
    config_json |= {key: 2 for key in ("bos_token_id", "eos_token_id", "pad_token_id") if key in config_json}
    (tmp_path / "config.json").write_text(json.dumps(config_json), "utf-8")
    is_decoder = FAMILIES.get(published.family).model is Decoder
    opener: Any = AutoModelForCausalLM if is_decoder else AutoModel
    with torch.random.fork_rng():
        torch.manual_seed(1)
        theirs = opener.from_config(AutoConfig.from_pretrained(tmp_path), dtype=torch.float32).eval()
        with torch.no_grad():
            for parameter in theirs.parameters():
                parameter.copy_((parameter + 0.05 * torch.randn_like(parameter)).bfloat16())
    copy.deepcopy(theirs).to(torch.bfloat16).save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(config_json), "utf-8")
    tokenizer = KINDS[published.tokenizer].make()
    tokenizer.save(tmp_path)

    ids = torch.randint(420, (2, 24), generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        ours, known = load(tmp_path).model(ids), theirs(ids)[0]
    assert known.std() > 0.05
    assert_close(ours if is_decoder else ours[0], known, atol=1e-5, rtol=0)
    save(tmp_path / "ours", load(tmp_path, dtype=torch.bfloat16))
    again = opener.from_pretrained(tmp_path / "ours").state_dict()
    assert again.keys() == theirs.state_dict().keys()
    for key, tensor in theirs.state_dict().items():
        assert again[key].dtype == torch.bfloat16
        assert torch.equal(tensor, again[key].float()), key
    text = "The miller's daughter hasn't slept: 1, 22, 333!\n\n naïf 🍞"
    assert load(tmp_path / "ours").tokenizer.encode(text) == tokenizer.encode(text)
