"""Models from the hub: fetched once, found by the hub's own library, and one line for what cannot be used."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants, hf_hub_download, scan_cache_dir
from transformers import AutoModelForCausalLM

from groundup.cli import main
from groundup.errors import UserError
from groundup.system import hub
from groundup.text.stored import chat_templates
from groundup.weights.folder import Loaded, load, model_folder, read_config, save
from tests.web import Fault, Web
from tests.weights.conftest import paths_asked, put_model

NAME = "some-people/a-model"
Make = Callable[..., Loaded]


@pytest.fixture
def folder(make_loaded: Make, tmp_path: Path) -> Path:
    """A model's folder, as its people have it."""
    return save(tmp_path / "theirs", make_loaded(card="# Theirs\n"))


def assert_same(ours: Loaded, others: Loaded) -> None:
    assert (ours.config, ours.card) == (others.config, others.card)
    assert ours.tokenizer.fingerprint == others.tokenizer.fingerprint
    for mine, theirs in zip(ours.model.parameters(), others.model.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_a_model_of_the_hub_is_the_one_of_its_folder(web: Web, folder: Path):
    put_model(web, NAME, folder)
    assert_same(load(f"hf:{NAME}"), load(folder))


def test_it_is_fetched_once_and_then_needs_no_network(
    web: Web, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    put_model(web, NAME, folder)
    load(f"hf:{NAME}")
    web.requests.clear()
    load(f"hf:{NAME}")
    assert paths_asked(web) == [f"/api/models/{NAME}/revision/main"], "only whether it has changed is asked"
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert_same(load(f"hf:{NAME}"), load(folder))
    assert len(web.requests) == 1
    with pytest.raises(UserError, match="some-people/other was never fetched, and HF_HUB_OFFLINE"):
        load("hf:some-people/other")


def test_a_revision_is_another_state_and_the_newest_is_followed(web: Web, make_loaded: Make, tmp_path: Path):
    first, second = save(tmp_path / "1", make_loaded()), save(tmp_path / "2", make_loaded(seed=1))
    old = put_model(web, NAME, first, revision="v1", commit="b")
    put_model(web, NAME, first)
    load(f"hf:{NAME}")
    put_model(web, NAME, second, commit="c")
    assert_same(load(f"hf:{NAME}"), load(second))
    assert_same(load(f"hf:{NAME}@v1"), load(first))
    web.requests.clear()
    assert_same(load(f"hf:{NAME}@{old}"), load(first))
    assert web.requests == [], "a commit never changes"


def test_shards_are_fetched_as_the_index_names_them(web: Web, make_loaded: Make, tmp_path: Path):
    whole = save(tmp_path / "whole", make_loaded(n_layers=3))
    shards = shutil.copytree(whole, tmp_path / "shards", ignore=shutil.ignore_patterns("*.safetensors"))
    AutoModelForCausalLM.from_pretrained(whole).save_pretrained(shards, max_shard_size="8KB")
    (shards / "model-unused.safetensors").write_bytes(b"nobody asks for it")
    put_model(web, NAME, shards)
    assert_same(load(f"hf:{NAME}"), load(whole))
    asked = [path for path in paths_asked(web) if path.endswith(".safetensors")]
    assert len(asked) > 1
    assert not any("unused" in path for path in asked)


def test_the_library_of_the_hub_finds_what_was_fetched(web: Web, folder: Path):
    commit = put_model(web, NAME, folder)
    place = model_folder(f"hf:{NAME}")
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        found = hf_hub_download(NAME, name, local_files_only=True)
        assert Path(found) == place / name
        assert Path(found).read_bytes() == (folder / name).read_bytes()
    seen = scan_cache_dir(constants.HF_HUB_CACHE)
    assert not seen.warnings
    [repository] = seen.repos
    assert (repository.repo_id, repository.repo_type) == (NAME, "model")
    assert [(revision.commit_hash, set(revision.refs)) for revision in repository.revisions] == [
        (commit, {"main"})
    ]


def test_what_is_written_beside_weights_of_another_kind_is_not_fetched(web: Web, folder: Path):
    for name in ("pytorch_model.bin", "tf_model.h5", "notes.txt"):
        (folder / name).write_bytes(b"large")
    put_model(web, NAME, folder)
    load(f"hf:{NAME}")
    assert not any(path.endswith((".bin", ".h5", ".txt")) for path in paths_asked(web))


def test_the_templates_of_conversations_come_with_a_model(web: Web, folder: Path):
    (folder / "chat_template.jinja").write_text("the usual one")
    (folder / "additional_chat_templates").mkdir()
    (folder / "additional_chat_templates" / "tools.jinja").write_text("the one for tools")
    put_model(web, NAME, folder)
    found = chat_templates(load(f"hf:{NAME}").tokenizer.config)
    assert found == {"default": "the usual one", "tools": "the one for tools"}


def test_only_config_json_is_fetched_to_know_the_shape(web: Web, folder: Path):
    put_model(web, NAME, folder)
    assert read_config(f"hf:{NAME}") == load(folder).config
    fetched = [path for path in paths_asked(web) if "/resolve/" in path]
    assert [path.rpartition("/")[2] for path in fetched] == ["config.json"]


def test_a_connection_that_is_cut_goes_on(web: Web, make_loaded: Make, tmp_path: Path):
    folder = save(tmp_path / "theirs", make_loaded(vocab_size=6000))  # a part below 64 kB is not kept
    put_model(web, NAME, folder)
    load(f"hf:{NAME}")  # to see how much is asked before the weights
    before = next(i for i, path in enumerate(paths_asked(web)) if path.endswith(".safetensors"))
    shutil.rmtree(constants.HF_HUB_CACHE)
    web.requests.clear()
    web.faults = [Fault() for _ in range(before - 1)] + [Fault(cut=150_000)]  # the list is remembered
    assert_same(load(f"hf:{NAME}"), load(folder))
    assert web.ranges()[-1] and not web.faults


def test_a_small_file_that_is_not_the_hubs_is_refused_and_not_kept(web: Web, folder: Path):
    commit = put_model(web, NAME, folder)
    address = f"/{NAME}/resolve/{commit}/config.json"
    right = web.files[address]
    web.files[address] = right[:-2] + b"?\n"
    with pytest.raises(UserError, match="config.json did not come as the hub describes it"):
        load(f"hf:{NAME}")
    web.files[address] = right
    assert_same(load(f"hf:{NAME}"), load(folder))


def test_a_repository_with_only_vocab_json_and_merges_txt_encodes_the_same(web: Web, folder: Path):
    before = load(folder).tokenizer
    (folder / "vocab.json").write_text(json.dumps(before.library.get_vocab()), "utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n", "utf-8")
    without("tokenizer.json", "tokenizer_config.json")(folder)
    put_model(web, NAME, folder)
    text = "The wind, the mill and “naïf” 🍞"
    assert load(f"hf:{NAME}").tokenizer.encode(text) == before.encode(text)


def without(*names: str) -> Callable[[Path], None]:
    def remove(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()

    return remove


def only_pickles(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def only_gguf(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model.gguf")
    (folder / "config.json").unlink()


def only_sentencepiece(folder: Path) -> None:
    (folder / "tokenizer.json").rename(folder / "tokenizer.model")


def missing_shard(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    index = {"weight_map": {"transformer.wte.weight": "model-1.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


@pytest.mark.parametrize(
    "change, told",
    [
        (only_pickles, "no weights in the safetensors form, only pytorch_model.bin, a pickle, which can run"),
        (without("model.safetensors"), "no weights in the safetensors form, none"),
        (without("config.json"), "has no config.json, so it is no model in the Hugging Face form. Choose"),
        (only_gguf, "has no config.json, .*: it holds model.gguf. Choose"),
        (missing_shard, "names model-1.safetensors, which is not there"),
        (only_sentencepiece, "It has tokenizer.model .the form of SentencePiece"),
    ],
)
def test_a_repository_that_cannot_be_used_is_one_line(
    web: Web, folder: Path, change: Callable[[Path], None], told: str
):
    change(folder)
    put_model(web, NAME, folder)
    with pytest.raises(UserError, match=told) as caught:
        load(f"hf:{NAME}")
    assert "\n" not in str(caught.value)


def test_a_gated_repository_says_how_to_be_let_in(web: Web, folder: Path):
    """Everybody may see what there is, but not fetch it."""
    put_model(web, NAME, folder)
    web.faults = [Fault(), Fault(), Fault(status=401, headers={"X-Error-Code": "GatedRepo"})]
    with pytest.raises(UserError, match=r"is gated \(401\).* Accept them on its page, then give your token"):
        load(f"hf:{NAME}")


def test_a_repository_that_is_not_there_is_one_line(web: Web, folder: Path):
    web.faults = [Fault(status=401, headers={"X-Error-Code": "RepoNotFound"})]
    with pytest.raises(UserError, match=r"may not be read \(401\): it is private or not there"):
        load(f"hf:{NAME}")
    put_model(web, NAME, folder)
    with pytest.raises(UserError, match=r"There is no file at .*revision/none \(404\)"):
        load(f"hf:{NAME}@none")


@pytest.mark.parametrize(
    "faults, told",
    [
        ([Fault(status=404)], "There is no file at"),
        ([Fault(status=401, headers={"X-Error-Code": "RepoNotFound"})], "(401): it is private or not there"),
        ([Fault(), Fault(), Fault(status=401, headers={"X-Error-Code": "GatedRepo"})], "is gated (401)"),
        ([], "only pytorch_model-00001-of-00002.bin, a pickle, which can run code"),
    ],
    ids=["missing", "private", "gated", "shards of pickles"],
)
def test_what_cannot_be_imported_is_one_line_of_the_command_and_leaves_nothing(
    web: Web, folder: Path, capsys: pytest.CaptureFixture[str], faults: list[Fault], told: str
):
    if not faults:
        (folder / "model.safetensors").rename(folder / "pytorch_model-00001-of-00002.bin")
        (folder / "pytorch_model-00002-of-00002.bin").write_bytes(b"the other half")
        (folder / "pytorch_model.bin.index.json").write_text("{}")
    put_model(web, NAME, folder)
    web.faults = faults
    code = main(["import", f"hf:{NAME}", str(folder.with_name("new"))])
    said = capsys.readouterr().err
    assert code == 2 and said.startswith("groundup: ") and said.count("\n") == 1, said
    assert told in said
    assert not any(path.endswith(".bin") for path in paths_asked(web))
    assert [path.name for path in folder.parent.iterdir() if "new" in path.name] == []


def test_an_answer_that_is_not_the_hubs_is_one_line(web: Web):
    web.files[f"/api/models/{NAME}/revision/main"] = b"<html>Please log in</html>"
    with pytest.raises(UserError, match="gave no commit. If HF_ENDPOINT is set, check that address"):
        load(f"hf:{NAME}")


@pytest.mark.parametrize(
    "words", ["hf:", "hf:a/b/c", "hf:a b", "hf:a/b@", "hf:a/b@../../x", "hf:/b", "hf:a//b"]
)
def test_words_that_name_no_repository_are_refused_without_the_network(web: Web, words: str):
    with pytest.raises(UserError, match=f"{words!r} names no model on the hub. Write hf:ORG/NAME"):
        load(words)
    assert web.requests == []


def test_a_token_of_the_user_is_sent_to_the_hub(web: Web, folder: Path, monkeypatch: pytest.MonkeyPatch):
    put_model(web, NAME, folder)
    monkeypatch.setattr(hub, "_headers", lambda: {"Authorization": "Bearer secret"})
    load(f"hf:{NAME}")
    assert {headers.get("Authorization") for _, headers in web.requests} == {"Bearer secret"}
