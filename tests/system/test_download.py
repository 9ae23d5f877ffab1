"""Downloads over bad connections, from a real server on this machine."""

import hashlib
import random
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from groundup.errors import UserError
from groundup.system.download import TRIES, download
from tests.system.conftest import CONTENT, fetch
from tests.web import Fault, Web

OTHER = random.Random(1).randbytes(500_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def left_beside(path: Path) -> list[str]:
    return sorted(file.name for file in path.parent.iterdir() if file.suffix != ".lock")


def continued_at(web: Web, request: int) -> int:
    """The byte from which a request asked to continue."""
    asked = web.ranges()[request]
    assert asked is not None, "it began anew instead of continuing"
    return int(asked.removeprefix("bytes=").removesuffix("-"))


def test_a_file_comes_whole_and_progress_goes_from_nothing_to_all(web, url, path):
    told: list[tuple[int, int]] = []
    waits = fetch(
        url, path, sha256=SHA256, size=len(CONTENT), progress=lambda done, total: told.append((done, total))
    )
    assert path.read_bytes() == CONTENT and waits == []
    assert told[0] == (0, len(CONTENT)) and told[-1] == (len(CONTENT), len(CONTENT))
    assert told == sorted(told)
    assert left_beside(path) == ["file.bin"]


def test_a_file_that_is_there_is_not_asked_for_again(web, url, path):
    fetch(url, path)
    fetch(url, path, size=len(CONTENT), sha256=SHA256)
    assert len(web.requests) == 1


def test_a_connection_that_is_cut_goes_on_where_it_ended(web, url, path):
    web.faults = [Fault(cut=200_000), Fault(cut=100_000)]
    waits = fetch(url, path)
    assert path.read_bytes() == CONTENT
    first, second = continued_at(web, 1), continued_at(web, 2)
    assert 130_000 < first <= 200_000 and first < second <= first + 100_000
    assert web.requests[1][1]["If-Range"].startswith('"')
    assert waits == [1, 1], "bytes came, so each failure is the first of its row"


def test_the_next_call_goes_on_after_an_interruption_of_the_program(web, url, path):
    def stop(done: int, total: int) -> None:
        if done > 250_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(url, path, progress=stop)
    assert not path.exists()
    fetch(url, path)
    assert path.read_bytes() == CONTENT
    assert continued_at(web, 1) > 190_000


def test_a_connection_that_falls_silent_is_left_and_continued(web, url, path):
    web.faults = [Fault(cut=300_000, stall=True)]
    waits = fetch(url, path, stall=0.1)
    assert path.read_bytes() == CONTENT and waits == [1]
    assert continued_at(web, 1) > 200_000


def test_a_server_that_ignores_the_range_gives_the_file_from_its_start(web, url, path):
    web.faults = [Fault(cut=200_000), Fault(ignore_range=True)]
    fetch(url, path)
    assert path.read_bytes() == CONTENT


def test_a_range_that_begins_elsewhere_is_not_joined_to_what_is_here(web, url, path):
    web.faults = [Fault(cut=200_000), Fault(first=7)]
    fetch(url, path)
    assert path.read_bytes() == CONTENT and web.ranges()[2] is None


@pytest.mark.parametrize("other", [OTHER, OTHER[:150_000]], ids=["as long", "shorter"])
def test_a_file_that_changed_between_two_tries_is_not_mixed_with_the_old_one(web, url, path, other):
    def change(done: int, total: int) -> None:
        if done > 250_000 and web.files["/file.bin"] is CONTENT:
            web.files["/file.bin"] = other

    web.faults = [Fault(cut=400_000)]
    fetch(url, path, progress=change)
    assert path.read_bytes() == other
    assert continued_at(web, 1) > 0, "it asked to continue, and the server's mark said no"


def test_without_a_mark_or_sha256_nothing_is_continued(web, url, path):
    web.marks = False
    web.faults = [Fault(cut=200_000)]
    fetch(url, path)
    assert path.read_bytes() == CONTENT and web.ranges() == [None, None]


def test_a_known_sha256_allows_to_continue_without_a_mark(web, url, path):
    web.marks = False
    web.faults = [Fault(cut=200_000)]
    fetch(url, path, sha256=SHA256)
    assert path.read_bytes() == CONTENT and continued_at(web, 1) > 0


def test_a_part_of_another_file_is_found_out_by_the_sha256_and_fetched_anew(web, url, path):
    path.parent.mkdir()
    path.with_name(".file.bin.part").write_bytes(OTHER[:300_000])
    fetch(url, path, sha256=SHA256)
    assert path.read_bytes() == CONTENT
    assert web.ranges() == ["bytes=300000-", None]


def test_a_part_that_was_complete_needs_no_more_bytes(web, url, path):
    web.faults = [Fault(cut=450_000)]
    with pytest.raises(KeyboardInterrupt):
        download(url, path, sleep=interrupt)
    part = path.with_name(".file.bin.part")
    part.write_bytes(CONTENT)
    fetch(url, path)  # its size is not known here: the server says that there is nothing more (416)
    assert path.read_bytes() == CONTENT and web.ranges() == [None, f"bytes={len(CONTENT)}-"]


def interrupt(seconds: float) -> None:
    raise KeyboardInterrupt


def test_a_part_longer_than_the_file_is_thrown_away(web, url, path):
    web.faults = [Fault(cut=450_000)]
    with pytest.raises(KeyboardInterrupt):
        download(url, path, sleep=interrupt)
    path.with_name(".file.bin.part").write_bytes(CONTENT + b"more")
    fetch(url, path)
    assert path.read_bytes() == CONTENT


def test_corrupt_bytes_are_thrown_away_and_fetched_once_more(web, url, path):
    web.faults = [Fault(flip=True)]
    fetch(url, path, sha256=SHA256)
    assert path.read_bytes() == CONTENT and web.ranges() == [None, None]


def test_a_file_that_is_wrong_twice_is_one_line_with_both_sha256(web, url, path):
    web.files["/file.bin"] = OTHER
    with pytest.raises(UserError, match=f"{hashlib.sha256(OTHER).hexdigest()}, expected {SHA256}"):
        fetch(url, path, sha256=SHA256)
    assert len(web.requests) == 2 and left_beside(path) == []


def test_a_file_of_another_size_is_refused_before_it_is_fetched(web, url, path):
    told: list[int] = []
    with pytest.raises(UserError, match="500,000 bytes, expected 400,000"):
        fetch(url, path, size=400_000, progress=lambda done, total: told.append(done))
    assert told == []


def test_a_length_that_promises_too_much_is_taken_for_a_cut_connection(web, url, path):
    web.faults = [Fault(claim=10)]
    fetch(url, path)
    assert path.read_bytes() == CONTENT


def test_a_range_that_ends_before_the_file_does_is_followed_by_another(web, url, path):
    web.faults = [Fault(cut=200_000), Fault(claim=-10)]
    fetch(url, path)
    assert path.read_bytes() == CONTENT and continued_at(web, 2) == len(CONTENT) - 10


def test_a_length_that_promises_too_little_is_found_out_by_the_size(web, url, path):
    web.faults = [Fault(claim=-10)]
    fetch(url, path, size=len(CONTENT))
    assert path.read_bytes() == CONTENT


def test_a_server_in_trouble_is_tried_again_with_growing_waits(web, url, path):
    web.faults = [Fault(status=500), Fault(status=502), Fault(status=503)]
    assert fetch(url, path) == [1, 2, 4]
    assert path.read_bytes() == CONTENT


def test_after_five_failures_in_a_row_it_ends_with_what_is_kept(web, url, path):
    web.faults = [Fault(cut=200_000), *[Fault(status=500)] * TRIES]
    waits: list[float] = []
    with pytest.raises(
        UserError, match=r"in 5 tries: the server answered 500.*\(1\d\d,\d\d\d bytes\) is kept"
    ):
        download(url, path, sleep=waits.append)
    assert waits == [1, 2, 4, 8]
    web.faults = []
    fetch(url, path)
    assert path.read_bytes() == CONTENT and continued_at(web, -1) > 0


def test_a_server_that_always_cuts_at_the_same_place_is_given_up(web, url, path):
    web.faults = [Fault(cut=200_000, ignore_range=True) for _ in range(20)]
    with pytest.raises(UserError, match="the connection was cut"):
        fetch(url, path)
    assert len(web.requests) == TRIES


def test_offline_the_missing_file_and_its_place_are_named(web, url, path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UserError, match=f"{path} is missing, and HF_HUB_OFFLINE"):
        fetch(url, path)
    assert web.requests == []
    path.parent.mkdir()
    path.write_bytes(CONTENT)
    fetch(url, path)


def test_two_processes_that_want_one_file_fetch_it_once(web, url, path):
    web.seconds_per_chunk = 0.05
    program = "import sys; from groundup.system.download import download; download(*sys.argv[1:3])"
    both = [subprocess.Popen([sys.executable, "-c", program, url, str(path)]) for _ in range(2)]
    assert [process.wait(20) for process in both] == [0, 0]
    assert path.read_bytes() == CONTENT and len(web.requests) == 1


def test_a_disk_that_is_too_small_is_told_before_anything_comes(web, url, path, monkeypatch):
    usage = shutil.disk_usage(path.anchor)._replace(free=100_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(UserError, match=r"0\.00 GB free.*Free some space"):
        fetch(url, path)


def test_storage_that_refuses_is_one_line_and_what_came_is_continued(web, url, path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        with pytest.raises(UserError, match=f"Could not write {path}.*larger than allowed"):
            fetch(url, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not path.exists()
    fetch(url, path)
    assert path.read_bytes() == CONTENT and continued_at(web, 1) > 100_000
