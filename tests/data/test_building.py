"""A corpus becomes the same tokens however it is read: at once, in processes, or with interruptions."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tests.written import write_shard

from groundup.data import building
from groundup.data.building import build
from groundup.data.corpus import corpus_pieces
from groundup.data.piece import Piece, Record, Report
from groundup.data.shards import open_shards
from groundup.data.split import Parts, by_piece, split_corpus, split_pieces
from groundup.errors import UserError
from groundup.system.lock import alone
from groundup.text.tokenizer import Tokenizer

BYTES = Tokenizer.from_bytes()
NO_LIMITS = {"train": 0, "validation": 0}


def text_of(number: int) -> str:
    return f"Tale {number}: {'the lamp is by the well. ' * (number % 7 + 1)}"


def write_corpus(folder: Path, documents: int = 400) -> Path:
    """A folder of two files of JSON lines, with a record that is no text and an empty one in each."""
    folder.mkdir(exist_ok=True)
    for name, numbers in {"a": range(documents // 2), "b": range(documents // 2, documents)}.items():
        lines = [json.dumps({"text": text_of(number)}) for number in numbers]
        lines[7:7] = ['{"id": 3}', '{"text": " "}']
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "CHARACTERS_AT_ONCE", 3000)


def fingerprints(shards) -> list[str]:
    return [shard.fingerprint for shard in shards]


def test_each_part_holds_the_tokens_that_writing_it_alone_gives(tmp_path: Path) -> None:
    parts, report = split_corpus(write_corpus(tmp_path / "texts")), Report()
    train, validation = build(tmp_path / "tokens", parts, BYTES, limits=NO_LIMITS, report=report)
    for shard, documents in ((train, parts.train()), (validation, parts.validation())):
        alone_written = write_shard(tmp_path / "alone", documents, BYTES)
        assert shard.manifest["files"] == alone_written.manifest["files"]
    assert (report.documents, report.unreadable, report.empty) == (400, 2, 2)
    assert sorted(file.name for file in (tmp_path / "tokens").rglob("*") if file.is_file()) == sorted(
        2 * ["document_bytes.bin", "manifest.json", "starts.bin", "tokens.bin"]
    )


def test_two_processes_write_the_same_bytes_as_one(tmp_path: Path) -> None:
    parts = split_corpus(write_corpus(tmp_path / "texts"))
    one, two = (
        build(tmp_path / str(n), parts, BYTES, limits={"train": 9000, "validation": 0}, processes=n)
        for n in (0, 2)
    )
    assert fingerprints(one) == fingerprints(two)


def counting(parts: Parts, stop_at: int | None, encoded: list[int]) -> Parts:
    """The same parts; reading fails at a record, as if the machine went off there."""

    def watched(piece: Piece) -> Piece:
        def records(start: int):
            for record in piece.records(start):
                if stop_at is not None and sum(encoded) >= stop_at:
                    raise KeyboardInterrupt
                encoded.append(1)
                yield record

        return Piece(piece.name, records, piece.size)

    return Parts(parts.by, [watched(piece) for piece in parts.pieces], parts.rule, parts.known)


@pytest.mark.parametrize("by", ["hash", "position", "files"])
@pytest.mark.parametrize("stops", [[0], [1], [209], [150, 50, 190], [90] * 4])
def test_after_interruptions_no_record_is_lost_and_none_is_there_twice(
    tmp_path: Path, by: str, stops: list[int]
) -> None:
    parts = split_corpus(write_corpus(tmp_path / "texts"), by=by)
    whole = build(tmp_path / "whole", parts, BYTES, limits=NO_LIMITS)
    read: list[int] = []
    for stop_at in stops:
        interrupted = counting(parts, stop_at + sum(read), read)
        with pytest.raises(KeyboardInterrupt):
            build(tmp_path / "tokens", interrupted, BYTES, limits=NO_LIMITS, commit_seconds=0)
        assert not (tmp_path / "tokens").exists()
    report = Report()
    again = build(tmp_path / "tokens", counting(parts, None, read), BYTES, limits=NO_LIMITS, report=report)
    assert fingerprints(again) == fingerprints(whole)
    assert (report.documents, report.unreadable, report.empty) == (400, 2, 2)
    a_block = 50  # records; only the unfinished one is read again
    assert len(read) <= 404 + len(stops) * a_block


def test_what_was_not_committed_is_cut_off_and_read_again(tmp_path: Path) -> None:
    parts = split_corpus(write_corpus(tmp_path / "texts"))
    whole = build(tmp_path / "whole", parts, BYTES, limits=NO_LIMITS)
    for commit_seconds, stop_at in ((0, 100), (1000, 300)):
        with pytest.raises(KeyboardInterrupt):
            build(
                tmp_path / "tokens",
                counting(parts, stop_at, []),
                BYTES,
                limits=NO_LIMITS,
                commit_seconds=commit_seconds,
            )
    assert fingerprints(build(tmp_path / "tokens", parts, BYTES, limits=NO_LIMITS)) == fingerprints(whole)


PROGRAM = """
import sys
from pathlib import Path
from groundup.data import building
from groundup.data.split import split_corpus
from groundup.text.tokenizer import Tokenizer

if __name__ == "__main__":
    building.CHARACTERS_AT_ONCE = 3000
    building.build(Path(sys.argv[2]), split_corpus(sys.argv[1]), Tokenizer.from_bytes(),
                   limits={"train": 0, "validation": 0}, processes=int(sys.argv[3]), commit_seconds=0)
"""


def kill_and_compare(tmp_path: Path, *, kills: int, processes: int, seed: int) -> None:
    """Kill a real process again and again at random moments, then let it end, and compare every byte."""
    corpus, chance = write_corpus(tmp_path / "texts", 6000), random.Random(seed)
    whole = build(tmp_path / "whole", split_corpus(corpus), BYTES, limits=NO_LIMITS)
    program = [sys.executable, "-c", PROGRAM, str(corpus), str(tmp_path / "tokens"), str(processes)]
    if processes:  # other processes import the program, so it has to be a file
        (tmp_path / "program.py").write_text(PROGRAM, encoding="utf-8")
        program[1:3] = [str(tmp_path / "program.py")]
    state, killed = tmp_path / "tokens.unfinished" / "progress.json", 0

    def commits() -> int:
        return state.stat().st_mtime_ns if state.exists() else 0

    while killed < kills:
        before, process = commits(), subprocess.Popen(program, stderr=subprocess.PIPE)
        while process.poll() is None and commits() == before:
            time.sleep(0.001)
        time.sleep(chance.random() * 0.2)
        process.send_signal(signal.SIGKILL)
        _, error = process.communicate()
        if process.returncode == 0:  # it was done already
            assert fingerprints(map(open_shards, shards_of(tmp_path / "tokens"))) == fingerprints(whole)
            shutil.rmtree(tmp_path / "tokens")
            continue
        assert process.returncode == -signal.SIGKILL, error.decode()
        killed += 1
    again = build(tmp_path / "tokens", split_corpus(corpus), BYTES, limits=NO_LIMITS)
    assert fingerprints(again) == fingerprints(whole)


def shards_of(folder: Path) -> list[Path]:
    return [folder / "train", folder / "validation"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_process_that_is_killed_loses_nothing(tmp_path: Path) -> None:
    kill_and_compare(tmp_path, kills=2, processes=0, seed=1)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
@pytest.mark.parametrize("processes", [0, 2])
def test_a_process_that_is_killed_twenty_times_loses_nothing(tmp_path: Path, processes: int) -> None:
    kill_and_compare(tmp_path, kills=20, processes=processes, seed=2)


@pytest.mark.parametrize(
    "limits, tokens",
    [
        ({"train": 5000, "validation": 0}, (5000, None)),
        ({"train": 5000, "validation": 900}, (5000, 900)),
        ({"train": 0, "validation": 900}, (None, 900)),
    ],
)
@pytest.mark.parametrize("by", ["hash", "position"])
def test_limits_are_kept_and_the_longest_beginning_that_fits_is_taken(
    tmp_path: Path, by: str, limits: dict[str, int], tokens: tuple
) -> None:
    parts = split_corpus(write_corpus(tmp_path / "texts"), by=by)
    shards = build(tmp_path / "tokens", parts, BYTES, limits=limits)
    for shard, documents, limit in zip(shards, (parts.train(), parts.validation()), tokens, strict=True):
        if limit is None:
            continue
        expected = write_shard(tmp_path / "alone", documents, BYTES, max_tokens=limit)
        assert shard.manifest["files"] == expected.manifest["files"]
        assert limit - 200 < len(shard.tokens) <= limit


def test_with_enough_to_learn_from_the_rest_of_a_large_corpus_is_not_read(tmp_path: Path) -> None:
    read: list[int] = []
    parts = counting(split_corpus(write_corpus(tmp_path / "texts"), by="hash"), None, read)
    _, validation = build(tmp_path / "tokens", parts, BYTES, limits={"train": 5000, "validation": 0})
    assert sum(read) < 200
    assert validation.manifest["n_documents"] >= 1


def test_a_whole_piece_that_nobody_wants_is_not_even_fetched(tmp_path: Path) -> None:
    fetched = []

    def piece(name: str) -> Piece:
        return Piece(name, lambda start: (Record(text_of(n)) for n in range(start, 50)),
                     fetch=lambda progress: fetched.append(name) or tmp_path)  # fmt: skip

    parts = by_piece("source", [piece(name) for name in "abcd"], ["train", "train", "train", "validation"])
    build(tmp_path / "tokens", parts, BYTES, limits={"train": 5000, "validation": 0})
    assert fetched == ["a", "b", "d"]


def test_equal_texts_on_both_sides_are_counted_and_a_split_by_hash_has_none(tmp_path: Path) -> None:
    texts = [text_of(n % 70) for n in range(300)]  # the last 60 documents are all copies of earlier ones
    piece = Piece("given", lambda start: map(Record, texts[start:]))
    counts = {}
    for by in ("position", "hash"):
        parts = split_pieces([piece], by=by, validation=0.2)
        _, validation = build(tmp_path / by, parts, BYTES, limits=NO_LIMITS)
        counts[by] = validation.manifest["n_also_in_training"]
        train = set(parts.train())
        assert counts[by] == sum(text in train for text in parts.validation())
    assert counts["position"] >= 59
    assert counts["hash"] == 0


def test_the_floor_is_asked_for_the_validation_part_alone(tmp_path: Path) -> None:
    parts = split_corpus(write_corpus(tmp_path / "texts"))
    train, validation = build(tmp_path / "tokens", parts, BYTES, limits=NO_LIMITS, floor=len)
    assert train.floor_bits is None
    assert validation.floor_bits is not None
    assert np.array_equal(validation.floor_bits, validation.document_bytes)  # all letters are one byte


def test_two_at_a_time_are_refused(tmp_path: Path) -> None:
    parts = split_corpus(write_corpus(tmp_path / "texts"))
    with alone(tmp_path, "held"), pytest.raises(UserError, match="Another process prepares the same data"):
        build(tmp_path / "tokens", parts, BYTES, limits=NO_LIMITS)


def test_with_another_tokenizer_it_starts_anew(tmp_path: Path) -> None:
    parts = split_corpus(write_corpus(tmp_path / "texts"))
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path / "tokens", counting(parts, 300, []), BYTES, limits=NO_LIMITS, commit_seconds=0)
    other = Tokenizer.from_merges([("t", "h"), ("th", "e")])
    shards = build(tmp_path / "tokens", parts, other, limits=NO_LIMITS)
    assert fingerprints(shards) == fingerprints(build(tmp_path / "whole", parts, other, limits=NO_LIMITS))


def test_a_damaged_state_is_one_line_with_the_remedy(tmp_path: Path) -> None:
    parts = split_corpus(write_corpus(tmp_path / "texts"))
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path / "tokens", counting(parts, 300, []), BYTES, limits=NO_LIMITS, commit_seconds=0)
    (tmp_path / "tokens.unfinished" / "progress.json").write_text('{"tokenizer": 3', encoding="utf-8")
    with pytest.raises(UserError, match="damaged.*Delete .*tokens.unfinished"):
        build(tmp_path / "tokens", parts, BYTES, limits=NO_LIMITS)


def test_a_part_without_any_document_is_one_line(tmp_path: Path) -> None:
    pieces = corpus_pieces(write_corpus(tmp_path / "texts"))
    parts = by_piece("files", pieces, ["train", "train"])
    with pytest.raises(UserError, match="no document for validation"):
        build(tmp_path / "tokens", parts, BYTES, limits=NO_LIMITS)


@pytest.mark.parametrize("limits", [{"train": 10**9, "validation": 0}, dict.fromkeys(NO_LIMITS, 10**9)])
def test_a_limit_above_what_there_is_does_not_foretell_more_than_there_is(
    tmp_path: Path, limits: dict[str, int]
) -> None:
    told: list[tuple[int, int]] = []
    parts = split_corpus(write_corpus(tmp_path / "texts"), by="hash")
    shards = build(tmp_path / "tokens", parts, BYTES, limits=limits, progress=lambda *now: told.append(now))
    tokens = sum(len(shard.tokens) for shard in shards[: 1 + bool(limits["validation"])])
    assert told[-1] == (tokens, tokens)
    assert len(told) > 5
    assert max(total for _, total in told) < 1.3 * tokens


def test_few_tokens_to_learn_from_do_not_leave_the_held_out_part_empty(tmp_path: Path) -> None:
    parts = split_corpus(write_corpus(tmp_path / "texts"), validation=0.02)  # the first is far behind
    limits = {"train": 1, "validation": 0}
    train, validation = build(tmp_path / "tokens", parts, BYTES, limits=limits)
    assert train.manifest["n_documents"] == 1  # the first, though it has more than one token
    assert validation.manifest["n_documents"] >= 1
