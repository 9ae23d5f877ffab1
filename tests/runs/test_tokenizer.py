"""Tokenizers side by side: what is shown of a text, and where two of them cut it differently."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.errors import UserError
from groundup.runs.tokenizer import differences, show_tokens, text_to_show, train_tokenizer
from groundup.runs.vocabulary import open_tokenizer
from groundup.text.bpe import train_bpe
from groundup.text.tokenizer import Tokenizer
from tests.runs.conftest import quiet_view, said
from tests.text.kinds import KINDS

TEXT = "The lamp is by the well. The lamp is old.\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("lamp")
    train_bpe([TEXT * 3], 280).save(folder)
    return str(folder)


def shown(name: str, text: str, compare: str | None = None) -> list[str]:
    view = quiet_view()
    show_tokens(name, text, view, compare=compare)
    return said(view).splitlines()


def test_without_colours_a_bar_stands_between_tokens_and_ids_and_figures_follow() -> None:
    assert shown("bytes", "aé") == ["a|\\xc3|\\xa9", "69 132 107", "3 tokens for 3 bytes: 1.00 bytes a token"]


def test_both_tokenizers_are_shown_with_their_figures_and_where_they_part(folder: str) -> None:
    lines = shown(folder, "The lamp", "bytes")
    ids = Tokenizer.from_folder(folder).encode("The lamp")
    assert lines[0].startswith(f"{folder}, 280 tokens")
    assert lines[2] == " ".join(map(str, ids))
    assert f"{folder} has {len(ids) / 8:.2f} times as many tokens as bytes." in lines
    assert lines[-1].split() == ["4", "␣lamp", "␣|l|a|m|p"]


def test_a_text_that_both_cut_alike_says_so(folder: str) -> None:
    assert shown(folder, TEXT, folder)[-1] == "Both cut the text at the same places."


def test_of_a_long_text_only_figures_and_first_differences_are_shown(folder: str) -> None:
    lines = shown(folder, TEXT * 100, "bytes")
    assert max(map(len, lines)) < 200
    assert f"{len(TEXT) * 100:,} tokens for {len(TEXT) * 100:,} bytes: 1.00 bytes a token" in lines
    assert sum("␣lamp  " in line for line in lines) == 1  # a difference that comes again is shown once
    assert any("Places where they cut differently: " in line for line in lines)


def test_kinds_that_drop_spaces_can_be_compared(tmp_path: Path) -> None:
    KINDS["bert"].make().save(tmp_path)
    lines = shown(str(tmp_path), "The  wind\n", "bytes")
    assert lines[-1].split() == ["10", "\\n"]
    assert any("the  " in line and "T|h|e" in line for line in lines)
    assert "nothing is left of it" in shown(str(tmp_path), "  ")[-1]


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_the_parts_that_differ_and_the_others_are_the_whole_text(data: st.DataObject) -> None:
    length = data.draw(st.integers(0, 12))
    one, other = (sorted(data.draw(st.lists(st.integers(0, length), max_size=8))) for _ in range(2))
    found = list(differences(one, other))
    inside = [({*range(*mine.indices(99))}, {*range(*others.indices(99))}) for _, mine, others in found]
    same = [end for place, end in enumerate(one) if not any(place in mine for mine, _ in inside)]
    assert same == [
        end for place, end in enumerate(other) if not any(place in others for _, others in inside)
    ]
    assert all(one[mine] != other[others] for _, mine, others in found)
    assert bool(found) == (one != other)


def test_a_difference_names_the_place_and_the_tokens() -> None:
    # "ab|c|de" and "a|bc|de": they agree again at 3.
    assert list(differences([2, 3, 5], [1, 3, 5])) == [(0, slice(0, 2), slice(0, 2))]


def test_a_vocabulary_can_be_learned_with_the_pattern_of_gpt4(tmp_path: Path) -> None:
    (tmp_path / "numbers.txt").write_text("12345 12345 67890\n" * 200, encoding="utf-8")
    for pattern in ("gpt2", "gpt4"):
        train_tokenizer(str(tmp_path / "numbers.txt"), tmp_path / pattern, 300, quiet_view(), pattern=pattern)
    pieces = {name: open_tokenizer(tmp_path / name, quiet_view()) for name in ("gpt2", "gpt4")}
    cut = {name: found.pieces(found.encode("x 12345")) for name, found in pieces.items()}
    assert cut == {"gpt2": ["x", " 12345"], "gpt4": ["x", " ", "123", "45"]}


def test_what_cannot_be_shown_is_one_line(tmp_path: Path) -> None:
    for text, file, message in (
        (None, None, "neither a text nor a file"),
        ("x", tmp_path, "both a text and a file"),
        (None, tmp_path / "none.txt", "There is no file"),
    ):
        with pytest.raises(UserError, match=message):
            text_to_show(text, file)
    with pytest.raises(UserError, match="The text is empty"):
        show_tokens("bytes", "", quiet_view())
    with pytest.raises(UserError, match="no split pattern 'gpt3'"):
        train_tokenizer("village", tmp_path / "new", 300, quiet_view(), pattern="gpt3")
    assert not (tmp_path / "new").exists()


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")
    assert text_to_show(None, tmp_path / "text.txt") == TEXT
