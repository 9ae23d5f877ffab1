"""Bad models, one row each: import, export and generate say one line, and nothing half-written stays."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from groundup.text.tokenizer import Tokenizer
from groundup.weights.folder import save
from tests.cli.conftest import Said
from tests.weights.test_foreign import Code, from_scratch, nanogpt

Call = Callable[..., Said]
Change = Callable[[Path], object]
WEIGHTS, ONE = "model.safetensors", "transformer.h.0.mlp.c_fc.weight"


def tensors(change: Callable[[dict[str, torch.Tensor]], object]) -> Change:
    """A folder whose file of weights is changed."""

    def changed(folder: Path) -> None:
        found = load_file(folder / WEIGHTS)
        change(found)
        save_file(found, folder / WEIGHTS)

    return changed


def config(**keys: Any) -> Change:
    """A folder whose config.json says something else."""

    def changed(folder: Path) -> None:
        place = folder / "config.json"
        place.write_text(json.dumps(json.loads(place.read_text()) | keys))

    return changed


def cut(kept: int) -> Change:
    """A folder whose file of weights ends early."""
    return lambda folder: (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:kept])


def without(name: str) -> Change:
    return lambda folder: (folder / name).unlink()


def other_tokenizer(folder: Path) -> None:
    Tokenizer.from_merges([("a", "b"), ("c", "d"), ("e", "f"), ("g", "h")]).save(folder)


def only_a_pickle(folder: Path) -> None:
    torch.save({"config": Code(folder / "executed")}, folder / "pytorch_model.bin")
    (folder / WEIGHTS).unlink()


FOLDERS: dict[str, tuple[Change, str]] = {
    "missing tensor": (tensors(lambda t: t.pop(ONE)), f"The weights lack '{ONE}'"),
    "left-over tensor": (
        tensors(lambda t: t.update({"transformer.h.0.extra": torch.ones(2)})),
        "hold 1 tensors that this family does not have: transformer.h.0.extra",
    ),
    "wrong shape": (tensors(lambda t: t.update({ONE: torch.ones(8, 5)})), "has shape (8, 5), but"),
    "wrong shape, the other": (config(n_inner=40), "config.json asks for (8, 40)"),
    "unknown model_type": (config(model_type="mamba"), "does not know. Known: bert, gemma, gpt2, gpt_neo"),
    "no model_type": (config(model_type=None), "model_type None, which groundup does not know. Known:"),
    "header cut": (cut(20), f"{WEIGHTS} is damaged"),
    "length of the header cut": (cut(5), f"{WEIGHTS} is damaged"),
    "numbers cut": (cut(-3), f"{WEIGHTS} is damaged"),
    "empty weights": (cut(0), f"{WEIGHTS} is damaged"),
    "no weights": (without(WEIGHTS), f"holds no {WEIGHTS}"),
    "weights in a pickle": (only_a_pickle, f"holds no {WEIGHTS}"),
    "another tokenizer": (other_tokenizer, "has 265 tokens, but the model knows only 264"),
    "no tokenizer": (without("tokenizer.json"), "There is no tokenizer in"),
    "no config.json": (without("config.json"), "holds no model: neither config.json nor a checkpoint"),
    "an empty folder": (
        lambda folder: [file.unlink() for file in folder.iterdir()],
        "holds no model",
    ),
    "half a generation_config.json": (
        lambda folder: (folder / "generation_config.json").write_text("{"),
        "Could not read",
    ),
}

FILES: dict[str, tuple[Change, str]] = {
    "code in a pickle": (
        lambda file: torch.save({"model": {"tok_emb.weight": Code(file.with_name("executed"))}}, file),
        "holds code",
    ),
    "a tensor is missing": (
        lambda file: nanogpt(
            file, bias=True, change=lambda saved: saved["model"].pop("transformer.ln_f.bias")
        ),
        "lacks 'transformer.ln_f.bias'",
    ),
    "a tensor is left over": (
        lambda file: nanogpt(
            file, bias=True, change=lambda saved: saved["model"].update({"extra.weight": torch.ones(2)})
        ),
        "holds 1 tensors (extra.weight), which such a model does not have",
    ),
    "a wrong shape": (
        lambda file: nanogpt(
            file,
            bias=True,
            change=lambda saved: saved["model"].update({"transformer.ln_f.bias": torch.ones(2)}),
        ),
        "has shape (2,), but its model_args ask for (24,)",
    ),
    "another project": (lambda file: torch.save({"a": torch.ones(2)}, file), "no model that groundup knows"),
    "cut short": (
        lambda file: nanogpt(file, bias=True) and file.write_bytes(file.read_bytes()[:-9]),
        "cut short",
    ),
    "no heads said": (lambda file: from_scratch(file, width=24), "--heads N"),
}


def refused(said: Said, told: str, place: Path, before: set[Path]) -> None:
    assert said.code == 2, said.out + said.err
    assert said.err.startswith("groundup: ") and said.err.count("\n") == 1, said.err
    assert told in said.err
    assert set(place.rglob("*")) == before, "nothing is executed, and nothing half-written stays"


@pytest.mark.parametrize("change, told", FOLDERS.values(), ids=FOLDERS)
def test_a_bad_folder_is_one_line(make_loaded, tmp_path: Path, groundup: Call, change, told: str):
    folder = save(tmp_path / "bad", make_loaded())
    change(folder)
    before = set(tmp_path.rglob("*"))
    refused(groundup("import", folder, tmp_path / "new"), told, tmp_path, before)
    refused(groundup("export", folder, tmp_path / "new"), told, tmp_path, before)
    refused(groundup("export", folder, tmp_path / "new.pth", "--to", "pth"), told, tmp_path, before)
    refused(groundup("generate", folder, "Once"), told, tmp_path, before)


@pytest.mark.parametrize("write, told", FILES.values(), ids=FILES)
def test_a_bad_file_is_one_line(tmp_path: Path, groundup: Call, write, told: str):
    Tokenizer.from_bytes().save(tmp_path)
    write(tmp_path / "bad.pt")
    before = set(tmp_path.rglob("*"))
    refused(groundup("import", tmp_path / "bad.pt", tmp_path / "new"), told, tmp_path, before)
    refused(groundup("export", tmp_path / "bad.pt", tmp_path / "new"), told, tmp_path, before)


def test_a_tokenizer_that_does_not_fit_a_file_is_one_line(tmp_path: Path, groundup: Call):
    nanogpt(tmp_path / "good.pt", bias=True)
    other_tokenizer(tmp_path)
    before = set(tmp_path.rglob("*"))
    words = "import", tmp_path / "good.pt", tmp_path / "new"
    refused(groundup(*words), "has 265 tokens, but", tmp_path, before)
    refused(groundup(*words, "--tokenizer", tmp_path / "none"), "none", tmp_path, before)
