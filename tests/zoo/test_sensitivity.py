"""The comparison with transformers sees small mistakes: each one is made here, and it must fail."""

import dataclasses
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import AutoModel, AutoModelForCausalLM

from groundup.model import layers
from groundup.model.config import RopeScaling
from groundup.text.library import read_json
from groundup.weights.folder import Loaded, load
from tests.zoo import test_conformance as decoders
from tests.zoo import test_encoders as encoders
from tests.zoo.conftest import make_case

LLAMA_3 = "slow angles divided, as in Llama 3"
SLOWED = RopeScaling(  # what that shape has
    kind="llama3",
    factor=8.0,
    original_context=16,
    low_frequency_factor=0.2,
    high_frequency_factor=2.0,
)
WRONG_VALUES: list[tuple[str, str, dict[str, Any]]] = [
    ("mistral", "a window of five", {"window": 4}),
    ("mistral", "a window of five", {"window": 6}),
    ("mistral", "a window of five", {"layer_pattern": "G"}),
    ("mistral", "a window of all but one", {"window": 24}),
    ("mistral", "a window of one, one key for all, tied", {"window": 2}),
    ("gpt_neo", "a window of five", {"window": 4}),
    ("gpt_neo", "a window of five", {"window": 6}),
    ("gpt_neo", "a window of five", {"layer_pattern": "LG"}),
    ("gpt_neo", "three heads, local first", {"layer_pattern": "GLL"}),
    ("gpt_neo", "a window of all but one", {"window": 24}),
    ("gpt2", "plain", {"activation": "gelu"}),
    ("gpt2", "exact gelu, untied", {"activation": "gelu_tanh"}),
    ("gpt_neo", "a window of five", {"activation": "gelu"}),
    ("mistral", "a window of five", {"activation": "gelu"}),
    ("gemma", "wide heads, one key for all", {"activation": "gelu"}),
    ("bert", "plain", {"activation": "gelu_tanh"}),
    ("bert", "gelu_new, eps", {"activation": "gelu"}),
    ("gpt_neo", "a window of five", {"attention_scale": None}),  # GPT-Neo divides scores by nothing
    ("gpt2", "unscaled attention", {"attention_scale": None}),
    ("gemma", "wide heads, one key for all", {"norm": "rms"}),
    ("gemma", "wide heads, one key for all", {"scale_embeddings": False}),
    ("gpt2", "plain", {"norm_eps": 1e-6}),
    ("gpt_neo", "a window of five", {"norm_eps": 1e-6}),
    ("mistral", "a window of five", {"norm_eps": 1e-5}),
    ("bert", "plain", {"norm_eps": 1e-5}),
    ("llama", "two heads share one key", {"rope_base": 10_010.0}),
    ("llama", "angles divided by three", {"rope_scaling": None}),
    ("llama", LLAMA_3, {"rope_scaling": None}),
    ("llama", LLAMA_3, {"rope_scaling": dataclasses.replace(SLOWED, factor=8.1)}),
    ("llama", LLAMA_3, {"rope_scaling": dataclasses.replace(SLOWED, original_context=17)}),
    ("llama", LLAMA_3, {"rope_scaling": dataclasses.replace(SLOWED, low_frequency_factor=0.25)}),
    ("llama", LLAMA_3, {"rope_scaling": dataclasses.replace(SLOWED, high_frequency_factor=2.1)}),
    ("qwen2", "two heads share one key", {"qkv_bias": False}),
    ("qwen3", "two heads share one key", {"qk_norm": False}),
]


def keys_in_turn(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys dealt out to the query heads as 0 1 0 1, where 0 0 1 1 is right."""

    def dealt(query: Tensor, key: Tensor, value: Tensor, **named: Any) -> Tensor:
        times = query.shape[1] // key.shape[1]
        key, value = key.repeat(1, times, 1, 1), value.repeat(1, times, 1, 1)
        return F.scaled_dot_product_attention(query, key, value, **named)

    monkeypatch.setattr(layers, "F", SimpleNamespace(**{**vars(F), "scaled_dot_product_attention": dealt}))


def neighbours_turn_together(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pairs (0, 1), (2, 3) as in the first Llama, where (j, j + K/2) are right."""

    def turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        first, second = x[..., ::2], x[..., 1::2]
        cos, sin = cos.chunk(2, -1)[0], sin.chunk(2, -1)[0]
        return torch.stack((first * cos - second * sin, second * cos + first * sin), -1).flatten(-2)

    monkeypatch.setattr(layers, "rotate", turned)


def queries_for_keys(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first two thirds of GPT-2's one matrix, taken for each other."""
    attention = model.blocks[1].attention
    attention.query, attention.key = attention.key, attention.query


def a_square_matrix_on_its_side(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its shape does not tell."""
    weight = model.blocks[0].attention.output.weight
    weight.data = weight.data.t().contiguous()


def norms_before(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a GPT-2, where BERT has them behind the sums."""
    for block in model.blocks:
        block.norms_after = False


def segments_in_the_other_order(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model.segments.weight.data = model.segments.weight.data.flip(0)


def no_segments(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of a text in the first one."""
    model.segments.weight.data[1] = model.segments.weight.data[0]


WRONG_CODE: list[tuple[str, str, Callable[[Any, pytest.MonkeyPatch], None]]] = [
    ("llama", "two heads share one key", keys_in_turn),
    ("llama", "two heads share one key", neighbours_turn_together),
    ("gpt2", "plain", queries_for_keys),
    ("gpt2", "plain", a_square_matrix_on_its_side),
    ("bert", "plain", norms_before),
    ("bert", "plain", segments_in_the_other_order),
    ("bert", "plain", no_segments),
]


def spoken(value: Any) -> str:
    """What to call a mistake."""
    if isinstance(value, dict):
        return ", ".join(f"{k}={v}" for k, v in value.items())
    return getattr(value, "__name__", value)


@pytest.mark.parametrize("name, shape, mistake", [*WRONG_VALUES, *WRONG_CODE], ids=spoken)
def test_a_small_mistake_makes_the_parity_test_fail(name, shape, mistake, monkeypatch, tmp_path):
    is_encoder = name == "bert"
    case = make_case(name, shape, AutoModel if is_encoder else AutoModelForCausalLM, tmp_path)
    right = case.family.read(read_json(tmp_path / "config.json"))
    wrong = dataclasses.replace(right, **mistake) if isinstance(mistake, dict) else right

    def mistaken(*_: Any) -> Any:
        model = case.family.model(wrong).eval()
        numbers = load(tmp_path).model.state_dict()
        model.load_state_dict({name: numbers[name] for name in model.state_dict()})
        if not isinstance(mistake, dict):
            mistake(model, monkeypatch)
        return model if is_encoder else Loaded(model, load(tmp_path).tokenizer, wrong)

    module, place = (encoders, "ours_of") if is_encoder else (decoders, "load")
    parity = (
        encoders.test_hidden_states_and_the_pooled_token_equal_those_of_transformers
        if is_encoder
        else decoders.test_logits_equal_those_of_transformers
    )
    parity(case)
    assert wrong != right or not isinstance(mistake, dict)
    monkeypatch.setattr(module, place, mistaken)
    with pytest.raises(AssertionError, match="Tensor-likes are not close"):
        parity(case)
