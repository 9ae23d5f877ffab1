"""`groundup import`: what is written is what was there, and --verify finds what is not."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from groundup.errors import UserError
from groundup.runs import importing
from groundup.runs.importing import check_openai, compare_tensors, import_model
from groundup.runs.pretrain import pretrain
from groundup.runs.recipe import make_recipe
from groundup.weights import openai
from groundup.weights.folder import Loaded, load, save
from groundup.zoo.gpt2 import FAMILY
from tests.runs.conftest import TINY, quiet_view, said
from tests.weights.bundles import write_bundle
from tests.weights.make_openai_tiny import variables

TINY_SIZE = {"vocab_size": 51, "context_length": 12, "d_model": 16, "n_layers": 2, "n_heads": 2}
OPENAI_TINY = Path(__file__).parent.parent / "weights" / "openai_tiny"
Make = Callable[..., Loaded]


def test_openais_checkpoint_becomes_a_folder_with_the_very_numbers(tmp_path: Path):
    view = quiet_view()
    import_model(str(OPENAI_TINY), tmp_path / "gpt2", view, verify=True)
    written = load_file(tmp_path / "gpt2" / "model.safetensors")
    with np.load(OPENAI_TINY / "expected.npz") as expected:
        assert len(written) == len(expected.files)
        for ours, theirs in (
            ("transformer.wte.weight", "model/wte"),
            ("transformer.h.1.attn.c_attn.weight", "model/h1/attn/c_attn/w"),
            ("transformer.ln_f.bias", "model/ln_f/b"),
        ):
            assert written[ours].numpy().tobytes() == expected[theirs].tobytes()
    assert "Verified: 28 tensors (7,600 numbers), read back, are equal to those of" in said(view)
    assert "gpt2, 7,600 parameters in float32, saved in" in said(view)
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "gpt2").config.model_type == "gpt2"


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_numbers_keep_their_form(make_loaded: Make, tmp_path: Path, dtype: torch.dtype):
    save(tmp_path / "wide", make_loaded())
    half = AutoModelForCausalLM.from_pretrained(tmp_path / "wide", dtype=dtype)
    half.save_pretrained(tmp_path / "theirs", max_shard_size="4KB")
    make_loaded().tokenizer.save(tmp_path / "theirs")
    assert (tmp_path / "theirs" / "model.safetensors.index.json").exists()
    import_model(str(tmp_path / "theirs"), tmp_path / "ours", quiet_view(), verify=True)
    written, state = load_file(tmp_path / "ours" / "model.safetensors"), half.state_dict()
    assert {tensor.dtype for tensor in written.values()} == {dtype}
    for name, tensor in written.items():
        assert torch.equal(tensor, state[name]), name


def test_a_folder_with_both_kinds_of_numbers_loses_none(make_loaded: Make, tmp_path: Path):
    save(tmp_path / "theirs", make_loaded())
    half = AutoModelForCausalLM.from_pretrained(tmp_path / "theirs")
    half.get_input_embeddings().bfloat16()
    half.save_pretrained(tmp_path / "theirs")
    loaded = import_model(str(tmp_path / "theirs"), tmp_path / "ours", quiet_view(), verify=True)
    assert loaded.model.tokens.weight.dtype == torch.float32


def test_files_in_the_old_form_of_the_hub_are_compared_by_todays_names(make_loaded: Make, tmp_path: Path):
    save(tmp_path / "theirs", make_loaded())
    file = tmp_path / "theirs" / "model.safetensors"
    tensors = {name.removeprefix("transformer."): tensor for name, tensor in load_file(file).items()}
    tensors["h.0.attn.bias"] = torch.ones(1, 1, 16, 16)
    tensors["lm_head.weight"] = tensors["wte.weight"].clone()
    save_file(tensors, file)
    view = quiet_view()
    import_model(str(tmp_path / "theirs"), tmp_path / "ours", view, verify=True)
    assert f"Verified: {len(tensors) - 2} tensors" in said(view)


def test_a_folder_that_is_not_empty_is_refused_before_anything_is_read(tmp_path: Path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="full is there already. Choose another folder"):
        import_model("openai:124M", tmp_path / "full", quiet_view())
    with pytest.raises(UserError, match="Could not write .*mine.txt"):
        import_model("openai:124M", tmp_path / "full" / "mine.txt", quiet_view())
    assert (tmp_path / "full" / "mine.txt").read_text() == "mine"


def test_an_empty_folder_may_be_there(tmp_path: Path):
    (tmp_path / "empty").mkdir()
    import_model(str(OPENAI_TINY), tmp_path / "empty", quiet_view())
    assert load(tmp_path / "empty").config.n_layers == 2


def test_what_verifying_refuses_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """As if the disk gave back another number than it was given."""
    read = importing.read_tensors

    def with_one_change(folder: Path):
        tensors = dict(read(folder))
        if folder != OPENAI_TINY:
            tensors["transformer.h.1.mlp.c_fc.bias"][3] += 1e-7
        return tensors

    monkeypatch.setattr(importing, "read_tensors", with_one_change)
    with pytest.raises(UserError, match="1 of 28 tensors are not what .* has, such as 'transformer.h.1.mlp"):
        import_model(str(OPENAI_TINY), tmp_path / "gpt2", quiet_view(), verify=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "ours",
    [
        {"a": torch.zeros(2)},
        {"a": torch.zeros(2), "b": torch.ones(2), "c": torch.ones(1)},
        {"a": torch.zeros(2), "b": torch.tensor([1.0, 1.0000001])},
        {"a": torch.zeros(2), "b": torch.ones(1, 2)},
    ],
    ids=["missing", "left over", "another number", "another shape"],
)
def test_every_difference_between_tensors_is_found(ours: dict[str, torch.Tensor]):
    theirs = {"a": torch.zeros(2), "b": torch.ones(2)}
    assert "2 tensors (4 numbers)" in compare_tensors(theirs, dict(theirs), Path("x"))
    with pytest.raises(UserError, match="1 of 2 tensors are not what x has"):
        compare_tensors(theirs, ours, Path("x"))


def test_a_recipe_starts_from_openais_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setitem(FAMILY.sizes, "tiny", TINY_SIZE)
    kept = tmp_path / "cache" / "groundup" / "downloads" / "gpt2" / "tiny"
    shutil.copytree(OPENAI_TINY, kept)
    (kept / "model.ckpt.meta").write_bytes(b"a graph of operations")
    monkeypatch.setattr(openai, "GPT2_FILES", {})  # the vocabulary is no real one
    train = {**TINY["train"], "steps": 2, "tokens_per_step": 96, "sequence_length": 12, "learning_rate": 1e-9}
    sample, tasks = {"every": 2, "prompts": [""]}, {"tasks": ["perplexity"]}
    table = {**TINY, "model": {"from": "openai:tiny"}, "train": train, "sample": sample, "evaluate": tasks}
    del table["tokenizer"]
    run = pretrain(make_recipe(table), tmp_path / "run", quiet_view(), device="cpu")
    trained, base = load(run.model), load(OPENAI_TINY)
    assert trained.config == base.config
    assert trained.tokenizer.fingerprint == base.tokenizer.fingerprint
    for after, before in zip(trained.model.parameters(), base.model.parameters(), strict=True):
        torch.testing.assert_close(after, before, atol=1e-7, rtol=0)
        assert after.ndim == 1 or not torch.equal(after, before), "it has learned, if only by very little"


@pytest.fixture
def small_gpt2(shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Loaded:
    """OpenAI's vocabulary and a narrow model with random numbers in OpenAI's form, written and read back."""
    sizes = {"n_vocab": 50257, "n_ctx": 8, "n_embd": 4, "n_head": 2, "n_layer": 1}
    folder = tmp_path / "small"
    folder.mkdir()
    for name in ("vocab.bpe", "encoder.json"):
        shutil.copy(shared_data / "gpt2_bpe" / name, folder)
    (folder / "hparams.json").write_text(json.dumps(sizes))
    write_bundle(folder / "model.ckpt", variables(sizes))
    size = {"vocab_size": 50257, "context_length": 8, "d_model": 4, "n_layers": 1, "n_heads": 2}
    monkeypatch.setitem(FAMILY.sizes, "small", size)
    return import_model(str(folder), tmp_path / "written", quiet_view())


def test_openais_model_is_verified_against_what_is_known_and_against_transformers(
    small_gpt2: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    told = "\n".join(check_openai("small", tmp_path / "small", small_gpt2, tmp_path / "written"))
    assert "the shape is that of small, and 'Hello, I am' has the ids [15496, 11, 314, 716]" in told
    assert "the logits are those of transformers (they differ by" in told
    monkeypatch.setitem(importing.NEXT_IDS, "small", -1)
    with pytest.raises(UserError, match="the next id should be -1, not [0-9]+. Nothing was written"):
        check_openai("small", tmp_path / "small", small_gpt2, tmp_path / "written")


def test_another_shape_or_vocabulary_than_the_published_one_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    loaded = load(OPENAI_TINY)
    with pytest.raises(UserError, match="the sha256 of vocab.bpe should be 1ce1664"):
        check_openai("124M", OPENAI_TINY, loaded, tmp_path)
    monkeypatch.setattr(importing, "GPT2_FILES", {})
    with pytest.raises(UserError, match="This is not OpenAI's model: its shape should be"):
        check_openai("124M", OPENAI_TINY, loaded, tmp_path)
    monkeypatch.setitem(FAMILY.sizes, "tiny", TINY_SIZE)
    with pytest.raises(UserError, match="the ids of 'Hello, I am' should be .15496, 11, 314, 716., not"):
        check_openai("tiny", OPENAI_TINY, loaded, tmp_path)


def test_logits_that_differ_from_those_of_transformers_are_found(
    small_gpt2: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A model that computes the wrong GELU differs little, but enough."""
    monkeypatch.setattr(importing, "read_config", lambda where: small_gpt2.config)
    with torch.no_grad():
        small_gpt2.model.get_parameter("final_norm.bias").add_(0.01)
    with pytest.raises(UserError, match="the difference from transformers should be at most .*, not 0.0"):
        check_openai("small", tmp_path / "small", small_gpt2, tmp_path / "written")


def test_a_link_to_a_folder_stays_and_the_model_is_where_it_leads(make_loaded: Make, tmp_path: Path):
    save(tmp_path / "source", make_loaded())
    (tmp_path / "disk" / "model").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "model")
    import_model(str(tmp_path / "source"), tmp_path / "link", quiet_view(), verify=True)
    assert (tmp_path / "disk" / "model" / "config.json").is_file()
    assert (tmp_path / "link").is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["disk", "link", "source"]
    assert [path.name for path in (tmp_path / "disk").iterdir()] == ["model"]
