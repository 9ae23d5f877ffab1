"""A server of files for the tests of downloads."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from groundup.system.download import download
from tests.web import Web, serve

CONTENT = random.Random(0).randbytes(500_000)


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with serve() as web:
        yield web


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "file.bin"


@pytest.fixture
def url(web: Web) -> str:
    return web.add("/file.bin", CONTENT)


def fetch(url: str, path: Path, **options) -> list[float]:
    """Download without waiting; the seconds that it wanted to wait."""
    waits: list[float] = []
    download(url, path, sleep=waits.append, **options)
    return waits
