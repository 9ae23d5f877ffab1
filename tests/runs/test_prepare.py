"""From a source to tokens: what is told on the way, and where a tokenizer may come from."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from groundup.data.shards import Shard
from groundup.errors import UserError
from groundup.runs import prepare as preparing
from groundup.runs.evaluate import texts_of_source
from groundup.runs.folder import RunFolder
from groundup.runs.prepare import open_source, prepare
from groundup.runs.recipe import DataSettings, Recipe
from groundup.runs.tokenizer import train_tokenizer
from groundup.runs.vocabulary import first_bytes, open_tokenizer
from groundup.system.lock import alone
from groundup.weights.folder import load
from tests.runs.conftest import quiet_view, said, tiny_recipe


def recipe_for_book(book: Path, *changes: str) -> Recipe:
    """The tiny recipe on a book, all of it."""
    whole = "data.max_tokens=0", "data.validation_tokens=0"
    return tiny_recipe(f"data.source='{book.as_posix()}'", *whole, *changes)


def test_a_text_that_yields_fewer_tokens_than_asked_says_so_and_the_model_follows(tmp_path: Path) -> None:
    book, view = tmp_path / "book.txt", quiet_view()
    book.write_text("A lamp and a well.\n" * 300, encoding="utf-8")
    prepared = prepare(recipe_for_book(book, "tokenizer.source=train", "tokenizer.vocab_size=4096"), view)
    size = prepared.tokenizer.vocab_size
    assert 261 < size < 300
    assert f"The text yields {size} tokens" in said(view)
    assert prepared.facts()["vocab_size"] == size


@pytest.mark.parametrize("n_documents", [1, 3, 300])
def test_few_documents_and_many_are_split_into_two_parts_that_hold_all_of_the_text(
    n_documents: int, tmp_path: Path
) -> None:
    folder = tmp_path / "texts"
    folder.mkdir()
    for number in range(n_documents):
        text = f"Text {number} tells of a lamp and a well.\n" * (600 // n_documents)
        (folder / f"{number:03d}.txt").write_text(text, encoding="utf-8")
    facts = prepare(recipe_for_book(folder), quiet_view()).facts()
    assert facts["documents"] + facts["validation_documents"] in (n_documents, n_documents + 1)
    assert facts["bytes"] + facts["validation_bytes"] == sum(f.stat().st_size for f in folder.iterdir())
    assert 0.03 < facts["validation_bytes"] / facts["bytes"] < 0.25


def test_records_that_are_no_text_are_told_when_a_vocabulary_is_learned(tmp_path: Path) -> None:
    lines = ['{"text": "A lamp and a well."}'] * 200 + ['{"text": 3}']  # equal texts: no split by hash
    (tmp_path / "tales.jsonl").write_text("\n".join(lines), encoding="utf-8")
    view = quiet_view()
    train_tokenizer(str(tmp_path / "tales.jsonl"), tmp_path / "mine", 270, view)
    assert "1 records" in said(view)
    assert "line 201" in said(view)


def test_a_tokenizer_is_found_in_its_folder_in_a_model_and_in_a_run(finished_run: RunFolder) -> None:
    found = [
        open_tokenizer(where, quiet_view()).fingerprint for where in (finished_run.path, finished_run.model)
    ]
    assert found[0] == found[1]
    with pytest.raises(UserError, match="There is no folder"):
        open_tokenizer(finished_run.path / "none", quiet_view())


def test_a_text_too_short_to_be_split_can_still_be_read_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "short.txt").write_text("Lamp!", encoding="utf-8")
    source = open_source(DataSettings(source=str(tmp_path / "short.txt")), 1, quiet_view())
    assert list(source.to_learn()) == ["Lamp!"]
    with pytest.raises(UserError, match="too short to be split"):
        source.parts()


def test_a_book_is_evaluated_as_one_document_and_not_as_its_two_parts(
    finished_run: RunFolder, tmp_path: Path
) -> None:
    book = tmp_path / "book.txt"
    book.write_text("A lamp and a well.\n" * 100, encoding="utf-8")
    texts = texts_of_source(load(finished_run.model), str(book), 0, quiet_view())
    assert len(texts.ids) == 1
    assert texts.n_bytes.tolist() == [book.stat().st_size]


def test_the_first_bytes_of_texts_are_counted_as_bytes() -> None:
    assert list(first_bytes(["éé", "éé", "éé"], 8)) == ["éé", "éé"]


def test_prepared_tokens_that_were_damaged_are_refused_by_their_hash(tmp_path: Path) -> None:
    book = tmp_path / "book.txt"
    book.write_text("A lamp and a well.\n" * 300, encoding="utf-8")
    file = prepare(recipe_for_book(book), quiet_view()).train.folder / "tokens.bin"
    content = bytearray(file.read_bytes())
    content[100] ^= 1
    file.write_bytes(content)
    with pytest.raises(UserError, match="tokens.bin is corrupt: its sha256 is not [0-9a-f]{64}. Delete"):
        prepare(recipe_for_book(book), quiet_view())


def test_a_first_document_above_the_limit_is_taken_whole_and_that_is_said(tmp_path: Path) -> None:
    book, view = tmp_path / "book.txt", quiet_view()
    book.write_text("A lamp and a well.\n" * 300, encoding="utf-8")
    n_tokens = prepare(recipe_for_book(book, "data.max_tokens=100"), view).facts()["tokens"]
    assert n_tokens > 4000
    assert f"has {n_tokens:,} tokens, not the 100 asked for" in said(view)
    assert "data.max_tokens" in said(view)
    within = quiet_view()
    prepare(recipe_for_book(book, "data.max_tokens=6000"), within)
    assert "asked for" not in said(within)


def test_a_second_process_is_refused_before_it_learns_a_vocabulary(tmp_path: Path) -> None:
    book, view = tmp_path / "book.txt", quiet_view()
    book.write_text("A lamp and a well.\n" * 300, encoding="utf-8")
    recipe = recipe_for_book(book, "tokenizer.source=train")
    folder = Path(prepare(recipe, quiet_view()).facts()["folder"]).parent
    shutil.rmtree(folder)
    with alone(folder, "held"), pytest.raises(UserError, match="Another process prepares the same data"):
        prepare(recipe, view)
    assert "vocabulary" not in said(view)


def test_equal_texts_on_both_sides_of_the_split_are_told(tmp_path: Path) -> None:
    lines = [
        f'{{"text": "Text {n % 40} tells of a lamp and a well, and of the miller."}}' for n in range(250)
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(lines), encoding="utf-8")
    view = quiet_view()
    prepared = prepare(recipe_for_book(tmp_path / "a.jsonl", "data.split.by=position"), view)
    assert prepared.facts()["validation_documents_also_in_training"] >= 24
    assert "validation documents are in the training part, too, word for word" in said(view)


def test_texts_that_change_while_they_are_prepared_are_not_taken_for_those_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book, text = tmp_path / "book.txt", "A lamp and a well.\n" * 300
    book.write_text(text, encoding="utf-8")
    recipe, build = recipe_for_book(book), preparing.build

    def change_and_build(*given: Any, **named: Any) -> tuple[Shard, Shard]:
        book.write_text("Another text, not the one that was asked for.\n" * 300, encoding="utf-8")
        return build(*given, **named)

    monkeypatch.setattr(preparing, "build", change_and_build)
    with pytest.raises(UserError, match="book.txt changed while its tokens were written"):
        prepare(recipe, quiet_view())
    monkeypatch.setattr(preparing, "build", build)
    book.write_text(text, encoding="utf-8")
    facts = prepare(recipe, quiet_view()).facts()
    assert facts["bytes"] + facts["validation_bytes"] == len(text)


def test_a_part_that_was_deleted_is_written_again(tmp_path: Path) -> None:
    book = tmp_path / "book.txt"
    book.write_text("A lamp and a well.\n" * 300, encoding="utf-8")
    first = prepare(recipe_for_book(book), quiet_view())
    shutil.rmtree(first.validation.folder)
    assert prepare(recipe_for_book(book), quiet_view()).facts() == first.facts()
