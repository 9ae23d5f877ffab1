"""The scripts in tools/: installing where something is missing, and the checks of the house."""

import functools
import http.server
import importlib.util
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent


def tool(name: str) -> ModuleType:
    """A fresh copy of one of the scripts, as a module."""
    spec = importlib.util.spec_from_file_location(f"tools_{name}", ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def index(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A web server of our own in the form of PyTorch's index: its address, and the page that it serves."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *arguments: object) -> None: ...

    (tmp_path / "torch").mkdir()
    handler = functools.partial(Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        try:
            socket.create_connection(("127.0.0.1", server.server_port), timeout=1).close()
        except OSError as error:
            pytest.skip(f"This machine does not even reach itself: {error}.")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", tmp_path / "torch" / "index.html"
        server.shutdown()


def test_the_cpu_index_is_used_if_it_lists_the_tested_version(index, monkeypatch):
    install = tool("install")
    address, page = index
    monkeypatch.setattr(install, "CPU_INDEX", address)
    page.write_text(
        '<a href="torch-2.13.0%2Bcpu-cp311-linux_x86_64.whl">torch-2.13.0+cpu-cp311-linux_x86_64.whl</a>'
    )
    assert install.index_has("torch==2.13.0")
    assert not install.index_has("torch==2.13.1")


def test_a_cpu_index_that_is_absent_or_silent_is_not_waited_for(index, monkeypatch):
    install = tool("install")
    address, _ = index
    monkeypatch.setattr(install, "SECONDS_FOR_THE_INDEX", 0.2)
    monkeypatch.setattr(install, "CPU_INDEX", address + "/nothing-here")
    assert not install.index_has("torch==2.13.0")
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as never_answers:
        monkeypatch.setattr(install, "CPU_INDEX", f"http://127.0.0.1:{never_answers.server_port}")
        assert not install.index_has("torch==2.13.0")


@pytest.mark.parametrize(
    "arguments, changes, told",
    [
        (["dve"], {}, "pyproject.toml has no extra 'dve'. It has: serve, eval,"),
        ([], {"which": None, "version": (3, 9, 1)}, "groundup needs Python 3.11 or newer; "),
        ([], {"runs": False}, "Python's 'venv' is missing here"),
    ],
)
def test_what_prevents_installing_is_told_in_one_line_with_the_remedy(
    arguments, changes, told, tmp_path, monkeypatch, capsys
):
    install = tool("install")
    monkeypatch.setattr(install, "STAMP", tmp_path / "stamp.json")
    monkeypatch.setattr(install, "VENV_PYTHON", tmp_path / "python")
    if "runs" in changes:
        monkeypatch.setattr(install, "runs", lambda *command: False)
    if "version" in changes:
        monkeypatch.setattr(install.shutil, "which", lambda name: None)
        monkeypatch.setattr(install.sys, "version_info", changes["version"])
    assert install.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith(told)
    assert error.count("\n") == 1


def test_a_second_installation_does_nothing_until_the_versions_change(tmp_path, monkeypatch):
    install = tool("install")
    installed = []
    for name in ("pyproject.toml", "constraints.txt"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    monkeypatch.setattr(install, "ROOT", tmp_path)
    monkeypatch.setattr(install, "STAMP", tmp_path / "stamp.json")
    monkeypatch.setattr(install, "VENV_PYTHON", Path(sys.executable))
    monkeypatch.setattr(install, "install", installed.append)
    for extras in ([], [], ["dev"], [], ["dev"]):
        assert install.main(extras) == 0
    assert installed == [[], ["dev"]]
    (tmp_path / "constraints.txt").write_text("torch==2.13.1\n")
    assert install.main([]) == 0
    assert installed == [[], ["dev"], ["dev"]]


def test_every_pinned_version_lies_in_the_range_that_users_may_install():
    import tomllib

    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    pins = dict(
        line.split("==") for line in (ROOT / "constraints.txt").read_text("utf-8").split() if "==" in line
    )
    for line in [*project["dependencies"], *project["optional-dependencies"]["dev"]]:
        requirement = Requirement(line)
        assert pins[requirement.name] in requirement.specifier, line


def test_files_and_functions_that_are_too_long_are_found(tmp_path, monkeypatch):
    lengths = tool("lengths")
    monkeypatch.setattr(lengths, "ROOT", tmp_path)
    body = "    x = 1\n"
    (tmp_path / "short.py").write_text("def exactly_sixty():\n" + body * 59 + "x = 1\n" * 240)
    (tmp_path / "long.py").write_text("def sixty_one():\n" + body * 60 + "x = 1\n" * 240)
    assert list(lengths.too_long(tmp_path)) == [("long.py", 301, 300), ("long.py:sixty_one", 61, 60)]


def test_paths_of_one_machine_are_found_in_any_file_of_the_project(tmp_path, monkeypatch, capsys):
    own_words = tool("own_words")
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.setattr(own_words, "ROOT", project)
    (project / "fine.md").write_text("Run python3 tools/install.py, see /usr/bin/env and /tmp/x.\n")
    assert not own_words.main()
    (project / "lesson.ipynb").write_text(f'"one"\n"UserWarning in {project}/src/x.py"\n')
    (project / "note.md").write_text("It lay in /home/" + "anna/texts.\n")
    assert own_words.main()
    told = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[0] for line in told] == ["lesson.ipynb:2", "note.md:1"]


def test_a_failed_check_is_named_with_its_output_and_its_remedy(monkeypatch, capfd):
    check = tool("check")
    complain = [sys.executable, "-c", "print('line 3 is too long'); raise SystemExit(1)"]
    monkeypatch.setattr(check, "CHECKS", {"lint": complain, "types": [sys.executable, "-c", "print('calm')"]})
    assert check.main([]) == 1
    told = capfd.readouterr().out
    assert "line 3 is too long\nTo mend it: python -m ruff" in told
    assert "1 of 2 checks failed: lint" in told
    assert "calm" not in told
    assert check.main(["types"]) == 0
    assert check.main(["typs"]) == 2
