"""Where a model can come from: "openai:SIZE" and "hf:ORG/NAME@REVISION" become a folder on this machine."""

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from rich.console import Console

from groundup.errors import UserError
from groundup.system import hub
from groundup.system.progress import View
from groundup.text.library import read_json
from groundup.text.stored import MORE_CHATS
from groundup.weights.openai import fetch_openai, published_config
from groundup.weights.tensors import CONFIG, INDEX, SINGLE

OPENAI, HUB = "openai:", "hf:"
BESIDE = (
    "README.md",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "vocab.json",
    "merges.txt",
    "vocab.txt",
    "tokenizer.model",
    "spiece.model",
)
"""What a model may have beside its weights, each a small file."""

Files = Mapping[str, hub.HubFile]


def is_elsewhere(where: Path | str) -> bool:
    """Whether this names a model that may have to be fetched."""
    return _words(where).startswith((OPENAI, HUB))


def fetch_model(where: Path | str, view: View | None = None) -> Path:
    """The folder of a model that lies elsewhere; what is missing of it is fetched first.

    Progress is shown in `view`, by default on stderr. UserError for an unknown size or repository, for one
    that is gated or has no safetensors, and as `download` gives it.
    """
    words, view = _words(where), view or View(Console(stderr=True))
    if words.startswith(OPENAI):
        return fetch_openai(words.removeprefix(OPENAI), view)
    files = _files_of(words)
    _refuse_without_safetensors(words, files)
    folder = hub.fetch(files[CONFIG]).parent
    for name in files:
        if name in BESIDE or PurePosixPath(name).match(f"{MORE_CHATS}/*.jinja"):
            hub.fetch(files[name])
    weights = [SINGLE] if SINGLE in files else _shards(words, files)
    total, done = sum(files[name].size for name in weights), 0
    with view.phase_once(f"Downloading {words}") as progress:
        for name in weights:
            hub.fetch(files[name], lambda here, _, before=done: progress(before + here, total))
            done += files[name].size
    return folder


def fetch_config(where: Path | str) -> dict[str, Any]:
    """The config.json of a model that lies elsewhere; nothing else of it is fetched."""
    words = _words(where)
    if words.startswith(OPENAI):
        return published_config(words.removeprefix(OPENAI))
    return read_json(hub.fetch(_files_of(words)[CONFIG]))


def _words(where: Path | str) -> str:
    """As it was typed, also where it has become a path on the way."""
    return where if isinstance(where, str) else where.as_posix()


def _files_of(words: str) -> Files:
    """The files of a repository by their names. UserError if they are no model in the Hugging Face form."""
    found = re.fullmatch(rf"{HUB}([\w.-]+(?:/[\w.-]+)?)(?:@((?!.*\.\.)[\w./-]+))?", words)
    if not found:
        raise UserError(
            f"{words!r} names no model on the hub. Write hf:ORG/NAME, or hf:ORG/NAME@REVISION for another "
            f"state of it than its newest."
        )
    repository, revision = found[1], found[2] or "main"
    commit = hub.commit_of(repository, revision)
    files = {file.path: file for file in hub.list_files(repository, commit, kind="models")}
    if CONFIG not in files:
        other = next((name for name in files if name.endswith((".gguf", "adapter_config.json"))), "")
        holds = f": it holds {other}" if other else ""
        raise UserError(
            f"{words} has no config.json, so it is no model in the Hugging Face form{holds}. Choose the "
            f"repository that its authors made for transformers."
        )
    return files


def _refuse_without_safetensors(words: str, files: Files) -> None:
    if SINGLE in files or INDEX in files:
        return
    pickles = [name for name in files if name.endswith((".bin", ".pt", ".pth"))]
    holds = f"only {pickles[0]}, a pickle, which can run code when it is opened" if pickles else "none"
    raise UserError(
        f"{words} has no weights in the safetensors form, {holds}. Choose a revision that has {SINGLE}, or "
        f"save it with transformers: AutoModelForCausalLM.from_pretrained(NAME).save_pretrained(FOLDER)."
    )


def _shards(words: str, files: Files) -> list[str]:
    """The files that the index names."""
    shards = sorted(set(read_json(hub.fetch(files[INDEX])).get("weight_map", {}).values()))
    missing = [name for name in shards if name not in files]
    if missing or not shards:
        named = missing[0] if missing else "no file at all"
        raise UserError(f"The index of {words} names {named}, which is not there. Choose another revision.")
    return shards
