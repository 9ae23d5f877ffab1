"""A model's folder: what is saved comes back, transformers opens it, what is wrong is told in one line."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer, pipeline

import groundup.weights.folder as module
from groundup.errors import UserError
from groundup.system.files import remove_folder
from groundup.weights.folder import load, model_folder, save


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("tied", [True, False])
def test_what_is_saved_comes_back(make_loaded, tmp_path, tied):
    loaded = make_loaded(card="# A tiny model\n", tie_embeddings=tied, dropout=0.1)
    assert save(tmp_path / "model", loaded) == tmp_path / "model"
    back = load(tmp_path / "model")
    assert back.model.config == back.config
    assert (back.config.d_ff, back.config.dropout, back.config.tie_embeddings) == (32, 0.1, tied)
    assert back.card == "# A tiny model\n"
    assert back.tokenizer.fingerprint == loaded.tokenizer.fingerprint
    assert not back.model.training
    assert back.device == torch.device("cpu")
    assert (back.model.unembed.weight is back.model.tokens.weight) == tied
    for (name, mine), theirs in zip(
        back.model.state_dict().items(), loaded.model.state_dict().values(), strict=True
    ):
        assert torch.equal(mine, theirs), name


def test_saving_what_was_loaded_writes_the_same_bytes(make_loaded, tmp_path):
    save(tmp_path / "first", make_loaded(card="words"))
    save(tmp_path / "second", load(tmp_path / "first"))
    assert contents(tmp_path / "first") == contents(tmp_path / "second")


def test_a_loaded_model_can_be_trained_and_stays_tied(make_loaded, tmp_path):
    save(tmp_path, make_loaded())
    model = load(tmp_path).model
    model(torch.arange(8)[None]).sum().backward()
    with torch.no_grad():
        for parameter in model.parameters():
            assert parameter.grad is not None
            parameter -= parameter.grad
    assert torch.equal(model.unembed.weight, model.tokens.weight)


def test_numbers_are_loaded_as_asked_and_saved_as_they_are(make_loaded, tmp_path):
    save(tmp_path / "wide", make_loaded())
    save(tmp_path / "half", load(tmp_path / "wide", dtype=torch.bfloat16))
    tensors = load_file(tmp_path / "half" / "model.safetensors")
    assert {tensor.dtype for tensor in tensors.values()} == {torch.bfloat16}
    assert load(tmp_path / "half").model.tokens.weight.dtype == torch.float32
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "half").dtype == torch.bfloat16


def test_transformers_opens_tokenizer_and_pipeline(make_loaded, tmp_path):
    loaded = make_loaded(vocab_size=261)
    save(tmp_path, loaded)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    text = "Zoë said: “it’s 3 o’clock”\n\tgood 🙂"
    assert tokenizer.encode(text, add_special_tokens=False) == loaded.tokenizer.encode(text)
    assert tokenizer.eos_token_id == tokenizer.bos_token_id == loaded.tokenizer.border_id
    assert tokenizer.pad_token_id == loaded.tokenizer.pad_id
    writer = pipeline("text-generation", model=str(tmp_path))
    (answer,) = writer("Once", max_new_tokens=4)
    assert answer["generated_text"].startswith("Once")
    assert writer.model.generation_config.eos_token_id == loaded.tokenizer.border_id


def test_shards_that_transformers_wrote_are_read_through_their_index(make_loaded, tmp_path):
    save(tmp_path / "whole", make_loaded(n_layers=3))
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "whole")
    theirs.save_pretrained(tmp_path / "shards", max_shard_size="8KB")
    make_loaded().tokenizer.save(tmp_path / "shards")
    shards = sorted((tmp_path / "shards").glob("*.safetensors"))
    assert len(shards) > 1
    whole, parts = load(tmp_path / "whole").model, load(tmp_path / "shards").model
    for ours, others in zip(whole.parameters(), parts.parameters(), strict=True):
        assert torch.equal(ours, others)
    shards[1].unlink()
    with pytest.raises(UserError, match=f"The index names {shards[1].name}, which is not there"):
        load(tmp_path / "shards")


def test_a_save_that_fails_in_the_middle_leaves_the_old_model(make_loaded, tmp_path):
    save(tmp_path / "model", make_loaded())
    before = contents(tmp_path)
    resource = pytest.importorskip("resource")  # not on Windows
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (6000, hard))  # config.json fits, the weights do not
    try:
        with pytest.raises(UserError, match="Could not write .*model: the file would be larger than allowed"):
            save(tmp_path / "model", make_loaded(seed=1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert contents(tmp_path) == before
    save(tmp_path / "model", make_loaded(seed=1))
    assert contents(tmp_path) != before
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_configuration_without_family_is_refused_before_anything_is_written(make_loaded, tmp_path):
    with pytest.raises(UserError, match="cannot have n_kv_heads=1"):
        save(tmp_path / "model", make_loaded(n_kv_heads=1))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kept", [0, 5, 8, 30, -1])
def test_damaged_weights_are_told_in_one_line(make_loaded, tmp_path, kept):
    save(tmp_path, make_loaded())
    file = tmp_path / "model.safetensors"
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(UserError, match=r"model\.safetensors is damaged .* Get the file again") as caught:
        load(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_tokenizer_that_is_larger_than_the_model_is_refused(make_loaded, tmp_path):
    save(tmp_path, make_loaded(vocab_size=260))
    with pytest.raises(UserError, match="has 261 tokens, but the model knows only 260"):
        load(tmp_path)


@pytest.mark.parametrize(
    "file, text, told",
    [
        ("config.json", "{", "Could not read .*config.json: "),
        ("config.json", "[1]", "config.json holds no JSON object"),
        ("config.json", '{"model_type": "mamba"}', "model_type 'mamba', which groundup does not know"),
        ("config.json", '{"model_type": "gpt2"}', "config.json lacks 'n_embd'"),
        ("config.json", None, "holds no model: neither config.json nor a checkpoint"),
        ("model.safetensors", None, "holds no model.safetensors"),
        ("tokenizer.json", None, "There is no tokenizer in"),
        ("tokenizer.json", "{}", "tokenizer.json"),
    ],
)
def test_an_incomplete_folder_is_told_in_one_line(make_loaded, tmp_path, file, text, told):
    save(tmp_path / "model", make_loaded())
    place = tmp_path / "model" / file
    place.unlink() if text is None else place.write_text(text)
    with pytest.raises(UserError, match=told) as caught:
        load(tmp_path / "model")
    assert "\n" not in str(caught.value)


def test_a_config_json_of_another_size_is_told_with_both_shapes(make_loaded, tmp_path):
    save(tmp_path, make_loaded())
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"n_inner": 40}))
    with pytest.raises(
        UserError, match=r"'transformer.h.0.mlp.c_fc.weight' has shape \(8, 32\), .* \(8, 40\)"
    ):
        load(tmp_path)


def test_a_run_gives_its_finished_model_and_before_that_its_newest_checkpoint(make_loaded, tmp_path):
    run = tmp_path / "runs" / "novel"
    for step in (900_000, 999_999, 1_000_000):  # the names are not in the order of the alphabet
        save(run / "checkpoints" / f"step-{step:06d}", make_loaded())
    assert model_folder(run).name == "step-1000000"
    save(run / "model", make_loaded())
    assert model_folder(run) == run / "model"
    assert model_folder(run / "model") == run / "model"


def vanishing(run: Path, monkeypatch, times: int, place: str) -> list[str]:
    """While the newest checkpoint is read, a newer one comes and the run deletes the one being read."""
    read, real = [], getattr(module, place)

    def first_vanish(*arguments):
        newest = model_folder(run)
        read.append(newest.name)
        if len(read) <= times:
            shutil.copytree(newest, newest.with_name(f"step-{len(read) + 1:06d}"))
            remove_folder(newest)
        return real(*arguments)

    monkeypatch.setattr(module, place, first_vanish)
    return read


@pytest.mark.parametrize("place", ["read_json", "read_tensors"])
def test_a_checkpoint_deleted_while_it_is_read_gives_way_to_the_newest(
    make_loaded, tmp_path, monkeypatch, place
):
    save(tmp_path / "checkpoints" / "step-000001", make_loaded(card="words"))
    read = vanishing(tmp_path, monkeypatch, 2, place)
    assert load(tmp_path).card == "words"
    assert list(dict.fromkeys(read)) == ["step-000001", "step-000002", "step-000003"]


def test_a_run_whose_checkpoints_vanish_again_and_again_is_given_up_in_one_line(
    make_loaded, tmp_path, monkeypatch
):
    save(tmp_path / "checkpoints" / "step-000001", make_loaded())
    read = vanishing(tmp_path, monkeypatch, 9, "read_tensors")
    with pytest.raises(UserError, match="were deleted while they were read, 3 times. Try again"):
        load(tmp_path)
    assert len(read) == 3


def test_a_file_that_cannot_be_read_is_told_in_one_line(make_loaded, tmp_path):
    save(tmp_path, make_loaded())
    (tmp_path / "README.md").mkdir()
    with pytest.raises(UserError, match="Could not read .*README.md") as caught:
        load(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_name_that_no_folder_can_have_is_not_there():
    for name in ("n" * 300, "n" * 300 + "/" + "n" * 300):
        with pytest.raises(UserError, match="There is no folder n+"):
            load(name)


def test_a_place_that_is_not_there_names_the_nearest(make_loaded, tmp_path):
    (tmp_path / "shakespeare").mkdir()
    with pytest.raises(UserError, match="There is no folder .*shakespear. Did you mean 'shakespeare'?"):
        model_folder(tmp_path / "shakespear")
    with pytest.raises(UserError, match="There is no folder"):
        model_folder(tmp_path / "nowhere" / "at all")


def test_a_left_over_file_of_weights_that_is_no_model_of_the_family_is_refused(make_loaded, tmp_path):
    save(tmp_path, make_loaded())
    save_file({"some.weight": torch.zeros(2)}, tmp_path / "model.safetensors")
    with pytest.raises(UserError, match="The weights lack 'transformer.wte.weight'"):
        load(tmp_path)
