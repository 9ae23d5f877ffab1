"""Token shards from a corpus of any size: in several processes, and continued where it was interrupted.

One process reads the documents in order and writes the tokens in order; between the two, groups of documents
are encoded, in other processes where there is much text. Every few seconds everything written is put on the
disk together with the place that reading has reached (progress.json). After an interruption, the files are
cut back to that state and reading goes on from that place: no document is lost, and none is there twice.
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from copy import copy
from dataclasses import asdict
from pathlib import Path

import numpy as np

from groundup.data.encoding import PARTS, Block, Encoder
from groundup.data.piece import Progress, Report
from groundup.data.shards import Shard, open_shards
from groundup.data.split import Parts, Place, read
from groundup.data.writing import CHARACTERS_AT_ONCE, Floor, Writer, append_limited, tidy
from groundup.errors import UserError
from groundup.system.files import remove_folder, storage_errors, write_json
from groundup.system.lock import alone
from groundup.text.tokenizer import Tokenizer

STATE = "progress.json"
COMMIT_SECONDS = 5.0
WORTH_PROCESSES = 30 << 20
"""Bytes of a corpus from which starting processes, which takes a second or two, pays."""


def build(
    folder: Path,
    parts: Parts,
    tokenizer: Tokenizer,
    *,
    limits: dict[str, int],
    floor: Floor | None = None,
    processes: int | None = None,
    progress: Progress | None = None,
    report: Report | None = None,
    commit_seconds: float = COMMIT_SECONDS,
) -> tuple[Shard, Shard]:
    """Write folder/train and folder/validation, or go on where an earlier call was interrupted.

    limits: the most tokens of each part (0: all). floor: bits of a text, asked for the validation part only.
    processes: how many encode (0: this one; by default one for each core where there is much text).
    progress(done, all) counts bytes of the corpus, or tokens where they are limited. `report` counts what was
    skipped. UserError if a part gets no document, or another process writes to the same folder.
    """
    report = Report() if report is None else report
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    with storage_errors(folder), preparing_alone(folder.parent), ExitStack() as stack:
        place, writers = _open_writers(unfinished, tokenizer, report)
        for writer in writers.values():
            stack.callback(writer.close)
        if processes is None:
            processes = _usual_processes(parts, limits)
        encoder = stack.enter_context(Encoder(tokenizer, floor, processes))
        _write(parts, place, writers, limits, encoder, unfinished, report, progress, commit_seconds)
        for part in PARTS:
            if not writers[part].n_documents:
                raise UserError(f"There is no document for {part}. Give a source with more text.")
        about = {"n_also_in_training": _duplicates(unfinished)}
        writers["train"].finish(tokenizer)
        writers["validation"].finish(tokenizer, about)
        if folder.exists():
            remove_folder(folder)
        os.replace(unfinished, folder)
        (folder / STATE).unlink()
        for part in PARTS:
            tidy(folder / part)
    return open_shards(folder / "train"), open_shards(folder / "validation")


def preparing_alone(folder: Path) -> AbstractContextManager[None]:
    """Hold the folder of prepared data during the block. UserError if another process prepares them."""
    return alone(folder, f"Another process prepares the same data in {folder}. Wait until it is done.")


def _write(
    parts: Parts,
    place: Place,
    writers: dict[str, Writer],
    limits: dict[str, int],
    encoder: Encoder,
    unfinished: Path,
    report: Report,
    progress: Progress | None,
    commit_seconds: float,
) -> None:
    """Read, encode and append until the corpus or the limits end, with a commit every few seconds."""
    wanted = {part for part in PARTS if not writers[part].full}
    at_once = min([CHARACTERS_AT_ONCE, *(2 * limit for limit in limits.values() if limit)])
    committed = time.monotonic()

    def commit(block: Block) -> None:
        counts = {part: writer.commit() for part, writer in writers.items()}
        state = {"place": asdict(block.place), "parts": counts, "report": asdict(block.report)}
        write_json(unfinished / STATE, {"tokenizer": encoder.tokenizer.fingerprint, **state})

    def done() -> bool:
        # Held-out documents that were met on the way are enough, unless a number of them was asked for.
        held_out_by_the_way = parts.by == "hash" and not limits["validation"]
        enough = held_out_by_the_way and writers["validation"].n_documents > 0
        return not wanted or ("train" not in wanted and enough)

    block = None
    blocks = () if done() else encoder.map(_blocks(parts, place, wanted, copy(report), at_once))
    for block, encoded in blocks:
        for part, documents in encoded.items():
            append_limited(writers[part], documents, limits[part])
            if writers[part].full:
                wanted.discard(part)
        if progress:
            progress(*_progress(parts, block.place, writers, limits))
        if time.monotonic() - committed >= commit_seconds:
            commit(block)
            committed = time.monotonic()
        if done():
            break
    if block is not None:
        commit(block)
        vars(report).update(vars(block.report))


def _blocks(parts: Parts, place: Place, wanted: set[str], report: Report, characters: int) -> Iterator[Block]:
    """The documents of a corpus from a place on, in groups of about so many characters."""
    block, size = Block(place, copy(report)), 0
    for after, found in read(parts, place, wanted, report):
        for part, text in found:
            if part in wanted:
                block.texts[part].append(text)
                size += len(text)
        block.place = after
        if size >= characters:
            block.report = copy(report)
            yield block
            block, size = Block(after, block.report), 0
    block.report = copy(report)
    yield block


def _open_writers(unfinished: Path, tokenizer: Tokenizer, report: Report) -> tuple[Place, dict[str, Writer]]:
    """The place to read from and the files to append to: new ones, or as the last commit left them."""
    state_file = unfinished / STATE
    try:
        state = json.loads(state_file.read_text(encoding="utf-8")) if state_file.is_file() else {}
        if state.get("tokenizer") != tokenizer.fingerprint:  # also where there is nothing yet
            return Place(), {part: Writer(unfinished / part) for part in PARTS}
        vars(report).update(state["report"])
        writers = {part: Writer(unfinished / part, state["parts"][part]) for part in PARTS}
        return Place(**state["place"]), writers
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{state_file} is damaged ({error!r}). Delete {unfinished} and start again."
        ) from None


def _usual_processes(parts: Parts, limits: dict[str, int]) -> int:
    """One process for each core where there is much to encode, else none beside this one."""
    much = sum(piece.size for piece in parts.pieces) >= WORTH_PROCESSES
    few_tokens = all(limits.values()) and sum(limits.values()) * 3 < WORTH_PROCESSES
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores if much and not few_tokens and cores > 1 else 0


def _progress(
    parts: Parts, place: Place, writers: dict[str, Writer], limits: dict[str, int]
) -> tuple[int, int]:
    """How much is done, and of how much: tokens where their number is given, else bytes of the corpus."""
    sizes = [piece.size for piece in parts.pieces]
    bytes_read = sum(sizes[: place.piece]) + int(place.share * sizes[place.piece])
    if all(limits.values()) or (limits["train"] and parts.by == "hash"):
        counted = PARTS if all(limits.values()) else ("train",)
        tokens = sum(writers[part].n_tokens for part in counted)
        wanted = sum(limits[part] for part in counted)
        if all(sizes) and bytes_read:  # a corpus that holds fewer tokens than were asked for ends before them
            wanted = min(wanted, tokens * sum(sizes) // bytes_read)
        return tokens, wanted
    if not all(sizes):
        return sum(writer.n_documents for writer in writers.values()), 0
    return bytes_read, sum(sizes)


def _duplicates(unfinished: Path) -> int:
    """How many validation documents are also in the training part, word for word."""
    train, validation = (np.fromfile(unfinished / part / "hashes.bin", "<u8") for part in PARTS)
    return int(np.isin(validation, train).sum())
