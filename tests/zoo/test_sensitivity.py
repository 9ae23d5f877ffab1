"""The comparison with transformers sees small mistakes: each one is made here, and it must fail."""

import dataclasses
from typing import Any

import pytest
from transformers import AutoModel, AutoModelForCausalLM

from groundup.model.encoder import Encoder
from groundup.text.library import read_json
from groundup.weights.folder import Loaded, load
from tests.zoo import test_conformance as decoders
from tests.zoo import test_encoders as encoders
from tests.zoo.conftest import make_case

MISTAKES: list[tuple[str, str, dict[str, Any]]] = [
    ("mistral", "a window of five", {"window": 4}),
    ("mistral", "a window of five", {"window": 6}),
    ("mistral", "a window of all but one", {"window": 24}),
    ("mistral", "a window of one, tied", {"window": 2}),
    ("gpt_neo", "a window of five", {"window": 4}),
    ("gpt_neo", "a window of five", {"window": 6}),
    ("gpt_neo", "a window of five", {"layer_pattern": "LG"}),
    ("gpt_neo", "three heads, local first", {"layer_pattern": "GLL"}),
    ("gpt2", "plain", {"activation": "gelu"}),
    ("gpt2", "exact gelu, untied", {"activation": "gelu_tanh"}),
    ("gpt_neo", "a window of five", {"activation": "gelu"}),
    ("gemma", "wide heads, one key for all", {"activation": "gelu"}),
    ("gemma", "wide heads, one key for all", {"norm": "rms"}),
    ("gemma", "wide heads, one key for all", {"scale_embeddings": False}),
    ("gpt2", "plain", {"norm_eps": 1e-6}),
    ("llama", "two heads share one key", {"rope_base": 10_010.0}),
    ("bert", "plain", {"activation": "gelu_tanh"}),
    ("bert", "gelu_new, eps", {"activation": "gelu"}),
]


def spoken(value: Any) -> str:
    """What to call a mistake."""
    return ", ".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, dict) else value


@pytest.mark.parametrize("name, shape, mistake", MISTAKES, ids=spoken)
def test_a_small_mistake_makes_the_parity_test_fail(name, shape, mistake, monkeypatch, tmp_path):
    is_encoder = name == "bert"
    case = make_case(name, shape, AutoModel if is_encoder else AutoModelForCausalLM, tmp_path)
    right = case.family.read(read_json(tmp_path / "config.json"))
    wrong = dataclasses.replace(right, **mistake)
    assert wrong != right

    def mistaken(*_: Any) -> Any:
        model = case.family.model(wrong).eval()
        model.load_state_dict(load(tmp_path).model.state_dict())
        return model if isinstance(model, Encoder) else Loaded(model, load(tmp_path).tokenizer, wrong)

    module, place = (encoders, "ours_of") if is_encoder else (decoders, "load")
    parity = (
        encoders.test_hidden_states_and_the_pooled_token_equal_those_of_transformers
        if is_encoder
        else decoders.test_logits_equal_those_of_transformers
    )
    parity(case)
    monkeypatch.setattr(module, place, mistaken)
    with pytest.raises(AssertionError, match="Tensor-likes are not close"):
        parity(case)
