"""Rules of the whole house that no single folder can check for itself."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "groundup"
REGISTRIES = {
    file.parent.name: found[1]
    for file in sorted(PACKAGE.glob("*/__init__.py"))
    if (found := re.search(r"^(\w+)\b.* = Folder\(", file.read_text("utf-8"), re.MULTILINE))
}
"""The folders that are registries, and the name of the constant that walks over each."""

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
LAYERS = [
    {name.strip(" ()") for name in layer.split("|")}
    for layer in PROJECT["tool"]["importlinter"]["contracts"][0]["layers"]
    if layer != "__main__"
]
"""The parts of the package by level, the highest first, as import-linter enforces them."""


def run_python(code: str) -> str:
    """What a fresh Python prints, both streams together."""
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_importing_groundup_prints_nothing_and_costs_no_torch():
    heavy = "{'torch', 'numpy', 'transformers', 'matplotlib', 'pydantic', 'typer'}"
    assert run_python(f"import sys, groundup; assert not {heavy} & set(sys.modules)") == ""


def test_every_public_name_is_there_and_is_the_thing_itself():
    import groundup

    assert {"Decoder", "ModelConfig"} <= set(groundup.__all__)
    for name in groundup.__all__:
        thing = getattr(groundup, name)
        assert thing.__name__ == name
        assert thing is getattr(sys.modules[thing.__module__], name)


def test_editors_are_told_the_same_public_names_as_python():
    import groundup

    tree = ast.parse((PACKAGE / "__init__.py").read_text("utf-8"))
    guarded = next(node for node in tree.body if isinstance(node, ast.If))
    told = {
        alias.name: node.module.removeprefix("groundup.")
        for node in guarded.body
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    assert told == groundup._HOMES


def test_an_unknown_public_name_is_an_attribute_error_that_names_it():
    import groundup

    with pytest.raises(AttributeError, match="module 'groundup' has no attribute 'Decodr'"):
        groundup.Decodr  # noqa: B018


def test_the_network_cannot_be_reached_from_a_test():
    import socket

    with socket.socket() as local, pytest.raises(AssertionError, match="must not use the network"):
        local.connect(("192.0.2.1", 80))


def test_git_ignores_no_file_of_the_project_itself():
    """A line `runs/` in .gitignore, without a slash before it, would leave out src/groundup/runs."""
    if not (ROOT / ".git").exists():
        pytest.skip("This copy of the project is not under git.")
    files = [
        str(path.relative_to(ROOT)) for name in ("src", "tests") for path in ROOT.glob(f"{name}/**/*.py")
    ]
    command = ["git", "check-ignore", "--no-index", "--stdin"]
    done = subprocess.run(command, cwd=ROOT, input="\n".join(files), capture_output=True, text=True)
    assert files
    assert done.stdout == ""
    assert done.returncode == 1, done.stderr  # git's word for "none of them"


@pytest.mark.parametrize("folder", REGISTRIES)
def test_every_registry_has_a_test_that_walks_over_all_of_its_files(folder: str):
    """So that a new file is tested the moment it exists."""
    walk = re.compile(rf"\b{REGISTRIES[folder]}\.(names|all)\(\)")
    tests = [
        path for path in (ROOT / "tests" / folder).glob("test_*.py") if walk.search(path.read_text("utf-8"))
    ]
    assert tests, f"no test in tests/{folder}/ walks over {REGISTRIES[folder]}"


@pytest.mark.parametrize("folder", REGISTRIES)
def test_every_registry_has_its_section_in_the_guide_to_adding(folder: str):
    assert f": `src/groundup/{folder}/NAME.py`\n" in (ROOT / "docs" / "adding.md").read_text("utf-8")


def test_the_map_shows_every_part_with_the_level_that_is_enforced():
    rows = re.findall(
        r"^\| `(\w+)(?:/|\.py)` \| (\d+) \|", (ROOT / "docs" / "index.md").read_text("utf-8"), re.MULTILINE
    )
    enforced = {part: len(LAYERS) - place for place, layer in enumerate(LAYERS) for part in layer}
    assert {part: int(level) for part, level in rows} == enforced


def test_links_between_the_documents_lead_somewhere():
    documents = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    links = [
        (document, link)
        for document in documents
        for link in re.findall(r"\]\(([^)#\s]+)(?:#[\w-]*)?\)", document.read_text("utf-8"))
        if "://" not in link
    ]
    broken = [f"{document.name}: {link}" for document, link in links if not (document.parent / link).exists()]
    assert links
    assert not broken
