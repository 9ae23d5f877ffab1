"""Every file in groundup/datasets must pass these; a new one is tested the moment it exists."""

import itertools
import math

import pytest

from groundup.data.dataset import Dataset
from groundup.datasets import DATASETS
from groundup.errors import UserError


@pytest.fixture(params=DATASETS.names())
def dataset(request) -> Dataset:
    return DATASETS.get(request.param)


def test_the_files_name_is_the_public_name_and_it_says_what_it_is(request, dataset):
    assert isinstance(dataset, Dataset)
    assert DATASETS.get(dataset.name) is dataset
    assert len(dataset.about) > 20
    assert dataset.licence
    assert dataset.source


def test_there_is_something_to_train_on(dataset):
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
    with pytest.raises(UserError, match="Known: .*train"):
        dataset.documents("nonsense", 0)
