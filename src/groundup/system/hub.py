"""Files of datasets on the Hugging Face hub, kept in its own cache (HF_HOME), where other programs find them.

The transfer is ours (`download`): huggingface_hub's own begins anew after an interruption and checks only the
size of what plain HTTP brings. The form of the cache is theirs: blobs named by their sha256, and a folder of
links for each revision.
"""

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from groundup.errors import UserError
from groundup.system.download import Progress, download
from groundup.system.files import cache_folder


@dataclass(frozen=True)
class HubFile:
    """One file of a dataset's repository at a fixed commit."""

    repository: str  # "Salesforce/wikitext"
    commit: str
    path: str  # in the repository
    size: int  # bytes
    sha256: str

    @property
    def url(self) -> str:
        """Where it is fetched from."""
        return f"{endpoint()}/datasets/{self.repository}/resolve/{self.commit}/{quote(self.path)}"


def endpoint() -> str:
    """The hub's address, or that of a mirror (HF_ENDPOINT)."""
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def list_files(repository: str, commit: str, folder: str = "") -> list[HubFile]:
    """The large files of one folder of a dataset at a commit, in the order of their names.

    It is asked once and remembered: what a commit holds never changes. UserError as `download` gives it, also
    where the list is so long that the hub gives it page by page.
    """
    where = f"{folder}@{commit}".strip("/").replace("/", "--")
    kept = cache_folder() / "hub" / _folder_name(repository) / f"{where}.json"
    url = f"{endpoint()}/api/datasets/{repository}/tree/{commit}/{quote(folder)}".rstrip("/")
    try:
        entries = json.loads(download(url, kept, headers=_headers()).read_text(encoding="utf-8"))
        return sorted(
            (
                HubFile(repository, commit, entry["path"], entry["size"], entry["lfs"]["oid"])
                for entry in entries
                if entry["type"] == "file" and "lfs" in entry  # the small ones, like README.md, are no data
            ),
            key=lambda file: file.path,
        )
    except (ValueError, KeyError, TypeError):
        kept.unlink(missing_ok=True)
        raise UserError(f"{url} gave no list of files. If HF_ENDPOINT is set, check that address.") from None


def fetch(file: HubFile, progress: Progress | None = None) -> Path:
    """A file's place in the hub's cache, fetched if it is not there. UserError as `download` gives it."""
    from huggingface_hub import constants

    cache, name = Path(constants.HF_HUB_CACHE), _folder_name(file.repository)
    link = cache / name / "snapshots" / file.commit / file.path
    if link.is_file() and link.stat().st_size == file.size:
        return link
    blob = cache / name / "blobs" / file.sha256
    # huggingface_hub takes the same lock before it writes a blob.
    lock = cache / ".locks" / name / f"{file.sha256}.lock"
    download(
        file.url,
        blob,
        sha256=file.sha256,
        size=file.size,
        headers=_headers(),
        progress=progress,
        lock=lock,
    )
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    try:
        with suppress(FileExistsError):  # another process was faster
            link.symlink_to(os.path.relpath(blob, link.parent))
    except OSError:  # Windows without the right to make links: the file itself, as huggingface_hub does
        os.replace(blob, link)
    return link


def _folder_name(repository: str) -> str:
    return "datasets--" + repository.replace("/", "--")


def _headers() -> dict[str, str]:
    """The user's token for the hub, if there is one."""
    from huggingface_hub import get_token

    token = get_token()
    return {"Authorization": f"Bearer {token}"} if token else {}
