"""Texts that grow side by side: each says what it would say alone, and what transformers says."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, GenerationConfig
from transformers.generation.logits_process import (
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from groundup.generation.engine import prompt_ids
from groundup.generation.rows import Rows
from groundup.generation.sample import Sampling, draw
from groundup.weights.folder import Loaded, save

GREEDY = Sampling(temperature=0.0)
FREELY = Sampling(temperature=1.2, top_k=0)
EVERYTHING = Sampling(temperature=1.5, top_k=40, top_p=0.95, min_p=0.02, repetition_penalty=1.3)
PROMPTS = ("Once upon", "", "O", "a somewhat longer one")
UNUSED = list(range(261, 300))  # ids that have no token: transformers would say them
LLAMA: dict[str, Any] = {
    "position": "rope",
    "n_kv_heads": 1,
    "norm": "rms",
    "mlp": "gated",
    "activation": "silu",
    "qkv_bias": False,
    "out_bias": False,
    "mlp_bias": False,
    "tie_embeddings": False,
}
KINDS: dict[str, dict[str, Any]] = {
    "GPT-2": {},
    "Llama": LLAMA,
    "windows": {**LLAMA, "layer_pattern": "LG", "window": 3},
}


@pytest.fixture(scope="module")
def model_of(make_loaded: Callable[..., Loaded]) -> Callable[..., Loaded]:
    """A talkative tiny model of a kind; the same one for each test."""
    sizes = {"vocab_size": 300, "context_length": 40, "d_model": 16, "n_layers": 2}
    made = {name: make_loaded(seed=7, shake=0.3, **sizes, **fields) for name, fields in KINDS.items()}
    return made.__getitem__


def tokens(
    loaded: Loaded,
    prompts: Sequence[Sequence[int]],
    steps: int,
    sampling: Sampling,
    seeds: Sequence[int] | None = None,
    **how: Any,
) -> list[list[int]]:
    """The new ids of each prompt, whatever they are."""
    seeds = seeds or range(len(prompts))
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    rows, found = Rows(loaded, prompts, steps, sampling, generators, **how), [list[int]() for _ in prompts]
    for _ in range(steps):
        for number, token in rows.step():
            found[number].append(token)
    return found


@pytest.mark.parametrize("kind", ["GPT-2", "Llama"])
@pytest.mark.parametrize("penalty", [1.0, 1.5])
def test_greedy_tokens_of_a_batch_equal_those_of_transformers(model_of, tmp_path, kind, penalty):
    loaded = model_of(kind)
    theirs: Any = AutoModelForCausalLM.from_pretrained(save(tmp_path / "model", loaded))
    how = GenerationConfig(
        do_sample=False,
        max_new_tokens=18,
        eos_token_id=None,
        pad_token_id=0,
        suppress_tokens=UNUSED,
        repetition_penalty=penalty,
    )
    prompts = [prompt_ids(loaded, prompt) for prompt in PROMPTS]
    ours = tokens(loaded, prompts, 18, Sampling(temperature=0.0, repetition_penalty=penalty))
    for ids, found in zip(prompts, ours, strict=True):
        expected = theirs.generate(torch.tensor([ids]), generation_config=how)[0, len(ids) :].tolist()
        assert found == expected
    assert len({token for found in ours for token in found}) > 5
    if penalty == 1.0:  # with one, transformers would count its padding as said
        longest = max(map(len, prompts))
        padded = torch.tensor([[0] * (longest - len(ids)) + ids for ids in prompts])
        mask = torch.tensor([[0] * (longest - len(ids)) + [1] * len(ids) for ids in prompts])
        together = theirs.generate(padded, attention_mask=mask, generation_config=how)
        assert ours == together[:, longest:].tolist()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sampling", [FREELY, EVERYTHING], ids=["freely", "all filters"])
def test_tokens_are_drawn_from_what_a_whole_forward_and_transformers_filters_say(model_of, kind, sampling):
    """Cache, padding, cut vocabulary, filters, what was seen and the generators together, the plain way."""
    loaded, prompts = model_of(kind), [prompt_ids(model_of(kind), prompt) for prompt in PROMPTS]
    processors = LogitsProcessorList([TemperatureLogitsWarper(sampling.temperature)])
    if sampling is EVERYTHING:
        processors.insert(0, RepetitionPenaltyLogitsProcessor(sampling.repetition_penalty))
        processors.extend([TopKLogitsWarper(40), TopPLogitsWarper(0.95), MinPLogitsWarper(0.02)])
    for number, found in enumerate(tokens(loaded, prompts, 12, sampling)):
        ids, generator = list(prompts[number]), torch.Generator().manual_seed(number)
        for token in found:
            with torch.no_grad():
                logits = loaded.model(torch.tensor([ids]))[:, -1, :261]
            chances = processors(torch.tensor([ids]), logits).softmax(-1)  # type: ignore[arg-type]
            assert token == int(draw(chances, [generator]))
            ids.append(token)
        assert len(set(found)) > 3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sampling", [GREEDY, FREELY, EVERYTHING], ids=["greedy", "freely", "all filters"])
def test_a_row_says_the_same_alone_and_among_rows_that_come_and_go(model_of, kind, sampling):
    loaded, lasts = model_of(kind), (9, 2, 15, 5)
    prompts = [prompt_ids(loaded, prompt) for prompt in PROMPTS]
    generators = [torch.Generator().manual_seed(10 + number) for number in range(4)]
    rows, found = Rows(loaded, prompts, 15, sampling, generators), [list[int]() for _ in prompts]
    while rows.numbers:
        for number, token in rows.step():
            found[number].append(token)
            if len(found[number]) == lasts[number]:
                rows.drop(number)
    alone = [
        tokens(loaded, [ids], n, sampling, [10 + number])[0]
        for number, (ids, n) in enumerate(zip(prompts, lasts, strict=True))
    ]
    assert found == alone


@pytest.mark.parametrize("kind", KINDS)
def test_where_the_context_slides_each_token_follows_from_the_text_in_view(model_of, kind):
    loaded, limit = model_of(kind), 40
    prompts = [prompt_ids(loaded, prompt) for prompt in PROMPTS]
    found = tokens(loaded, prompts, 100, GREEDY, slide=True)
    # All rows are read again as soon as the longest fills the context; only what is too long is cut.
    in_view = [list(ids) for ids in prompts]
    cuts = 0
    for step in range(100):
        if max(map(len, in_view)) > limit:
            in_view = [ids[-limit // 2 :] if len(ids) > limit else ids for ids in in_view]
            cuts += 1
        for number, ids in enumerate(in_view):
            with torch.no_grad():
                token = int(loaded.model(torch.tensor([ids]))[0, -1, :261].argmax())
            assert found[number][step] == token, (number, step)
            ids.append(token)
    assert cuts > 4


def test_ids_without_a_token_are_never_drawn(speaker):
    loaded = speaker([280] * 30)
    for sampling in (GREEDY, Sampling(temperature=1.0, top_k=0)):
        (found,) = tokens(loaded, [[0]], 30, sampling)
        assert max(found) < loaded.tokenizer.vocab_size < 280
    assert set(tokens(loaded, [[0]], 30, GREEDY)[0]) == {9}
