"""What all tests share: no network, no one's cache, few threads, and the optional real data."""

import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from groundup.weights.folder import Loaded

ROOT = Path(__file__).resolve().parent.parent
# `make test` tries the same examples each time, so that what fails is the change at hand.
settings.register_profile("same", derandomize=True)
LOOPBACK = ("127.", "::1", "localhost", "0.0.0.0")


def pytest_configure(config: pytest.Config) -> None:
    """Set up the surroundings before any test file is imported; started programs inherit them."""
    real_cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    # Matplotlib would search all fonts of the machine again for each new cache folder.
    os.environ.setdefault("MPLCONFIGDIR", str(real_cache / "matplotlib"))
    config.stash[CACHE] = tempfile.TemporaryDirectory(prefix="groundup-tests-")
    os.environ["XDG_CACHE_HOME"] = config.stash[CACHE].name
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["MPLBACKEND"] = "Agg"
    # Tiny models are faster on one thread, and read before torch is imported this needs no import of torch.
    os.environ.setdefault("OMP_NUM_THREADS", "1")


CACHE = pytest.StashKey[tempfile.TemporaryDirectory]()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the cache of this session."""
    config.stash[CACHE].cleanup()


@pytest.fixture(scope="session", autouse=True)
def no_network() -> Iterator[None]:
    """Only this machine itself can be reached from a test; anything else fails the test that tries."""

    def guarded(original):
        def connect(self: socket.socket, address):
            if isinstance(address, tuple) and not str(address[0]).startswith(LOOPBACK):
                raise AssertionError(f"A test must not use the network; this one tried to reach {address}.")
            return original(self, address)

        return connect

    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex"):
            patch.setattr(socket.socket, name, guarded(getattr(socket.socket, name)))
        yield


@pytest.fixture(scope="session")
def make_loaded() -> "Callable[..., Loaded]":
    """Makes a tiny GPT-2 over bytes, all its numbers shaken; more fields of its configuration as keywords."""
    import torch  # here, because not every test needs it

    from groundup.model.config import ModelConfig
    from groundup.model.decoder import Decoder
    from groundup.text.tokenizer import Tokenizer
    from groundup.weights.folder import Loaded

    def make(seed: int = 0, *, shake: float = 0.1, card: str = "", **fields: Any) -> Loaded:
        sizes = {"vocab_size": 264, "context_length": 16, "d_model": 8, "n_layers": 1, "n_heads": 2}
        config, generator = ModelConfig(**{**sizes, **fields}), torch.Generator().manual_seed(seed)
        model = Decoder(config).initialise(generator).eval()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter += shake * torch.randn(parameter.shape, generator=generator)
        return Loaded(model, Tokenizer.from_bytes(), config, card)

    return make


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data, for tests on more than what the repository carries. Skips where it is absent.

    It is named by the environment variable GROUNDUP_SHARED_DATA, or lies as shared/data beside the checkout.
    """
    folder = Path(os.environ.get("GROUNDUP_SHARED_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"There is no real data at {folder}. Set GROUNDUP_SHARED_DATA to a folder that has it.")
    return folder
