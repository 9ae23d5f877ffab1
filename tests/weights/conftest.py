"""A server that stands for OpenAI's storage and for the hub, a tiny model on it, and bases for adapters."""

import functools
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from huggingface_hub import constants

from groundup.system.download import download
from groundup.weights import openai
from groundup.zoo import FAMILIES
from groundup.zoo.gpt2 import FAMILY
from tests.web import Web, serve

if TYPE_CHECKING:
    from tests.weights.adapted import Base
    from tests.weights.classified import Theirs

OPENAI_TINY = Path(__file__).parent / "openai_tiny"
SIZE: dict[str, Any] = {"vocab_size": 51, "context_length": 12, "d_model": 16, "n_layers": 2, "n_heads": 2}
FILES = (*openai.SMALL_FILES, "model.ckpt.data-00000-of-00001")


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that downloads would have waited; they do not wait in these tests."""
    waits: list[float] = []
    monkeypatch.setitem(download.__kwdefaults__ or {}, "sleep", waits.append)
    return waits


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, waits: list[float]) -> Iterator[Web]:
    """A server, and empty caches."""
    for name in ("HF_HUB_OFFLINE", "HF_TOKEN", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with serve() as web:
        monkeypatch.setenv("HF_ENDPOINT", web.address)
        monkeypatch.setenv("GROUNDUP_GPT2_MIRROR", f"{web.address}/models/")
        yield web


@pytest.fixture
def published(web: Web, monkeypatch: pytest.MonkeyPatch) -> Web:
    """OpenAI's storage with a size "tiny", which TensorFlow wrote."""
    monkeypatch.setitem(FAMILY.sizes, "tiny", SIZE)
    known = {}
    for name in FILES:
        path = OPENAI_TINY / name
        # What TensorFlow writes into .meta, its graph, is larger than all the rest, and nobody reads it.
        content = path.read_bytes() if path.exists() else b"a graph of operations"
        web.add(f"/models/tiny/{name}", content)
        if name in openai.GPT2_FILES:
            known[name] = (len(content), hashlib.sha256(content).hexdigest())
    monkeypatch.setattr(openai, "GPT2_FILES", known)
    return web


@pytest.fixture(scope="session")
def base_of_family(tmp_path_factory: pytest.TempPathFactory) -> "Callable[[str], Base]":
    """Makes the tiny model of a family that adapters stand on, once."""
    from tests.weights.adapted import make_base  # here, because it imports peft

    return functools.cache(lambda name: make_base(name, tmp_path_factory.mktemp(name)))


@pytest.fixture(params=FAMILIES.names())
def base(request: pytest.FixtureRequest, base_of_family: "Callable[[str], Base]") -> "Base":
    """The base of each family."""
    return base_of_family(request.param)


@pytest.fixture(scope="session")
def classifier_of(tmp_path_factory: pytest.TempPathFactory) -> "Callable[[str], Theirs]":
    """Makes the tiny classifier of transformers of a family, once."""
    from tests.weights.classified import make_theirs

    return functools.cache(lambda name: make_theirs(name, tmp_path_factory.mktemp(name)))


@pytest.fixture
def gpt2(base_of_family: "Callable[[str], Base]") -> "Base":
    """The base whose query, key and value are one module in transformers."""
    return base_of_family("gpt2")


@pytest.fixture
def openai_copy(tmp_path: Path) -> Path:
    """OpenAI's tiny model in a folder that may be changed."""
    return shutil.copytree(OPENAI_TINY, tmp_path / "copy")


def put_model(web: Web, repository: str, folder: Path, *, revision: str = "main", commit: str = "a") -> str:
    """Serve a folder as a model's repository in the form of the hub; its whole commit."""
    commit = (commit * 40)[:40]
    entries: list[dict[str, Any]] = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        content, large = path.read_bytes(), path.suffix in (".safetensors", ".bin")
        git = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        entry = {"type": "file", "oid": git, "size": len(content), "path": name}
        if large:
            entry["lfs"] = {
                "oid": hashlib.sha256(content).hexdigest(),
                "size": len(content),
                "pointerSize": 1,
            }
        entries.append(entry)
        web.files[f"/{repository}/resolve/{commit}/{name}"] = content
    web.files[f"/api/models/{repository}/revision/{revision}"] = json.dumps({"sha": commit}).encode()
    tree = f"/api/models/{repository}/tree/{commit}"
    web.files[f"{tree}?recursive=true"] = json.dumps(entries).encode()
    web.files[tree] = json.dumps([entry for entry in entries if "/" not in entry["path"]]).encode()
    return commit


def paths_asked(web: Web) -> list[str]:
    """The paths of all requests."""
    return [path for path, _ in web.requests]
