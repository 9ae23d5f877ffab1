"""GPT-2's vocabulary by name: fetched once from a server, checked, and the real ids."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from groundup.errors import UserError
from groundup.text import known
from groundup.text.alphabet import ALPHABET
from groundup.text.known import GPT2_FILES, gpt2_tokenizer
from tests.web import Web, serve

SMALL = {
    "vocab.bpe": b"#version: 0.2\nt h\nth e\n",
    "encoder.json": json.dumps(
        {token: id for id, token in enumerate([*ALPHABET, "th", "the", "<|endoftext|>"])}
    ).encode(),
}


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Web]:
    """A server that has a small vocabulary in the form of GPT-2's, and an empty cache."""
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with serve() as web:
        monkeypatch.setattr(known, "OPENAI", web.address)
        for name, content in SMALL.items():
            web.add(f"/124M/{name}", content)
            about = (len(content), hashlib.sha256(content).hexdigest())
            monkeypatch.setitem(known.GPT2_FILES, name, about)
        yield web


def test_the_two_files_are_fetched_once_and_make_the_tokenizer(web: Web) -> None:
    first = gpt2_tokenizer()
    assert [path for path, _ in web.requests] == ["/124M/vocab.bpe", "/124M/encoder.json"]
    assert first.pieces(first.encode("the<|endoftext|>"))[0] == "the"
    assert first.border_id == len(ALPHABET) + 2
    assert gpt2_tokenizer().fingerprint == first.fingerprint
    assert len(web.requests) == 2


def test_other_files_than_openais_are_refused(web: Web) -> None:
    web.files["/124M/vocab.bpe"] = SMALL["vocab.bpe"].replace(b"t h", b"h t")
    with pytest.raises(UserError, match="vocab.bpe"):
        gpt2_tokenizer()


def test_the_real_files_are_the_ones_that_are_expected(shared_data: Path) -> None:
    for name, (size, sha256) in GPT2_FILES.items():
        content = (shared_data / "gpt2_bpe" / name).read_bytes()
        assert len(content) == size
        assert hashlib.sha256(content).hexdigest() == sha256
