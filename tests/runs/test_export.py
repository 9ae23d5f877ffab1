"""Exports: what other programs open is the same model, and --verify can tell when it is not."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.testing import assert_close
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel

from groundup.errors import UserError
from groundup.runs.export import compare, export
from groundup.text.tokenizer import Tokenizer
from groundup.weights.folder import load, save
from groundup.weights.foreign import load_foreign
from tests.runs.conftest import quiet_view
from tests.weights.test_foreign import from_scratch, nanogpt

IDS = torch.arange(10)[None]
MERGES = [("t", "h"), ("th", "e"), ("Ġ", "the")]


@pytest.fixture
def source(make_loaded, tmp_path: Path) -> Path:
    """A folder with a tiny model whose tokenizer has merges."""
    loaded = make_loaded(vocab_size=266, shake=0.2)
    loaded.tokenizer = Tokenizer.from_merges(MERGES)
    return save(tmp_path / "source", loaded)


@pytest.mark.parametrize("dtype", ["float32", "bf16", "fp16"])
def test_a_folder_is_opened_by_transformers_in_the_dtype_that_was_asked_for(source, tmp_path, dtype):
    kind = {"float32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[dtype]
    target = export(source, tmp_path / "out", quiet_view(), dtype=dtype, verify=True, shard_bytes=5000)
    theirs = AutoModelForCausalLM.from_pretrained(target)
    assert theirs.dtype == kind
    assert len(list(target.glob("*.safetensors"))) > 1
    rounded = load(source).model.to(kind).float()
    with torch.no_grad():
        assert_close(theirs.float()(IDS).logits, rounded(IDS), atol=1e-5, rtol=0)


@pytest.mark.parametrize("dtype", ["float32", "bf16"])
def test_a_pth_fills_the_class_of_transformers_and_comes_back(source, tmp_path, dtype):
    target = export(source, tmp_path / "out.pth", quiet_view(), form="pth", dtype=dtype, verify=True)
    tensors = torch.load(target, weights_only=True)
    theirs = GPT2LMHeadModel(GPT2Config.from_pretrained(source))
    missing = theirs.load_state_dict(tensors)  # strict: every name must be there
    assert not missing.missing_keys and not missing.unexpected_keys
    model = load(source).model
    model = model if dtype == "float32" else model.bfloat16().float()
    with torch.no_grad():
        assert_close(theirs.eval()(IDS).logits, model(IDS), atol=1e-5, rtol=0)
    assert tensors["lm_head.weight"].data_ptr() == tensors["transformer.wte.weight"].data_ptr()
    load(source).tokenizer.save(tmp_path)
    back = load_foreign(target, n_heads=2).model
    with torch.no_grad():
        assert_close(back(IDS), model(IDS), atol=1e-5, rtol=0)


@pytest.mark.parametrize("dtype", ["f32", "f16", "bf16", "q8_0"])
def test_a_gguf_is_verified_in_every_dtype(source, tmp_path, dtype):
    pytest.importorskip("gguf", reason="The extra gguf is not installed.")
    view = quiet_view()
    target = export(source, tmp_path / "out.gguf", view, form="gguf", dtype=dtype, verify=True)
    assert target.read_bytes()[:4] == b"GGUF"


def test_a_file_of_another_project_is_exported_without_a_folder_between(tmp_path):
    Tokenizer.from_merges(MERGES).save(tmp_path)
    theirs = nanogpt(tmp_path / "ckpt.pt", bias=True)
    target = export(tmp_path / "ckpt.pt", tmp_path / "out", quiet_view(), verify=True)
    with torch.no_grad():
        opened = AutoModelForCausalLM.from_pretrained(target).eval()
        assert_close(opened(IDS).logits, theirs(IDS), atol=1e-5, rtol=0)


def test_verifying_says_whether_tensors_or_logits_were_compared_and_sees_a_difference(source):
    model, other = load(source).model, load(source).model
    assert "are the same bit for bit" in compare(model, other, "float32")
    half = copy.deepcopy(model).bfloat16().float()
    assert "are the same bit for bit" in compare(half, half, "bf16"), "nothing was lost"
    with pytest.raises(UserError, match="tensors differ, such as "):
        compare(half, model, "bf16")
    assert "logits were compared, not tensors" in compare(model, half, "bf16")
    with pytest.raises(UserError, match="tensors differ, such as "):
        compare(model, half, "float32")
    with torch.no_grad():  # the tokens in another order
        other.tokens.weight.copy_(model.tokens.weight.flip(0))
    for dtype in ("fp16", "bf16", "q8_0"):
        with pytest.raises(UserError, match=f"As {dtype} it is another model"):
            compare(model, other, dtype)


def test_numbers_too_large_for_fp16_are_found_and_nothing_is_kept(make_loaded, tmp_path):
    loaded = make_loaded(vocab_size=266)
    with torch.no_grad():
        loaded.model.blocks[0].mlp.up.weight[0, 0] = 1e6
    save(tmp_path / "source", loaded)
    with pytest.raises(UserError, match="As fp16 it is another model: .* choose --dtype float32"):
        export(tmp_path / "source", tmp_path / "out", quiet_view(), dtype="fp16", verify=True)
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_what_is_there_is_never_replaced(source, tmp_path):
    (tmp_path / "own.pth").write_text("mine")
    for target, form in ((source, "hf"), (tmp_path / "own.pth", "pth"), (tmp_path, "hf")):
        with pytest.raises(UserError, match="is there already. Choose another name"):
            export(source, target, quiet_view(), form=form)
    assert (tmp_path / "own.pth").read_text() == "mine"


@pytest.mark.parametrize("name, magic", [("out.gguf", b"GGUF"), ("out.pth", b"PK"), ("OUT.PT", b"PK")])
def test_the_name_of_the_target_says_its_form_unless_another_is_asked_for(source, tmp_path, name, magic):
    if magic == b"GGUF":
        pytest.importorskip("gguf", reason="The extra gguf is not installed.")
    assert export(source, tmp_path / name, quiet_view()).read_bytes().startswith(magic)
    (tmp_path / name).unlink()
    assert (export(source, tmp_path / name, quiet_view(), form="hf") / "config.json").is_file()


def test_what_a_single_file_lacks_can_be_given_and_a_folder_lacks_nothing(source, tmp_path):
    (tmp_path / "alone").mkdir()
    theirs = from_scratch(tmp_path / "alone" / "book.pth", width=24)
    given: dict[str, Any] = {"tokenizer": source, "n_heads": 2}
    with pytest.raises(UserError, match="--heads N"):
        export(tmp_path / "alone" / "book.pth", tmp_path / "out", quiet_view())
    target = export(tmp_path / "alone" / "book.pth", tmp_path / "out", quiet_view(), **given)
    with torch.no_grad():
        assert_close(load(target).model(IDS), theirs(IDS), atol=1e-5, rtol=0)
    with pytest.raises(UserError, match="are for a single file, but .*source is a folder"):
        export(source, tmp_path / "other", quiet_view(), **given)


@pytest.mark.parametrize("form", ["pth", "gguf", "hf"])
def test_a_full_disk_is_told_in_one_line_and_nothing_is_kept(source, tmp_path, form):
    resource = pytest.importorskip("resource", reason="Windows has no limits on the size of files.")
    if form == "gguf":
        pytest.importorskip("gguf", reason="The extra gguf is not installed.")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (9000, hard))
    try:
        with pytest.raises(UserError, match="Could not write .*out: .* what was there is kept"):
            export(source, tmp_path / "out", quiet_view(), form=form)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in tmp_path.iterdir()] == ["source"]
