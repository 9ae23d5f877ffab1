"""OpenAI's GPT-2: fetched whole over bad connections, and read as transformers would have it."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from groundup.errors import UserError
from groundup.model.config import ModelConfig
from groundup.model.counting import count_parameters
from groundup.weights.folder import Loaded, load, read_config, save
from groundup.weights.openai import SMALL_FILES, hugging_face_name
from groundup.zoo.gpt2 import FAMILY
from tests.web import Fault, Web
from tests.weights.bundles import write_bundle
from tests.weights.conftest import FILES, OPENAI_TINY, SIZE, paths_asked
from tests.weights.make_openai_tiny import variables

DATA = FILES[-1]


def as_transformers_had_it() -> GPT2LMHeadModel:
    """The checkpoint walked name by name into GPT2LMHeadModel, as transformers' own script once did it."""
    given = json.loads((OPENAI_TINY / "hparams.json").read_text())
    config = GPT2Config(
        vocab_size=given["n_vocab"],
        n_positions=given["n_ctx"],
        n_embd=given["n_embd"],
        n_layer=given["n_layer"],
        n_head=given["n_head"],
    )
    model = GPT2LMHeadModel(config).eval()
    with np.load(OPENAI_TINY / "expected.npz") as arrays:
        for name, array in arrays.items():
            steps = re.sub(r"/h(\d+)/", r"/h/\1/", name.replace("model/", "/")).strip("/").split("/")
            leaf = {"w": "weight", "g": "weight", "b": "bias"}.get(steps[-1])
            module = model.transformer.get_submodule(".".join(steps[:-1] if leaf else steps))
            target = module.get_parameter(leaf or "weight")
            target.data.copy_(torch.from_numpy(array.squeeze(0) if array.ndim == 3 else array))
    return model


def assert_same(ours: Loaded, others: Loaded) -> None:
    assert ours.config == others.config
    assert ours.tokenizer.fingerprint == others.tokenizer.fingerprint
    for (name, mine), theirs in zip(
        ours.model.state_dict().items(), others.model.state_dict().values(), strict=True
    ):
        assert torch.equal(mine, theirs), name


def test_the_logits_are_those_of_transformers():
    ours, theirs = load(OPENAI_TINY), as_transformers_had_it()
    ids = torch.randint(51, (3, 12), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(ours.model(ids), theirs(ids).logits, atol=1e-5, rtol=0)


def test_the_same_model_as_a_hugging_face_folder_has_identical_tensors(tmp_path: Path):
    as_transformers_had_it().save_pretrained(tmp_path)
    ours = load(OPENAI_TINY)
    ours.tokenizer.save(tmp_path)
    assert_same(ours, load(tmp_path))


def test_the_tokenizer_comes_from_openais_two_files():
    tokenizer = load(OPENAI_TINY).tokenizer
    ids = json.loads((OPENAI_TINY / "encoder.json").read_text())
    assert tokenizer.encode("the hen") == [ids[token] for token in ("t", "he", "Ġ", "he", "n")]
    assert tokenizer.encode(" the") == [ids["Ġthe"]]
    assert tokenizer.border_id == 50


def test_what_was_loaded_can_be_saved_and_trained(tmp_path: Path):
    before = (OPENAI_TINY / DATA).read_bytes()
    loaded = load(OPENAI_TINY)
    assert_same(load(save(tmp_path / "model", loaded)), loaded)
    loaded.model(torch.arange(8)[None]).sum().backward()
    with torch.no_grad():
        for parameter in loaded.model.parameters():
            assert parameter.grad is not None
            parameter -= parameter.grad
    assert (OPENAI_TINY / DATA).read_bytes() == before


@pytest.mark.parametrize(
    "name, parameters",
    [("124M", 124_439_808), ("355M", 354_823_168), ("774M", 774_030_080), ("1558M", 1_557_611_200)],
)
def test_the_published_sizes_are_known_without_a_network(name: str, parameters: int):
    config = read_config(f"openai:{name}")
    assert count_parameters(config) == parameters
    assert config == ModelConfig(**FAMILY.sizes[name], d_ff=4 * config.d_model, dropout=0.1)


@pytest.mark.parametrize(
    "openais, hugging_faces",
    [
        ("model/wte", "wte.weight"),
        ("model/ln_f/g", "ln_f.weight"),
        ("model/h11/ln_2/b", "h.11.ln_2.bias"),
        ("model/h0/attn/c_attn/w", "h.0.attn.c_attn.weight"),
        ("global_step", "global_step"),
    ],
)
def test_names_are_translated(openais: str, hugging_faces: str):
    assert hugging_face_name(openais) == hugging_faces


def test_a_size_comes_whole_once_and_then_needs_no_network(published: Web, monkeypatch: pytest.MonkeyPatch):
    assert_same(load("openai:tiny"), load(OPENAI_TINY))
    assert paths_asked(published) == [f"/models/tiny/{name}" for name in FILES]
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert_same(load(Path("openai:tiny")), load(OPENAI_TINY))  # the command line gives a path
    assert len(published.requests) == len(FILES)


def small_files_come_well(*then: Fault) -> list[Fault]:
    """Faults that begin with the data."""
    return [Fault() for _ in SMALL_FILES] + list(then)


@pytest.mark.parametrize(
    "fault, waited",
    [
        (Fault(cut=20_000), [1]),
        (Fault(cut=0), [1]),
        (Fault(status=500), [1]),
        (Fault(status=429, headers={"Retry-After": "7"}), [7]),
        (Fault(claim=10), []),  # of another size than the index asks for
    ],
    ids=["cut", "cut at once", "500", "429", "too short"],
)
def test_a_bad_connection_only_costs_time(
    published: Web, waits: list[float], fault: Fault, waited: list[float]
):
    published.faults = small_files_come_well(fault)
    assert_same(load("openai:tiny"), load(OPENAI_TINY))
    assert waits == waited


def test_data_that_stop_coming_go_on_where_they_ended(published: Web, tmp_path: Path):
    """With more data than the tiny model has: what comes of less than 64 kB is lost when it is cut."""
    sizes = {"n_vocab": 5000, "n_ctx": 12, "n_embd": 16, "n_head": 2, "n_layer": 1}
    write_bundle(tmp_path / "model.ckpt", variables(sizes))
    for name in (DATA, "model.ckpt.index"):
        published.add(f"/models/tiny/{name}", (tmp_path / name).read_bytes())
    published.add("/models/tiny/hparams.json", json.dumps(sizes).encode())
    published.faults = small_files_come_well(Fault(cut=200_000), *[Fault(status=500)] * 5)
    with pytest.raises(UserError, match=r"in 5 tries.*is kept: the same command goes on"):
        load("openai:tiny")
    assert load("openai:tiny").config.vocab_size == 5000
    assert (published.ranges()[-1] or "") > "bytes=1", "from byte 131,072 on, or a little later"


def test_data_that_come_wrong_once_are_fetched_again(published: Web):
    published.faults = small_files_come_well(Fault(flip=True))
    assert_same(load("openai:tiny"), load(OPENAI_TINY))
    assert paths_asked(published).count(f"/models/tiny/{DATA}") == 2


@pytest.mark.parametrize(
    "name, told",
    [
        (DATA, "is damaged: the bytes of 'model/wte' do not match"),
        ("model.ckpt.index", "does not end as the index"),
        ("encoder.json", "is not the file that was expected, twice: its sha256"),
        ("vocab.bpe", "is not the file that was expected, twice: its sha256"),
    ],
)
def test_a_file_that_comes_wrong_again_and_again_is_one_line_and_is_not_kept(
    published: Web, tmp_path: Path, name: str, told: str
):
    address = f"/models/tiny/{name}"
    right = published.files[address]
    published.files[address] = right[:-1] + bytes([right[-1] ^ 1])
    with pytest.raises(UserError, match=told) as caught:
        load("openai:tiny")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "cache" / "groundup" / "downloads" / "gpt2" / "tiny" / name).exists()
    published.files[address] = right
    assert_same(load("openai:tiny"), load(OPENAI_TINY))


def test_data_of_another_length_than_the_index_asks_for_are_refused(published: Web):
    published.files[f"/models/tiny/{DATA}"] += b"more"
    with pytest.raises(UserError, match="it has 30,404 bytes, expected 30,400"):
        load("openai:tiny")


def test_a_mirror_without_the_model_is_one_line(published: Web):
    del published.files["/models/tiny/checkpoint"]
    with pytest.raises(UserError, match=r"There is no file at http.*/models/tiny/checkpoint \(404\)"):
        load("openai:tiny")


@pytest.mark.parametrize(
    "size, told",
    [("125M", "'125M'. Did you mean '124M'? Known: openai:124M, openai:355M"), ("1558m", "'1558M'")],
)
def test_an_unknown_size_names_the_known_ones(web: Web, size: str, told: str):
    with pytest.raises(UserError) as caught:
        load(f"openai:{size}")
    assert told in str(caught.value) and web.requests == []


@pytest.mark.parametrize(
    "name, text, told",
    [
        ("hparams.json", "{", "Could not read .*hparams.json"),
        ("hparams.json", '{"n_vocab": 51}', "hparams.json has n_ctx = None, expected a whole number"),
        ("hparams.json", json.dumps({"n_vocab": 51, "n_ctx": 12, "n_embd": 16, "n_head": 2, "n_layer": 3}),
         "The weights lack 'transformer.h.2"),
        ("hparams.json", json.dumps({"n_vocab": 51, "n_ctx": 12, "n_embd": 16, "n_head": 2, "n_layer": 1}),
         "hold 12 tensors that this family does not have"),
        ("hparams.json", json.dumps({"n_vocab": 51, "n_ctx": 13, "n_embd": 16, "n_head": 2, "n_layer": 2}),
         r"'transformer.wpe.weight' has shape \(12, 16\), but .* asks for \(13, 16\)"),
        ("encoder.json", None, "There is no tokenizer in"),
        ("encoder.json", "[]", "encoder.json holds no JSON object"),
        (DATA, None, f"{DATA} is missing"),
        ("model.ckpt.index", None, "holds no model"),
    ],
)  # fmt: skip
def test_a_damaged_folder_is_told_in_one_line(openai_copy: Path, name: str, text: str | None, told: str):
    place = openai_copy / name
    place.unlink() if text is None else place.write_text(text)
    with pytest.raises(UserError, match=told) as caught:
        load(openai_copy)
    assert "\n" not in str(caught.value)


def test_the_configuration_is_that_of_the_files_and_of_transformers(published: Web, tmp_path: Path):
    as_transformers_had_it().save_pretrained(tmp_path)
    wanted = ModelConfig(**SIZE, d_ff=64, dropout=0.1)
    assert read_config("openai:tiny") == read_config(OPENAI_TINY) == read_config(tmp_path) == wanted
    assert published.requests == []
