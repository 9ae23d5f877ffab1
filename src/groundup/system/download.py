"""Fetch a file from an address so that it is whole, right and fetched once, over any bad connection."""

import os
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from groundup.errors import UserError
from groundup.system.answers import asked_wait, in_words, mark_of, range_of, refusal
from groundup.system.files import cache_folder, sha256, storage_errors
from groundup.system.lock import in_turn

if TYPE_CHECKING:
    from requests import Response

TRIES = 5
"""Failures in a row after which we give up. A failure after new bytes have come is the first of a new row."""

CONNECT_SECONDS, STALL_SECONDS = 10.0, 30.0
CHUNK = 1 << 16  # bytes; what is lost of a connection that is cut is less than this

Progress = Callable[[int, int], None]  # (done, total) in bytes; a total of 0 is one that nobody knows


def download(
    url: str,
    path: Path | str,
    *,
    sha256: str = "",
    size: int = 0,
    headers: Mapping[str, str] | None = None,
    progress: Progress | None = None,
    lock: Path | None = None,
    sleep: Callable[[float], None] = time.sleep,
    stall: float = STALL_SECONDS,
) -> Path:
    """The file of an address at `path`, fetched unless it is there already; it appears whole or not at all.

    What an interruption leaves is kept beside `path` (`.NAME.part`) and continued by the next call, if the
    server's mark of the file (ETag or Last-Modified) is still the same. `size` in bytes and `sha256` are
    checked where they are given; a file that differs is thrown away and fetched once more. Processes that
    want the same file wait for each other, by `lock`. `stall`: seconds without a byte after which a
    connection counts as dead. Proxies come from the environment (HTTPS_PROXY, NO_PROXY); with
    HF_HUB_OFFLINE=1 nothing is fetched. UserError for everything that more tries cannot mend.
    """
    path = Path(path)
    if _is_there(path, size):
        return path
    if is_offline():
        raise UserError(
            f"{path} is missing, and HF_HUB_OFFLINE forbids to fetch it. Unset HF_HUB_OFFLINE, or put the "
            f"file from {url} there."
        )
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with in_turn(lock or path.with_name(f".{path.name}.lock")):
            if not _is_there(path, size):  # another process may have brought it while we waited
                transfer = _Transfer(url, path, sha256, size, headers or {}, progress, sleep, stall)
                transfer.run()
    return path


def downloads_folder() -> Path:
    """Where files are kept that come from an address of their own."""
    return cache_folder() / "downloads"


def is_offline() -> bool:
    """Whether the user forbids to use the network: HF_HUB_OFFLINE, as the Hugging Face libraries read it."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def _is_there(path: Path, size: int) -> bool:
    return path.is_file() and size in (0, path.stat().st_size)


class _Wrong(Exception):
    """The file is not the one that was expected; the text says in what."""


class _Failed(Exception):
    """A try failed in a way that another one may mend; `wait` is the seconds that the server asked for."""

    def __init__(self, why: str, wait: float = 0.0):
        super().__init__(why)
        self.wait = wait


class _Transfer:
    """One file on its way: what is here of it so far, and how to get the rest."""

    def __init__(
        self,
        url: str,
        path: Path,
        sha256: str,
        size: int,
        headers: Mapping[str, str],
        progress: Progress | None,
        sleep: Callable[[float], None],
        stall: float,
    ):
        self.url, self.path, self.sha256, self.size = url, path, sha256, size
        self.headers, self.progress, self.sleep, self.stall = headers, progress, sleep, stall
        self.part = path.with_name(f".{path.name}.part")
        # The server's mark of the file whose beginning the part is.
        self.mark = path.with_name(f".{path.name}.part.mark")

    def run(self) -> None:
        """Bring the file to its place; a wrong one is fetched twice before we give up."""
        for tries_left in (1, 0):
            try:
                self._fetch()
                self._check()
            except _Wrong as wrong:
                self._forget()
                if not tries_left:
                    raise UserError(
                        f"{self.url} is not the file that was expected, twice: {wrong}. It was thrown away. "
                        f"The source may have changed, or a proxy alters what it gives."
                    ) from None
            else:
                os.replace(self.part, self.path)
                self.mark.unlink(missing_ok=True)
                return

    def _here(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _forget(self) -> None:
        self.part.unlink(missing_ok=True)
        self.mark.unlink(missing_ok=True)

    def _fetch(self) -> None:
        """Try until the part is complete. UserError after too many failures in a row."""
        failures, most = 0, self._here()
        while True:
            try:
                return self._try()
            except _Failed as failed:
                here = self._here()
                failures = 1 if here > most else failures + 1
                most = max(most, here)
                if failures == TRIES:
                    kept = f" What came ({here:,} bytes) is kept: the same command goes on." if here else ""
                    raise UserError(
                        f"Could not fetch {self.url} in {TRIES} tries: {failed}. Check the connection, or "
                        f"try later.{kept}"
                    ) from None
                self.sleep(failed.wait or 2.0 ** (failures - 1))

    def _try(self) -> None:
        """One request: for all of the file, or for what is missing of it."""
        import requests
        from requests import exceptions as errors
        from urllib3.exceptions import HTTPError

        have = self._here()
        if self.size and have == self.size:
            return  # it was complete when we were interrupted
        mark = self.mark.read_text(encoding="utf-8") if self.mark.exists() else ""
        if have > self.size > 0 or not (mark or self.sha256):
            have = 0  # nothing would tell whether the rest belongs to it
        # Bytes that are packed on their way cannot be continued from a byte of the file.
        headers = {"Accept-Encoding": "identity", "User-Agent": "groundup", **self.headers}
        if have:
            headers |= {"Range": f"bytes={have}-"} | ({"If-Range": mark} if mark else {})
        try:
            times = (CONNECT_SECONDS, self.stall)
            with requests.get(self.url, headers=headers, stream=True, timeout=times) as response:
                self._receive(response, have)
        except (errors.InvalidURL, errors.MissingSchema, errors.InvalidSchema) as error:
            raise UserError(f"{self.url} is no address: {error}. It must begin with https://") from None
        except (errors.RequestException, HTTPError) as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise UserError(
                    f"The certificate of {self.url} is not trusted. Behind a company's proxy, name its "
                    f"certificates: REQUESTS_CA_BUNDLE=FILE."
                ) from None
            raise _Failed(in_words(error, self.stall)) from None

    def _receive(self, response: "Response", have: int) -> None:
        status = response.status_code
        if status == 416:  # there is nothing after what we have: it is all, or it is another file
            if range_of(response)[1] == have:
                return
            self._forget()
            raise _Failed("what is here is no part of the file there")
        if status == 429 or status == 408 or status >= 500:
            raise _Failed(f"the server answered {status} {response.reason}", asked_wait(response, self.url))
        if status not in (200, 206):
            raise UserError(refusal(response, self.url))
        if "next" in response.links:
            raise UserError(f"{self.url} gives only the first page of a list, and we do not read on.")
        packed = response.headers.get("Content-Encoding", "identity") != "identity"
        if status == 206:
            first, total = range_of(response)
            if first != have:
                self._forget()
                raise _Failed(f"the server sent bytes from {first} on, but {have} was asked for")
        else:
            have = 0  # the whole file, from its start: Range was ignored, or the file there has changed
            total = 0 if packed else int(response.headers.get("Content-Length", 0))
        if self.size and total and total != self.size:
            raise _Wrong(f"it has {total:,} bytes, expected {self.size:,}")
        total = total or self.size
        _refuse_small_disk(self.part, total - have)
        with open(self.part, "r+b" if have else "wb") as file:
            if not have:  # emptied first: no mark may stand beside the bytes of another file
                self.mark.write_text("" if packed else mark_of(response), encoding="utf-8")
            file.seek(have)
            self._tell(have, total)
            for chunk in response.iter_content(CHUNK):
                file.write(chunk)
                have += len(chunk)
                self._tell(have, total)
            file.flush()
            os.fsync(file.fileno())
        if not packed and have < total:
            raise _Failed(f"the connection ended after {have:,} of {total:,} bytes")

    def _tell(self, done: int, total: int) -> None:
        if self.progress:
            self.progress(done, total)

    def _check(self) -> None:
        here = self._here()
        if self.size and here != self.size:
            raise _Wrong(f"it has {here:,} bytes, expected {self.size:,}")
        if self.sha256 and (found := sha256(self.part)) != self.sha256:
            raise _Wrong(f"its sha256 is {found}, expected {self.sha256}")


def _refuse_small_disk(part: Path, needed: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if needed > free:
        raise UserError(
            f"{part.parent} has {free / 1e9:.2f} GB free, but {needed / 1e9:.2f} GB are to come. Free some "
            f"space, or choose another folder (XDG_CACHE_HOME, HF_HOME)."
        )
