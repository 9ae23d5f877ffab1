"""Finds what belongs to one machine only (its folders, its package index) in the files of the project.

Such a word gets in through the output of a notebook or a copied log, and helps nobody elsewhere.
What to look for is read from the machine that runs the check, so no list needs to be kept.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS_OF_EVERYONE = {Path(name) for name in ("/", "/tmp", "/usr", "/usr/local", "/etc", "/home", "/Users")}
HOSTS_OF_EVERYONE = {"pypi.org", "files.pythonhosted.org", "download.pytorch.org"}
HOME_OF_SOMEBODY = r"/(?:home|Users)/\w+/|\b[A-Z]:\\Users\\"


def words_of_this_machine() -> set[str]:
    """Folders above this checkout and of this user, and what pip is configured to use here."""
    folders = {ROOT, ROOT.parent, Path.home(), Path(sys.base_prefix)}
    command = [sys.executable, "-m", "pip", "config", "list"]
    settings = subprocess.run(command, capture_output=True, text=True).stdout
    hosts = set(re.findall(r"https?://(?:[^/@\s']*@)?([\w.-]+)", settings)) - HOSTS_OF_EVERYONE
    for path in re.findall(r"(?:file://|['\s=])(/[\w.-]+/[\w.-]+)", settings):
        folders.add(Path(path))
    own = {path for path in folders - FOLDERS_OF_EVERYONE if path.parts[1] != "etc"}
    # A folder at the top of the disk can be a plain word ("/data"), so it counts only with what follows it.
    return hosts | {path.as_posix() + ("/" if len(path.parts) == 2 else "") for path in own}


def files_of_the_project() -> Iterator[Path]:
    """Every file that git has or would take; in a copy without git, every file that is not hidden."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True)
    if listed.returncode == 0:
        paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    else:
        paths = [path for path in ROOT.rglob("*") if "/." not in path.as_posix()[len(str(ROOT)) :]]
    yield from (path for path in sorted(paths) if path.is_file())


def main() -> int:
    """Print each line that has such a word. Returns the exit code."""
    words = "|".join(re.escape(word) for word in sorted(words_of_this_machine(), key=len, reverse=True))
    pattern = re.compile(rf"{HOME_OF_SOMEBODY}|(?<![\w.])(?:{words})")
    found = False
    for path in files_of_the_project():
        content = path.read_bytes()
        if b"\0" in content[:8192]:
            continue
        for number, line in enumerate(content.decode("utf-8", errors="replace").splitlines(), 1):
            if hit := pattern.search(line):
                print(f"{path.relative_to(ROOT)}:{number}: {hit[0]!r} means nothing on another machine.")
                found = True
    return found


if __name__ == "__main__":
    sys.exit(main())
