"""Datasets and models of the Hugging Face hub, kept in its own cache (HF_HOME), where others look too.

The transfer is ours (`download`): huggingface_hub's own begins anew after an interruption and checks only the
size of what plain HTTP brings. The form of the cache is theirs: blobs named by their sha256, and a folder of
links for each revision.
"""

import hashlib
import json
import os
import re
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from groundup.errors import UserError
from groundup.system.download import Progress, download, is_offline
from groundup.system.files import cache_folder, write_text

Kind = Literal["datasets", "models"]


@dataclass(frozen=True)
class HubFile:
    """One file of a repository at a fixed commit."""

    repository: str  # "Salesforce/wikitext"
    commit: str
    path: str  # in the repository
    size: int  # bytes
    sha256: str  # "" for a small file
    git: str = ""  # of a small one: the name that git gives to its bytes
    kind: Kind = "datasets"

    @property
    def url(self) -> str:
        """Where it is fetched from."""
        front = "" if self.kind == "models" else f"{self.kind}/"
        return f"{endpoint()}/{front}{self.repository}/resolve/{self.commit}/{quote(self.path)}"


def endpoint() -> str:
    """The hub's address, or that of a mirror (HF_ENDPOINT)."""
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def commit_of(repository: str, revision: str) -> str:
    """The commit that a branch or tag of a model's repository means now; a commit means itself.

    Without the network it is what it meant when it was last asked for. UserError as `download` gives it.
    """
    from huggingface_hub import constants

    if re.fullmatch(r"[0-9a-f]{40}", revision):
        return revision
    kept = Path(constants.HF_HUB_CACHE) / _folder_name(repository, "models") / "refs" / revision
    if is_offline():
        if kept.is_file():
            return kept.read_text(encoding="utf-8").strip()
        raise UserError(
            f"{repository} was never fetched, and HF_HUB_OFFLINE forbids to do so. Unset HF_HUB_OFFLINE."
        )
    url = f"{endpoint()}/api/models/{repository}/revision/{quote(revision, safe='')}"
    with tempfile.TemporaryDirectory() as folder:
        answer = download(url, Path(folder) / "revision.json", headers=_headers())
        try:
            commit = str(json.loads(answer.read_text(encoding="utf-8"))["sha"])
        except (ValueError, KeyError, TypeError):
            raise UserError(f"{url} gave no commit. If HF_ENDPOINT is set, check that address.") from None
    write_text(kept, commit)
    return commit


def list_files(repository: str, commit: str, folder: str = "", *, kind: Kind = "datasets") -> list[HubFile]:
    """The files of one folder of a repository at a commit, in the order of their names; of a model all files.

    Of a dataset only the large ones: the small ones, like README.md, are no data. It is asked once and
    remembered: what a commit holds never changes. UserError as `download` gives it, also where the list is
    so long that the hub gives it page by page.
    """
    where = f"{folder}@{commit}".strip("/").replace("/", "--")
    kept = cache_folder() / "hub" / _folder_name(repository, kind) / f"{where}.json"
    url = f"{endpoint()}/api/{kind}/{repository}/tree/{commit}/{quote(folder)}".rstrip("/")
    if kind == "models":
        url += "?recursive=true"
    try:
        entries = json.loads(download(url, kept, headers=_headers()).read_text(encoding="utf-8"))
        files = [
            HubFile(repository, commit, e["path"], e["size"], e.get("lfs", {}).get("oid", ""), e["oid"], kind)
            for e in entries
            if e["type"] == "file" and ("lfs" in e or kind == "models")
        ]
        return sorted(files, key=lambda file: file.path)
    except (ValueError, KeyError, TypeError, AttributeError):
        kept.unlink(missing_ok=True)
        raise UserError(f"{url} gave no list of files. If HF_ENDPOINT is set, check that address.") from None


def fetch(file: HubFile, progress: Progress | None = None) -> Path:
    """A file's place in the hub's cache, fetched if it is not there. UserError as `download` gives it."""
    from huggingface_hub import constants

    cache, name = Path(constants.HF_HUB_CACHE), _folder_name(file.repository, file.kind)
    link = cache / name / "snapshots" / file.commit / file.path
    if link.is_file() and link.stat().st_size == file.size:
        return link
    named = file.sha256 or file.git
    blob = cache / name / "blobs" / named
    # huggingface_hub takes the same lock before it writes a blob.
    lock = cache / ".locks" / name / f"{named}.lock"
    download(
        file.url,
        blob,
        sha256=file.sha256,
        size=file.size,
        headers=_headers(),
        progress=progress,
        lock=lock,
    )
    if not file.sha256 and _git_name(blob) != file.git:
        blob.unlink()
        raise UserError(f"{file.url} did not come as the hub describes it. Try again, or without the proxy.")
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    try:
        with suppress(FileExistsError):  # another process was faster
            link.symlink_to(os.path.relpath(blob, link.parent))
    except OSError:  # Windows without the right to make links: the file itself, as huggingface_hub does
        os.replace(blob, link)
    return link


def _folder_name(repository: str, kind: Kind) -> str:
    return f"{kind}--" + repository.replace("/", "--")


def _git_name(path: Path) -> str:
    """The name that git gives to a file's bytes."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _headers() -> dict[str, str]:
    """The user's token for the hub, if there is one."""
    from huggingface_hub import get_token

    token = get_token()
    return {"Authorization": f"Bearer {token}"} if token else {}
