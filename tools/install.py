"""Makes the virtual environment .venv and installs groundup with the tested versions into it.

    python3 tools/install.py          what a user needs
    python3 tools/install.py dev      also what `make test` needs (any extra of pyproject.toml may be named)

Needs nothing but Python itself, on Linux, macOS and Windows (there: py tools/install.py). A second call
does nothing unless pyproject.toml or constraints.txt changed. The syntax is old on purpose: an old Python
must be able to read this file, so that it can say which one is needed.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

OLDEST, NEWEST_KNOWN = (3, 11), (3, 14)
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
SECONDS_FOR_THE_INDEX = 6

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
SCRIPTS = VENV / ("Scripts" if os.name == "nt" else "bin")
VENV_PYTHON = SCRIPTS / ("python.exe" if os.name == "nt" else "python")
STAMP = VENV / "groundup-installed.json"


class Stop(Exception):
    """What went wrong and what to do, in one line."""


def main(extras):
    """Install, unless the stamp says that all of it is there. Returns the exit code."""
    try:
        known = known_extras()
        unknown = sorted(set(extras) - set(known))
        if unknown:
            raise Stop(f"pyproject.toml has no extra {unknown[0]!r}. It has: {', '.join(known)}.")
        stamp = read_stamp()
        wanted = set(extras) | set(stamp.get("extras", [])) & set(known)
        if stamp != stamp_for(wanted) or not runs(VENV_PYTHON, "-c", ""):
            use_a_new_enough_python()
            install(sorted(wanted))
            STAMP.write_text(json.dumps(stamp_for(wanted)))
    except Stop as stop:
        print(stop, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on from here.", file=sys.stderr)
        return 130
    return 0


def install(extras):
    """The virtual environment, PyTorch in the build that fits, then everything else."""
    start = time.time()
    make_environment()
    torch = pinned("torch")
    if cpu_build_is_better(torch):
        print(f"PyTorch: {torch} for CPUs from {CPU_INDEX}: about 200 MB to download.")
        if not pip("install", "--no-deps", "--index-url", CPU_INDEX, torch)[0]:
            print("PyTorch: that did not work; taking the build that pip finds.")
    what = str(ROOT) + ("[" + ",".join(extras) + "]" if extras else "")
    worked, log = pip("install", "--constraint", str(ROOT / "constraints.txt"), "--editable", what)
    if not worked:
        print(log, file=sys.stderr)
        newest = ".".join(map(str, NEWEST_KNOWN))
        raise Stop(
            "pip could not install groundup; the lines above say why. Most often: no network, no space, or "
            f"a Python newer than PyTorch supports (3.11 to {newest} are fine). Mend that and run it again."
        )
    print(f"PyTorch: {installed_torch()}")
    print(f"Installed into .venv: {megabytes(VENV):,} MB in {time.time() - start:.0f} s.")


def use_a_new_enough_python():
    """Goes on in a newer Python of this machine if the one that runs this file is too old."""
    if sys.version_info >= OLDEST:
        return
    for minor in range(NEWEST_KNOWN[1], OLDEST[1] - 1, -1):
        newer = shutil.which(f"python3.{minor}")
        if newer:
            print(f"Python {sys.version.split()[0]} is too old; using {newer}.", flush=True)
            sys.exit(subprocess.call([newer, str(Path(__file__).resolve())] + sys.argv[1:]))
    version = sys.version.split()[0]
    raise Stop(
        f"groundup needs Python 3.{OLDEST[1]} or newer; {sys.executable} is {version}. Install a "
        "newer one (python.org, or your system), or name another: make demo PYTHON=/path/to/python3.12"
    )


def make_environment():
    """The folder .venv with a Python and a pip that run; one that no longer runs is made anew."""
    if runs(VENV_PYTHON, "-m", "pip", "--version"):
        return
    for module in ("venv", "ensurepip"):
        if not runs(sys.executable, "-c", f"import {module}"):
            version = f"{sys.version_info[0]}.{sys.version_info[1]}"
            raise Stop(
                f"Python's {module!r} is missing here, so no virtual environment can be made. On Debian and "
                f"Ubuntu: sudo apt install python{version}-venv; then run the same command again."
            )
    print(f"Making the virtual environment .venv with Python {sys.version.split()[0]}.")
    made = subprocess.run(
        [sys.executable, "-m", "venv", "--clear", str(VENV)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if made.returncode:
        print(made.stdout.decode(errors="replace"), file=sys.stderr)
        raise Stop(
            f"Could not make {VENV}; the lines above say why (often: no space, or no right to write there)."
        )


def cpu_build_is_better(torch):
    """Whether to use PyTorch's own index of CPU builds. If not, says what pip will take instead, and why."""
    version = torch.split("==")[1]
    same = f"import importlib.metadata as m; assert m.version('torch').split('+')[0] == {version!r}"
    if runs(VENV_PYTHON, "-c", same):
        return False  # The right version is there already; whoever chose its build had a reason.
    if sys.platform == "darwin":
        print(f"PyTorch: {torch} for the Mac's CPU and GPU, as pip finds it: about 100 MB to download.")
    elif has_nvidia_gpu() and os.name == "nt":
        print(
            f"PyTorch: {torch} as pip finds it, which on Windows computes on the CPU only. For your GPU "
            f"choose another build of it at pytorch.org/get-started; install that with {VENV_PYTHON} -m pip."
        )
    elif has_nvidia_gpu():
        print(f"PyTorch: {torch} for the NVIDIA GPU, as pip finds it: with CUDA about 3 GB to download.")
    elif index_has(torch):
        return True
    else:
        print(
            f"PyTorch: {torch} as pip finds it (PyPI's for Linux has CUDA in it: about 3 GB). There is no "
            f"NVIDIA GPU, but {CPU_INDEX} did not offer this version within {SECONDS_FOR_THE_INDEX} s."
        )
    return False


def has_nvidia_gpu():
    """Whether nvidia-smi is there and finds a GPU."""
    return shutil.which("nvidia-smi") is not None and runs("nvidia-smi", "-L")


def index_has(torch):
    """Whether PyTorch's index of CPU builds answers soon and lists this version."""
    found = []

    def ask():
        try:
            with urllib.request.urlopen(CPU_INDEX + "/torch/", timeout=SECONDS_FOR_THE_INDEX) as answer:
                found.append(torch.replace("==", "-") in answer.read().decode(errors="replace"))
        except (OSError, ValueError):
            found.append(False)

    # A thread, because looking up a name can take longer than the time limit of the connection.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(SECONDS_FOR_THE_INDEX)
    return found == [True]


def pip(*arguments):
    """Runs pip in the environment and shows how long it has been at what. Returns (worked, last lines)."""
    command = [str(VENV_PYTHON), "-m", "pip", "--disable-pip-version-check", *arguments]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True, errors="replace"
    )
    lines = []
    reader = threading.Thread(
        target=lambda: lines.extend(line.strip() for line in process.stdout or ()), daemon=True
    )
    reader.start()
    start = time.time()
    while reader.is_alive():
        reader.join(0.5)
        show(f"{time.time() - start:4.0f} s  {lines[-1] if lines else ''}")
    show("")
    return process.wait() == 0, "\n".join(lines[-20:])


def show(line):
    """Puts a passing line where the last one was, if a person is watching."""
    if sys.stdout.isatty():
        width = shutil.get_terminal_size().columns - 1
        print("\r" + line[:width].ljust(width), end="\r", flush=True)


def installed_torch():
    """Version and size on the disk of the PyTorch that is installed, in words."""
    code = (
        "import importlib.metadata as m, pathlib;"
        "d = m.distribution('torch'); print(d.version); print(pathlib.Path(d.locate_file('')).resolve())"
    )
    output = subprocess.run(
        [str(VENV_PYTHON), "-c", code], stdout=subprocess.PIPE, check=True
    ).stdout.decode()
    version, packages = output.splitlines()
    size = megabytes(Path(packages) / "torch") + megabytes(Path(packages) / "nvidia")
    return f"{version} is installed, {size:,} MB on the disk."


def megabytes(folder):
    """Size of all files under a folder, in units of a million bytes."""
    return (
        sum(file.stat().st_size for file in folder.rglob("*") if file.is_file() and not file.is_symlink())
        // 10**6
    )


def pinned(name):
    """The requirement for that package as constraints.txt has it, such as torch==2.13.0."""
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if line.startswith(name + "=="):
            return line.strip()
    raise Stop(f"constraints.txt gives no version for {name}. Add a line such as {name}==1.2.3.")


def known_extras():
    """The extras of pyproject.toml, read without a TOML parser because an old Python has none."""
    section = (
        (ROOT / "pyproject.toml").read_text().split("[project.optional-dependencies]")[1].split("\n[")[0]
    )
    return [line.split(" = ")[0] for line in section.splitlines() if " = [" in line]


def stamp_for(extras):
    """What the stamp holds after installing these extras: if it differs, something is to be done."""
    inputs = b"".join((ROOT / name).read_bytes() for name in ("pyproject.toml", "constraints.txt"))
    return {"inputs": hashlib.sha256(inputs).hexdigest(), "root": str(ROOT), "extras": sorted(extras)}


def read_stamp():
    """The stamp of the last installation, empty if there is none or it cannot be read."""
    try:
        return json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return {}


def runs(*command):
    """Whether a command can be started and ends without an error."""
    try:
        silent = subprocess.DEVNULL
        return subprocess.call([str(part) for part in command], stdout=silent, stderr=silent, timeout=60) == 0
    except (OSError, subprocess.SubprocessError):
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
