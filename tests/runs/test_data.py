"""`groundup data`: what is listed and shown of datasets, and what is refused where texts are wanted."""

import pytest

from groundup.datasets import DATASETS, find_dataset
from groundup.errors import UserError
from groundup.runs.data import list_datasets, show_documents
from groundup.runs.prepare import open_source, with_progress
from groundup.runs.recipe import DataSettings
from tests.runs.conftest import quiet_view, said


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_the_list_tells_the_kind_of_each_dataset():
    view = quiet_view()
    list_datasets(view)
    lines = said(view).splitlines()
    for dataset in DATASETS.all():
        [line] = [line for line in lines if line.split()[:1] == [dataset.name]]
        assert line.split()[1] == dataset.kind


@pytest.mark.parametrize(
    "source, words",
    [
        ("village_labels:kind,3", "[tale] "),
        ("village_instructions:3", "\n\nassistant: "),
        ("village_preferences:3", "\n\nrejected: "),
        ("village", "--- document 0, "),
    ],
)
def test_examples_of_every_kind_are_shown_in_words(source, words):
    view = quiet_view()
    show_documents(source, 3, view)
    told = said(view)
    assert words in told
    assert told.count("--- document ") == 3
    assert ("Fetching" in told) == (source != "village"), "what is made is told once"


@pytest.mark.parametrize("dataset", [each for each in DATASETS.all() if each.kind != "texts"])
def test_examples_are_refused_where_texts_are_wanted_before_anything_is_fetched(dataset):
    with pytest.raises(UserError, match=f"holds {dataset.kind}, .* Datasets of texts: .*village") as told:
        open_source(DataSettings(source=dataset.name), 1, quiet_view())
    assert dataset.name not in str(told.value).split("Datasets of texts")[1]


def test_files_are_asked_for_with_their_progress_on_the_screen():
    view = quiet_view()
    dataset = find_dataset("village_labels:kind,3")
    files = dataset.files("test", 1, lambda piece: with_progress(piece, view))
    assert said(view).count("Fetching village_labels:kind,3 (test)") == 1
    assert dataset.files("test", 1) == files and all(file.is_file() for file in files)
