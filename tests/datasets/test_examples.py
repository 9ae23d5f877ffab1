"""Datasets of examples through their real code: archives, conversions, bad connections, and real files."""

import gzip
import hashlib
import io
import json
import random
import re
import tarfile
import threading
import zipfile
from collections.abc import Iterable
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from groundup.data.conversations import read_conversations
from groundup.datasets import _examples, alpaca, find_dataset, hh_rlhf, imdb, sms_spam, webglm_qa
from groundup.datasets._archives import tar_members, zip_member
from groundup.errors import UserError
from groundup.system.download import download
from groundup.system.files import cache_folder
from tests.web import Fault

SMS_SHA256 = "7d039a24a6083ed9ef0f806ebad56bbb976e3aeb8de05669173bfdc4996c239d"


def zip_of(members: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def tar_of(members: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, text in members.items():
            about = tarfile.TarInfo(name)
            about.size = len(text.encode())
            archive.addfile(about, io.BytesIO(text.encode()))
    return buffer.getvalue()


def serve_as(name: str, content: bytes, source_of, hub, monkeypatch) -> None:
    """Serve this content instead of a dataset's sample, as what is expected."""
    module = {"imdb": imdb, "sms_spam": sms_spam}[name]
    monkeypatch.setattr(module, "sample_file", lambda: content)
    source_of(name)


def made() -> list[Path]:
    """The files of examples in the cache, and what is left half written beside them."""
    return [
        path for path in (cache_folder() / "examples").rglob("*") if path.is_file() and path.name != ".lock"
    ]


@pytest.mark.parametrize("name", ["imdb", "sms_spam"])
def test_a_download_that_is_cut_goes_on_where_it_ended(name, hub, source_of, monkeypatch):
    noise = random.Random(1).randbytes(200_000).hex()  # no compression makes it small
    content = {"aclImdb/train/pos/0_9.txt": noise, "SMSSpamCollection": f"ham\t{noise}\n"}
    serve_as(name, (tar_of if name == "imdb" else zip_of)(content), source_of, hub, monkeypatch)
    monkeypatch.setitem(download.__kwdefaults__, "sleep", lambda seconds: None)
    hub.web.faults = [Fault(cut=100_000), Fault(claim=-1000, cut=30_000)]
    told: list[tuple[int, int]] = []
    [piece] = find_dataset(name).pieces("train", 0)
    assert piece.fetch
    piece.fetch(lambda done, total: told.append((done, total)))
    [document] = find_dataset(name).documents("train")
    assert document.endswith(noise)
    assert [bool(asked) for asked in hub.web.ranges()][:2] == [False, True]
    assert told[-1][0] == told[-1][1] > 200_000


@pytest.mark.parametrize("name", ["imdb", "sms_spam", "alpaca", "hh_rlhf", "webglm_qa"])
def test_bytes_that_are_not_the_known_ones_are_never_read(name, hub, source_of):
    source_of(name)
    dataset = find_dataset(name)
    dataset.pieces("train", 0)
    through_the_hub = name in ("hh_rlhf", "webglm_qa")
    hub.web.faults = [Fault(), Fault(flip=True)] * 2 if through_the_hub else [Fault(flip=True)] * 2
    with pytest.raises(UserError, match="is not the file that was expected, twice: its sha256 is"):
        dataset.files("train")
    assert made() == []
    assert dataset.files("train"), "the next try finds an honest server"


@pytest.mark.parametrize("name", ["imdb", "sms_spam", "alpaca"])
def test_a_source_that_has_gone_is_one_line(name, web):
    with pytest.raises(UserError, match=f"no file at {re.escape(web.address)}.*404"):
        find_dataset(name).files("train")


@pytest.mark.parametrize("evil", ["../x", "aclImdb/../../x", "/etc/x", "..\\x", "C:\\x"])
def test_archives_with_names_that_lead_out_of_their_folder_are_refused(evil, hub, source_of, monkeypatch):
    content = {"aclImdb/train/pos/0_9.txt": "Good.", evil: "harm", "SMSSpamCollection": "ham\thi\n"}
    for name, pack in (("imdb", tar_of), ("sms_spam", zip_of)):
        serve_as(name, pack(content), source_of, hub, monkeypatch)
        with pytest.raises(UserError, match="leads out of its folder"):
            find_dataset(name).files("train")
    assert made() == []


def test_names_with_dots_that_lead_nowhere_are_no_harm(tmp_path):
    file = tmp_path / "x.tar.gz"
    file.write_bytes(tar_of({"a/..b/c..txt": "fine"}))
    assert [content for _, content in tar_members(file, re.compile(".*"))] == [b"fine"]


@pytest.mark.parametrize(
    "name, content, words",
    [
        ("imdb", b"<html>Please log in</html>", "damaged or no gzip file|no proper archive"),
        ("imdb", tar_of({"aclImdb/train/pos/0_9.txt": "Good." * 999})[:-40], "damaged|no proper archive"),
        ("imdb", tar_of({"aclImdb/README": "only this"}), "holds no reviews aclImdb/train/"),
        ("sms_spam", b"<html>Please log in</html>", "no proper archive: File is not a zip file"),
        ("sms_spam", zip_of({"readme": "only this"}), "has no member SMSSpamCollection, but readme"),
    ],
    ids=["a page for a tar", "a tar cut short", "another tar", "a page for a zip", "another zip"],
)
def test_an_archive_that_is_none_or_holds_something_else_is_one_line(
    name, content, words, hub, source_of, monkeypatch
):
    serve_as(name, content, source_of, hub, monkeypatch)
    with pytest.raises(UserError, match=words):
        find_dataset(name).files("train")
    assert made() == []


def test_an_archive_that_is_made_to_fill_the_disk_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("groundup.data.formats.BOMB_BYTES", 10_000)
    zipped, packed = tmp_path / "x.zip", tmp_path / "x.tar.gz"
    zipped.write_bytes(zip_of({"SMSSpamCollection": "0" * 10_000_000}))
    packed.write_bytes(tar_of({"other": "0" * 10_000_000}))
    with pytest.raises(UserError, match="no text does"):
        zip_member(zipped, "SMSSpamCollection")
    with pytest.raises(UserError, match="no text does"):
        list(tar_members(packed, re.compile("wanted")))


def test_a_conversion_that_is_interrupted_leaves_nothing_and_is_done_by_the_next_call(
    hub, source_of, monkeypatch
):
    source_of("imdb")

    def stop(place: Path, records: Iterable[dict[str, Any]]) -> None:
        _examples.write_lines(place, islice(records, 2))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(imdb, "write_lines", stop)
        with pytest.raises(KeyboardInterrupt):
            find_dataset("imdb").files("train")
    assert made() == []
    [file] = find_dataset("imdb").files("train")
    assert made() == [file]
    assert len(hub.web.requests) == 1, "the archive that was here is not fetched again"


def test_many_who_want_the_same_examples_make_them_once(web):
    times: list[int] = []

    def make(place: Path, progress: object) -> None:
        times.append(1)
        place.write_text('{"text": "x", "label": "y"}\n')

    piece = _examples.made_piece("x", "x.jsonl", lambda: "same", make, _examples.labels)
    assert piece.fetch
    threads = [threading.Thread(target=partial(piece.fetch, None)) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(times) == 1
    other = _examples.made_piece("x", "x.jsonl", lambda: "another", make, _examples.labels)
    assert other.fetch and other.fetch(None) != piece.fetch(None), "another source is another file"


def test_the_reviews_are_those_of_the_tree_in_the_order_of_their_numbers(source_of):
    source_of("imdb")
    for split in ("train", "test"):
        [file] = find_dataset("imdb").files(split)
        records = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        assert [(record["label"], record["rating"]) for record in records] == [
            ("negative", 2),
            ("positive", 9),
            ("negative", 1),
            ("positive", 10),
        ]
        assert [record["text"] for record in records] == list(imdb.SAMPLE.values())


def test_the_real_reviews_come_out_of_an_archive_as_they_are(shared_data, tmp_path):
    """The oracle is a copy of 2,500 reviews that others took out of the official archive."""
    lines = gzip.decompress((shared_data / "imdb" / "imdb_train_2500.jsonl.gz").read_bytes()).splitlines()
    real = [json.loads(line) for line in lines][:400]
    archive, place = tmp_path / "x.tar.gz", tmp_path / "train.jsonl"
    archive.write_bytes(tar_of({f"aclImdb/{one['id']}.txt": one["text"] for one in real}))
    imdb.reviews("train", archive, place)
    found = [json.loads(line) for line in place.read_text(encoding="utf-8").split("\n")[:-1]]
    names = ("negative", "positive")
    expected = {(one["text"], names[one["label"]], one["rating"]) for one in real}
    assert {(one["text"], one["label"], one["rating"]) for one in found} == expected
    assert len(found) == len(real) == 400


def test_the_real_messages_come_out_of_their_archive_byte_for_byte(shared_data, hub, source_of, monkeypatch):
    content = (shared_data / "sms_spam" / "SMSSpamCollection.tsv").read_bytes()
    assert hashlib.sha256(content).hexdigest() == SMS_SHA256, "the member of the official archive"
    archive = zip_of({"SMSSpamCollection": content.decode("utf-8"), "readme": ""})
    serve_as("sms_spam", archive, source_of, hub, monkeypatch)
    [file] = find_dataset("sms_spam").files("train")
    assert file.read_bytes() == content and file.suffix == ".tsv"
    documents = list(find_dataset("sms_spam").documents("train"))
    assert len(documents) == 5574
    assert sum(text.startswith("[spam] ") for text in documents) == 747


def test_published_instructions_are_read_as_conversations(source_of):
    source_of("alpaca")
    source_of("webglm_qa")
    [file] = find_dataset("alpaca").files("train")
    found = read_conversations(file).found
    assert found[1] == [
        {"role": "user", "content": f"{alpaca.SAMPLE[1]['instruction']}\n\n{alpaca.SAMPLE[1]['input']}"},
        {"role": "assistant", "content": alpaca.SAMPLE[1]["output"]},
    ]
    for split in ("train", "validation", "test"):
        [file] = find_dataset("webglm_qa").files(split)
        first = read_conversations(file).found[0]
        assert all(passage in first[0]["content"] for passage in webglm_qa.SAMPLE[0]["references"])
        assert first[1]["content"] == webglm_qa.SAMPLE[0]["answer"]


def test_a_dialogue_is_cut_before_the_answers_that_differ():
    question, more = "\n\nHuman: Who?", "\n\nAssistant: Me.\n\nHuman: Why?"
    answers = ("\n\nAssistant: So.\n\nAnd so.", "\n\nAssistant: No.")

    def cut(chosen: str, rejected: str) -> dict[str, str]:
        return hh_rlhf.pair(hh_rlhf.turns(chosen), hh_rlhf.turns(rejected))

    assert cut(question + answers[0], question + answers[1]) == {
        "prompt": "Who?",
        "chosen": "So.\n\nAnd so.",
        "rejected": "No.",
    }
    assert cut(question + more + answers[0], question + more + answers[1]) == {
        "prompt": "Human: Who?\n\nAssistant: Me.\n\nHuman: Why?",
        "chosen": "So.\n\nAnd so.",
        "rejected": "No.",
    }
    # What parts before the last answer stays whole: nothing of it is lost, and nothing is shared by mistake.
    assert cut(question + more + answers[0], question + answers[1]) == {
        "prompt": "Who?",
        "chosen": "Assistant: Me.\n\nHuman: Why?\n\nAssistant: So.\n\nAnd so.",
        "rejected": "No.",
    }
    assert cut(question + answers[0], question + answers[0])["prompt"] == "Who?", "an answer stays an answer"


@pytest.mark.parametrize(
    "line, words",
    [
        ('{"chosen": "\\n\\nHuman: a\\n\\nAssistant: b"}', "Line 2 .* is no pair of dialogues"),
        ('{"chosen": "no turns", "rejected": "none"}', "it does not begin with a turn"),
        ("[1, 2]", "Line 2 .* is no pair of dialogues"),
        ("no JSON", "Line 2 .* is no pair of dialogues"),
    ],
)
def test_a_line_that_is_no_pair_of_dialogues_is_named(tmp_path, line, words):
    file = tmp_path / "train.jsonl"
    file.write_text(f"{json.dumps(hh_rlhf.SAMPLE[0])}\n{line}\n")
    with pytest.raises(UserError, match=words):
        hh_rlhf.convert(file, tmp_path / "out.jsonl")


def test_the_parts_of_the_preferences_are_chosen_by_name(hub):
    hub.add(hh_rlhf.REPOSITORY, hh_rlhf.COMMIT, {"harmless-base/test.jsonl.gz": hh_rlhf.sample_file()})
    assert len(list(find_dataset("hh-rlhf:harmless-base").documents("test"))) == 2
    with pytest.raises(UserError, match="Did you mean 'helpful-base'"):
        find_dataset("hh_rlhf:helpful_base")
