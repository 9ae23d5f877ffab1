"""A server that stands for the hub, Project Gutenberg and GitHub, with small files of the same form."""

import hashlib
import importlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from groundup.datasets import gutenberg
from tests.web import Web, serve


class Hub:
    """The endpoints of the hub that a download needs, over a `Web`."""

    def __init__(self, web: Web):
        self.web = web
        self.repositories: dict[tuple[str, str], dict[str, bytes]] = {}

    def add(self, repository: str, commit: str, files: dict[str, bytes]) -> None:
        """Put files into a dataset's repository, as large ones are kept there, beside a small README.md."""
        held = self.repositories.setdefault((repository, commit), {})
        held |= files
        for folder in {str(Path(path).parent).strip(".") for path in held}:
            entries: list[dict] = [
                {"type": "directory", "oid": "0" * 40, "size": 0, "path": f"{folder}/old".strip("/")},
                {"type": "file", "oid": "1" * 40, "size": 6, "path": f"{folder}/README.md".strip("/")},
            ]
            for path, content in held.items():
                if str(Path(path).parent).strip(".") == folder:
                    oid = hashlib.sha256(content).hexdigest()
                    lfs = {"oid": oid, "size": len(content), "pointerSize": 134}
                    entries.append(
                        {"type": "file", "oid": "2" * 40, "size": len(content), "path": path, "lfs": lfs}
                    )
                    # Large files lie on another server, to whose address the hub's own leads.
                    self.web.redirects[f"/datasets/{repository}/resolve/{commit}/{path}"] = f"/storage/{oid}"
                    self.web.files[f"/storage/{oid}"] = content
            where = f"/api/datasets/{repository}/tree/{commit}/{folder}".rstrip("/")
            self.web.files[where] = json.dumps(entries).encode()

    def asked(self) -> list[str]:
        """The paths of all requests."""
        return [path for path, _ in self.web.requests]


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Web]:
    """A server for all datasets, and empty caches."""
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    with serve() as web:
        monkeypatch.setenv("HF_ENDPOINT", web.address)
        monkeypatch.setattr(gutenberg, "MIRROR", web.address)
        monkeypatch.setattr(gutenberg, "PAUSE", 0.0)
        for name, path in ON_THE_WEB.items():
            monkeypatch.setattr(f"groundup.datasets.{name}.URL", f"{web.address}{path}")
        yield web


@pytest.fixture
def hub(web: Web) -> Hub:
    return Hub(web)


@pytest.fixture
def source_of(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a dataset's own sample onto the server, under the names of its real files."""

    def put(name: str) -> None:
        if name in ON_THE_HUB:
            module = importlib.import_module(f"groundup.datasets.{ON_THE_HUB[name][0]}")
            paths = ON_THE_HUB[name][1]
            content: bytes = module.sample_file()
            hub.add(module.REPOSITORY, module.COMMIT, dict.fromkeys(paths, content))
        elif name == "gutenberg":
            hub.web.add("/cache/epub/11/pg11.txt", gutenberg.sample_file())
        elif name in ON_THE_WEB:
            module = importlib.import_module(f"groundup.datasets.{name}")
            content = module.sample_file()
            hub.web.add(ON_THE_WEB[name], content)
            monkeypatch.setattr(module, "SHA256", hashlib.sha256(content).hexdigest())
            if hasattr(module, "SIZE"):
                monkeypatch.setattr(module, "SIZE", len(content))

    return put


def _named(folder: str, *names: str) -> list[str]:
    return [f"{folder}/{name}-00000-of-00001.parquet" for name in names]


# For each dataset on the hub: where its REPOSITORY and sample_file() stand, and the names of its real files.
ON_THE_HUB: dict[str, tuple[str, list[str]]] = {
    "wikitext_2": ("_wikitext", _named("wikitext-2-raw-v1", "train", "validation", "test")),
    "wikitext_103": (
        "_wikitext",
        [
            "wikitext-103-raw-v1/train-00000-of-00002.parquet",
            "wikitext-103-raw-v1/train-00001-of-00002.parquet",
            *_named("wikitext-103-raw-v1", "validation", "test"),
        ],
    ),
    "tinystories": ("tinystories", ["TinyStories-train.txt", "TinyStories-valid.txt"]),
    "fineweb_edu": ("fineweb_edu", ["sample/10BT/000_00000.parquet", "sample/10BT/001_00000.parquet"]),
    "openwebtext": ("openwebtext", ["plain_text/train-00000-of-00080.parquet"]),
    "webglm_qa": ("webglm_qa", [f"data/{part}.jsonl" for part in ("train", "validation", "test")]),
    "hh_rlhf": ("hh_rlhf", [f"helpful-base/{part}.jsonl.gz" for part in ("train", "test")]),
}

# For each dataset that is one file with an address of its own: the path of its URL on the server here.
ON_THE_WEB = {
    "shakespeare": "/char-rnn/input.txt",
    "sms_spam": "/static/public/228/sms+spam+collection.zip",
    "imdb": "/~amaas/data/sentiment/aclImdb_v1.tar.gz",
    "alpaca": "/tatsu-lab/stanford_alpaca/alpaca_data.json",
}
