"""Every file in groundup/datasets must pass these; a new one is tested the moment it exists."""

import itertools
import json
import math
import subprocess
import sys

import pytest

from groundup.data.conversations import read_conversations
from groundup.data.dataset import Dataset
from groundup.datasets import DATASETS, find_dataset
from groundup.errors import UserError

KINDS = ("texts", "conversations", "labels", "preferences")
EXAMPLES = [dataset.name for dataset in DATASETS.all() if dataset.kind != "texts"]


@pytest.fixture(params=DATASETS.names())
def dataset(request) -> Dataset:
    return DATASETS.get(request.param)


def test_the_files_name_is_the_public_name_and_it_says_what_it_is(request, dataset):
    assert isinstance(dataset, Dataset)
    assert DATASETS.get(dataset.name) is dataset
    assert len(dataset.about) > 20
    assert dataset.licence
    assert dataset.source


def few(name: str) -> Dataset:
    """The dataset, with only a few examples where they are made here."""
    return find_dataset(f"{name}:4" if name.startswith("village_") else name)


def test_there_is_something_to_train_on(dataset):
    assert dataset.kind in KINDS
    assert "train" in dataset.splits
    assert len(set(dataset.splits)) == len(dataset.splits)


def test_the_sample_is_a_few_documents_and_the_same_each_time(dataset):
    documents = dataset.sample()
    assert 1 <= len(documents) <= 20
    assert all(isinstance(text, str) and text.strip() for text in documents)
    assert dataset.sample() == documents


def test_a_known_floor_is_finite_on_the_sample_and_infinite_on_nonsense(dataset):
    if dataset.floor is None:
        return
    assert all(0 < dataset.floor(text) < math.inf for text in dataset.sample())
    assert dataset.floor("Colourless green ideas sleep furiously.") == math.inf


def test_a_checker_finds_nothing_in_the_sample_and_something_in_nonsense(dataset):
    if dataset.check is None:
        return
    text = dataset.sample()[0]
    assert dataset.check(text, True) is None
    assert dataset.check(text[: len(text) // 2], False) is None
    assert dataset.check(text[: len(text) // 2], True) is not None
    broken = text[: len(text) // 2] + " Zyx" + text[len(text) // 2 :]
    mistake = dataset.check(broken, True)
    assert set(mistake) == {"position", "word", "why"}
    assert len(text) // 2 <= mistake["position"] <= len(text) // 2 + 4


def test_an_endless_dataset_gives_other_documents_in_each_split_and_for_each_seed(dataset):
    if not dataset.endless:
        return
    take = {
        (split, seed): list(itertools.islice(dataset.documents(split, seed), 20))
        for split in dataset.splits
        for seed in (0, 1)
    }
    assert len(set(itertools.chain(*take.values()))) == 20 * len(take)
    for (split, seed), documents in take.items():
        assert list(itertools.islice(dataset.documents(split, seed), 20)) == documents


def test_an_unknown_split_is_one_line(dataset):
    for ask in (dataset.documents, dataset.files):
        with pytest.raises(UserError, match="Known: .*train"):
            ask("nonsense", 0)


def test_importing_and_sampling_need_no_network():
    program = """if True:
        import socket
        def connect(*ignored):
            raise SystemExit("it used the network")
        socket.socket.connect = socket.getaddrinfo = connect
        from groundup.datasets import DATASETS
        for dataset in DATASETS.all():
            assert dataset.sample()
    """
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)


@pytest.mark.parametrize("name", DATASETS.names())
def test_the_pieces_have_names_at_once_and_an_identity_that_stays(name, hub, source_of):
    source_of(name)
    dataset = DATASETS.get(name)
    for split in dataset.splits:
        pieces = dataset.pieces(split, 0)
        assert all("/tree/" in path for path in hub.asked()), "more than a list was fetched"
        assert pieces and all(piece.name for piece in pieces)
        assert len({piece.name for piece in pieces}) == len(pieces)
        assert [piece.name for piece in dataset.pieces(split, 0)] == [piece.name for piece in pieces]
    for split in dataset.splits:
        identities = [piece.identity() for piece in dataset.pieces(split, 0)]
        assert all(identities)
        assert [piece.identity() for piece in dataset.pieces(split, 0)] == identities


@pytest.mark.parametrize("name", DATASETS.names())
def test_what_comes_from_the_source_is_read_as_the_sample_is(name, source_of):
    source_of(name)
    dataset = few(name)
    if dataset.endless:
        return
    for split in ["train"] if name.startswith("village_") else dataset.splits:
        documents = [text.strip() for text in dataset.documents(split)]
        assert set(documents) == {text.strip() for text in dataset.sample()}


@pytest.mark.parametrize("name", DATASETS.names())
def test_records_from_any_number_on_are_the_rest_of_all_records(name, source_of):
    source_of(name)
    dataset = few(name)
    piece = dataset.pieces(dataset.splits[-1], 0)[0]
    records = list(itertools.islice(piece.records(0), 12))
    assert all(0 <= record.share <= 1 for record in records)
    for start in range(len(records) + 1):
        rest = list(itertools.islice(piece.records(start), len(records) - start))
        assert rest == records[start:]
    if not dataset.endless:
        assert records[-1].share == 1.0, "the time left is foretold from the share that was read"


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_files_of_examples_have_the_form_of_their_kind(name, source_of):
    source_of(name)
    dataset = few(name)
    for split in dataset.splits:
        [file] = dataset.files(split)
        lines = file.read_bytes().decode("utf-8").splitlines()
        if dataset.kind == "conversations":
            assert read_conversations(file).found and not read_conversations(file).empty
        elif file.suffix == ".tsv":
            assert all(line.split("\t", 1)[1].strip() for line in lines)
        else:
            needs = {"labels": {"text", "label"}, "preferences": {"prompt", "chosen", "rejected"}}[
                dataset.kind
            ]
            assert all(json.loads(line).keys() >= needs for line in lines)
            assert all(json.loads(line)[field].strip() for line in lines for field in needs)


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_was_fetched_or_made_is_found_again_without_the_network(name, hub, source_of, monkeypatch):
    source_of(name)
    dataset = few(name)
    files = {split: dataset.files(split) for split in dataset.splits}
    told = {file: (file.read_bytes(), file.stat().st_mtime_ns) for [file] in files.values()}
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    hub.web.requests.clear()
    assert {split: dataset.files(split) for split in dataset.splits} == files
    assert {file: (file.read_bytes(), file.stat().st_mtime_ns) for [file] in files.values()} == told
    assert hub.web.requests == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_that_are_not_here_and_may_not_be_fetched_are_one_line(name, web, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    if name.startswith("village_"):
        assert few(name).files("train")
    else:
        with pytest.raises(UserError, match="is missing, and HF_HUB_OFFLINE forbids"):
            few(name).files("train")
