"""A folder as a registry: names without importing, one line for an unknown one."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from groundup.errors import UserError
from groundup.registry import Folder, did_you_mean


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Folder[int]]:
    """A package of three parts and some shared machinery; `broken` cannot even be imported."""
    package = tmp_path / "parts_of_a_test"
    package.mkdir()
    for name, text in {
        "__init__": "",
        "_shared": "PART = 0",
        "beta": "PART = 2",
        "alpha": "PART = 1",
        "broken": "raise RuntimeError('imported')",
    }.items():
        (package / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield Folder("parts_of_a_test", "PART", "part")
    for name in [name for name in sys.modules if name.startswith("parts_of_a_test")]:
        del sys.modules[name]


def test_the_files_are_the_names_and_nothing_is_imported_to_know_them(folder):
    assert folder.names() == ["alpha", "beta", "broken"]
    assert not any(name.startswith("parts_of_a_test.") for name in sys.modules)


def test_only_the_part_that_is_asked_for_is_imported(folder):
    assert folder.get("beta") == 2
    assert "parts_of_a_test.alpha" not in sys.modules
    with pytest.raises(RuntimeError, match="imported"):
        folder.all()


def test_all_parts_come_in_the_order_of_their_names(folder, tmp_path):
    (tmp_path / "parts_of_a_test" / "broken.py").unlink()
    assert folder.all() == [1, 2]


@pytest.mark.parametrize("given", ["alhpa", "alpha2"])
def test_an_unknown_name_is_told_with_the_nearest_and_all_known(folder, given):
    with pytest.raises(UserError) as caught:
        folder.get(given)
    assert str(caught.value) == (
        f"There is no part '{given}'. Did you mean 'alpha'? Known: alpha, beta, broken."
    )


@pytest.mark.parametrize("given", ["_shared", "__init__", "", "../alpha", "os"])
def test_what_is_no_part_cannot_be_had(folder, given):
    with pytest.raises(UserError, match="There is no part"):
        folder.get(given)


def test_the_nearest_name_is_suggested_or_none():
    assert did_you_mean("lama", ["llama", "gpt2"]) == " Did you mean 'llama'?"
    assert did_you_mean("xyz", ["llama", "gpt2"]) == ""
    assert did_you_mean("n_embed", ["d_model"], {"n_embd": "d_model"}) == " Did you mean 'd_model'?"
