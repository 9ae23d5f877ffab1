import hashlib
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.data.piece import Piece, Record
from groundup.data.split import cut_near, in_validation, split_corpus, split_pieces
from groundup.errors import UserError

MANY = [f"Document number {i}." for i in range(3000)]


def piece_of(documents):
    return Piece("given", lambda start: map(Record, documents[start:]))


def parts_of(documents, **how):
    parts = split_pieces([piece_of(documents)], **how)
    return parts.by, list(parts.train()), list(parts.validation())


def test_many_documents_are_split_by_hash_into_about_the_wanted_share():
    by, train, validation = parts_of(MANY, validation=0.1)
    assert by == "hash"
    assert sorted(train + validation) == sorted(MANY)
    assert 250 < len(validation) < 350  # 300 expected, standard deviation 16
    assert [text for text in MANY if text in set(train)] == train  # the order is kept


def test_the_hash_is_the_documents_own_sha256_read_as_a_number():
    digest = hashlib.sha256("Document é".encode()).hexdigest()
    share = int(digest[:16], 16) / 2**64
    assert in_validation("Document é", share * 1.01)
    assert not in_validation("Document é", share * 0.99)


def test_a_document_stays_on_its_side_when_others_are_added_and_so_do_its_copies():
    _, _, before = parts_of(MANY[:1000])
    _, train, after = parts_of(MANY + MANY)
    assert set(before) <= set(after)
    assert not set(train) & set(after)


def test_few_documents_are_split_by_position():
    paragraphs = [f"Paragraph {i} has some words.\n\n" for i in range(1000)]
    book = "".join(paragraphs)
    by, train, validation = parts_of([book], validation=0.1)
    assert by == "position"
    assert train + validation == ["".join(paragraphs[:900]), "".join(paragraphs[900:])]


def test_short_documents_are_kept_whole_by_position():
    documents = [f"Document {i}, one paragraph of a few words." for i in range(100)]
    by, train, validation = parts_of(documents, validation=0.2)
    assert by == "position"
    assert train + validation == documents
    assert len(validation) == 20


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.text(alphabet="ab \n", min_size=1, max_size=60).filter(str.strip), min_size=1, max_size=6),
    st.floats(0.01, 0.99),
)
def test_a_split_by_position_loses_nothing_and_cuts_no_word(documents, share):
    try:
        _, train, validation = parts_of(documents, by="position", validation=share)
    except UserError:
        # Only where there is no place to cut: one document without white space inside.
        assert len(documents) == 1
        assert len(documents[0].split()) == 1
        return
    assert train
    assert validation
    assert "".join(train + validation) == "".join(documents)
    joined = [part.split() for part in train + validation]
    assert sum(joined, []) == sum((document.split() for document in documents), [])


def test_the_cut_prefers_a_paragraph_then_a_line_then_a_word():
    text = "a b\nc d\n \ne f"
    assert cut_near(text, 1) == text.index("e")
    assert cut_near("a b\nc d", 1) == 4
    assert cut_near("a b c", 3) == 2
    assert cut_near("abc", 1) is None
    assert cut_near("abc", 1, first=False) == 0
    assert cut_near("abc", 2, last=False) == 3


def test_a_paragraph_too_far_away_does_not_move_the_cut():
    text = "One.\n\n" + "word " * 2000 + "\n" + "word " * 100
    at_word, at_line = cut_near(text, 9000), cut_near(text, 9500)
    assert at_word is not None
    assert text[at_word:].startswith("word")
    assert abs(at_word - 9000) < 5  # no paragraph ends within 2,000 characters, no line within 1,000
    assert at_line == text.rindex("\n") + 1


def test_a_text_without_any_border_is_one_line():
    with pytest.raises(
        UserError, match="too short to be split: it is one word of 3 characters. Give more text"
    ):
        parts_of(["abc"])


@pytest.mark.parametrize("stop", ["。", "！", "？」", "।", ". ", '." ', ".”"])
def test_a_book_without_spaces_is_cut_after_a_sentence(stop):
    sentence = "春天来了花开满园鸟儿在树上唱歌，孩子们跑出家门去看" + stop
    book = sentence * 400  # about 31 kB, one line
    _, train, validation = parts_of([book], validation=0.1)
    assert train[0] + validation[0] == book
    assert train[0].endswith(stop)
    assert validation[0].startswith("春天来了")
    assert abs(len(validation[0]) - len(book) / 10) <= len(sentence)


@pytest.mark.parametrize("character", ["鸟", "，", "x"])
def test_a_text_without_any_stop_is_cut_at_the_very_place(character):
    _, train, validation = parts_of([character * 10_000], validation=0.1)
    assert (train, validation) == ([character * 9000], [character * 1000])


@pytest.mark.parametrize("sign", ["e\u0301", "👩\u200d🚀", "👍🏽", "นี้", "\u1112\u1161\u11ab", "क्षि"])
def test_a_sign_of_several_characters_is_never_cut(sign):
    book = sign * 200
    for position in range(len(book) // 2, len(book) // 2 + len(sign)):
        place = cut_near(book, position)
        assert place is not None
        assert abs(place - position) <= len(sign)
        assert not unicodedata.category(book[place]).startswith("M")
        assert len(sign) > 3 or place % len(sign) == 0  # the longer ones are two signs


def test_flags_are_not_cut_in_two():
    book = "旗" * 100 + "🇩🇪🇫🇷🇪🇸" + "旗" * 100
    assert {cut_near(book, position) for position in range(100, 107)} == {100, 106}


def test_a_decimal_point_ends_no_sentence_and_one_space_far_away_is_not_preferred():
    book = "圆周率约等于3.14" * 100 + " " + "春天来了。" * 1000
    place = cut_near(book, 1500)
    assert place is not None
    assert abs(place - 1500) < 5
    assert book[place - 1] == "。"
    assert cut_near("圆周率约等于3.14" * 1000, 5009) == 5009
    assert cut_near("春.”x" * 1000, 2001) == 2001  # and a quotation mark stays with its sentence


def test_a_hash_that_leaves_a_part_empty_says_so():
    with pytest.raises(UserError, match="leaves no document for validation"):
        parts_of(["a", "b"], by="hash", validation=1e-9)
    with pytest.raises(UserError, match="leaves no document for training"):
        parts_of(["a", "b"], by="hash", validation=1 - 1e-9)


def test_whether_both_parts_have_a_document_is_known_after_the_first_of_each():
    read = []
    watched = Piece("given", lambda start: (read.append(text) or Record(text) for text in MANY[start:]))
    split_pieces([watched], by="hash", validation=0.1)
    last = next(i for i, text in enumerate(MANY) if in_validation(text, 0.1) != in_validation(MANY[0], 0.1))
    assert read == MANY[: last + 1]


@pytest.mark.parametrize("share", [0, 1, -0.1, 10])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(UserError, match="between 0 and 1"):
        parts_of(MANY, validation=share)


def test_an_unknown_way_names_the_nearest():
    with pytest.raises(UserError, match="Did you mean 'position'"):
        parts_of(MANY, by="positon")
    with pytest.raises(UserError, match="needs a folder of files"):
        parts_of(MANY, by="files")


def write(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_text(f"Text of {name}.", "utf-8")


def test_files_named_for_validation_are_held_out_whole(tmp_path):
    write(tmp_path, "gutenberg_train.txt", "gutenberg_val.txt", "valley.txt", "dev/x.txt")
    parts = split_corpus(tmp_path, by="files")
    assert list(parts.train()) == ["Text of gutenberg_train.txt.", "Text of valley.txt."]
    assert list(parts.validation()) == ["Text of dev/x.txt.", "Text of gutenberg_val.txt."]


def test_without_such_names_a_share_of_the_files_is_held_out(tmp_path):
    names = [f"book {i}.txt" for i in range(20)]
    write(tmp_path, *names)
    parts = split_corpus(tmp_path, by="files", validation=0.1)
    train, validation = list(parts.train()), list(parts.validation())
    assert len(validation) == 2
    assert sorted(train + validation) == sorted(f"Text of {name}." for name in names)
    assert validation == list(split_corpus(tmp_path, by="files", validation=0.1).validation())


def test_one_file_cannot_be_split_by_files(tmp_path):
    write(tmp_path, "a.txt")
    with pytest.raises(UserError, match='two or more.*Choose "position"'):
        split_corpus(tmp_path, by="files")


def test_a_corpus_on_disk_can_be_read_again_and_again(tmp_path):
    write(tmp_path, "a.txt", "b.txt", "c.txt")
    parts = split_corpus(tmp_path, validation=0.4)
    assert list(parts.train()) == list(parts.train()) == ["Text of a.txt.", "Text of b.txt."]
    assert list(parts.validation()) == ["Text of c.txt."]
