"""Members of .zip and .tar.gz archives from elsewhere, read without ever writing where an archive says."""

import os
import re
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from groundup.data.formats import readable, refuse_bomb
from groundup.errors import UserError


def zip_member(archive: Path, name: str) -> bytes:
    """The bytes of one member. UserError for a damaged archive, a foreign one or one with strange names."""
    with _proper(archive), zipfile.ZipFile(archive) as members:
        for each in members.namelist():
            _refuse_strange(archive, each)
        if name not in members.namelist():
            there = ", ".join(members.namelist()[:8]) or "nothing"
            raise UserError(f"{archive} has no member {name}, but {there}. Delete it, and fetch it again.")
        # No more than the size that is written there is unpacked, whatever follows.
        refuse_bomb(archive, members.getinfo(name).file_size, os.path.getsize(archive))
        return members.read(name)


def tar_members(archive: Path, wanted: re.Pattern[str]) -> Iterator[tuple[re.Match[str], bytes]]:
    """The files of a .tar.gz whose names match, in its order, as (match, content). UserError as above."""
    size, unpacked = os.path.getsize(archive), 0
    with _proper(archive), tarfile.open(archive, "r|gz") as members:
        for member in members:
            _refuse_strange(archive, member.name)
            unpacked += member.size
            refuse_bomb(archive, unpacked, size)
            found = wanted.fullmatch(member.name)
            if found and (content := members.extractfile(member)):
                yield found, content.read()


def _refuse_strange(archive: Path, name: str) -> None:
    """UserError if a member's name leads out of the folder that it would be unpacked into."""
    if name.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", name) or re.match(r"[A-Za-z]:", name):
        raise UserError(
            f"{archive} holds {name!r}, a name that leads out of its folder: somebody may mean harm. Nothing "
            f"of it was used. Delete it, and tell where it came from in an issue."
        )


@contextmanager
def _proper(archive: Path) -> Iterator[None]:
    """Turns a damaged archive into one line."""
    try:
        with readable(archive):
            yield
    except (tarfile.TarError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise UserError(
            f"{archive} is no proper archive: {error}. Delete it; the same command fetches it again."
        ) from error
