"""Labelled texts: each published form gives the same texts, and what is wrong is told with its place."""

import gzip
import json
from collections import Counter
from pathlib import Path

import pyarrow
import pytest

from groundup.data.labels import Labelled, read_labelled
from groundup.errors import UserError

TEXTS = ['Call 09061 "now" to win!', "Ok lar, see you", "it's 5 o'clock\tor so"]
LABELS = ["spam", "ham", "ham"]
RECORDS = [{"id": i, "label": a, "text": t} for i, (a, t) in enumerate(zip(LABELS, TEXTS, strict=True))]


def csv_of(delimiter: str) -> str:
    def quoted(text: str) -> str:
        return '"' + text.replace('"', '""') + '"'

    rows = [delimiter.join(("Label", "text", "more"))]
    rows += [delimiter.join((label, quoted(text), "x")) for label, text in zip(LABELS, TEXTS, strict=True)]
    return "\r\n".join(rows) + "\r\n"


FORMS = {
    "SMS.tsv": "".join(f"{label}\t{text}\n" for label, text in zip(LABELS, TEXTS, strict=True)),
    "SMSSpamCollection": "\n".join(f"{a}\t{t}" for a, t in zip(LABELS, TEXTS, strict=True)),
    "named.tsv": csv_of("\t"),
    "named.csv": csv_of(","),
    "lines.jsonl": "\n".join(json.dumps(record) for record in RECORDS) + "\n\n",
    "list.json": json.dumps(RECORDS, indent=1),
}


@pytest.mark.parametrize("packed", ["", ".gz", ".zst"])
@pytest.mark.parametrize("name", FORMS)
def test_every_form_gives_the_same_texts_and_labels(tmp_path: Path, name: str, packed: str):
    data = FORMS[name].encode()
    if packed == ".gz":
        data = gzip.compress(data)
    if packed == ".zst":
        data = pyarrow.Codec("zstd").compress(data, asbytes=True)
    (tmp_path / (name + packed)).write_bytes(data)
    found = read_labelled(tmp_path / (name + packed))
    assert found == Labelled(TEXTS, LABELS)
    assert found.names == ("ham", "spam")
    assert found.counts == {"ham": 2, "spam": 1}


def test_a_folder_for_each_label_is_read_and_what_nobody_labelled_is_passed_over(tmp_path: Path):
    for place, text in (
        ("pos/0_9.txt", "Good."),
        ("neg/1_2.txt", "Bad."),
        ("neg/0_3.txt", "Very bad."),
        ("unsup/0_0.txt", "Who knows."),
        ("pos/notes.md", "no review"),
    ):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).write_text(text)
    assert read_labelled(tmp_path) == Labelled(["Very bad.", "Bad.", "Good."], ["neg", "neg", "pos"])


def test_empty_texts_are_left_out_and_counted(tmp_path: Path):
    (tmp_path / "a.tsv").write_text("ham\t \nham\tOk\nspam\t\n\nspam\tWin\n")
    assert read_labelled(tmp_path / "a.tsv") == Labelled(["Ok", "Win"], ["ham", "spam"], empty=2)


def test_labels_that_are_numbers_are_ordered_by_their_value(tmp_path: Path):
    records = [{"text": f"text {n}", "label": n} for n in (10, 9, 0, 2, 10)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, records)))
    found = read_labelled(tmp_path / "a.jsonl")
    assert found.names == ("0", "2", "9", "10")
    assert found.ids(found.names) == [3, 2, 0, 1, 3]


def test_a_label_that_is_not_among_the_names_is_told_with_the_nearest():
    with pytest.raises(UserError, match=r"1 texts have the label 'Spam', .* Did you mean 'spam'\?"):
        Labelled(["a", "b"], ["ham", "Spam"]).ids(("ham", "spam"))


def test_a_text_longer_than_the_csv_modules_own_limit_is_read(tmp_path: Path):
    (tmp_path / "a.csv").write_text(f"text,label\n{'long ' * 40_000},x\nshort,y\n")
    assert [len(text) for text in read_labelled(tmp_path / "a.csv").texts] == [200_000, 5]


WRONG = {
    "no tab": ("a.tsv", "ham\tOk\nspam Win\n", r"Line 2 of .* has no tab: 'spam Win'\. Write label, tab"),
    "empty label": ("a.tsv", "ham\tOk\n\tWin\n", r"Line 2 of .* has an empty label"),
    "only empty texts": ("a.tsv", "ham\t\n", "holds no text with a label"),
    "nothing": ("a.csv", "", "holds no text with a label"),
    "other columns": ("a.csv", "review,sentiment\na,b\n", "names no column 'text', but review, sentiment"),
    "near column": ("a.csv", "texts,label\na,b\n", "Did you mean 'texts'"),
    "a comma too many": ("a.csv", "text,label\nOk, fine,ham\n", "Line 2 of .* has 3 columns, but .* 2"),
    "an open quote": ("a.csv", 'text,label\n"Ok,ham\nWin,spam\n', "Line 3 of .* is no proper CSV"),
    "half a quote": ("a.csv", 'text,label\n"Ok" he said,ham\n', "Line 2 of .* is no proper CSV"),
    "no label": ("a.jsonl", '{"text": "a", "label": 1}\n{"text": "b"}', 'Line 2 of .* no field "label"'),
    "no text": ("a.json", '[{"label": 1}]', r'Record 1 of .* has no field "text"; its fields are label\.'),
    "text no text": ("a.json", '[{"label": 1, "text": 3}]', 'no text in its field "text" but 3'),
    "label a half": ("a.json", '[{"label": 0.5, "text": "a"}]', "0.5, which is neither a text nor a whole"),
    "label a null": ("a.json", '[{"label": null, "text": "a"}]', "None, which is neither a text"),
    "no object": ("a.json", '["text"]', "Record 1 of .* is no JSON object"),
    "no list": ("a.json", '{\n"text": "a",\n"label": 1\n}', "one JSON object over several lines, not a list"),
    "no JSON": ("a.jsonl", '{"text": "a", "label": 1}\n{', "Line 2 of .* is no JSON"),
    "not UTF-8": ("a.tsv", b"ham\tna\xefve\n", "is not UTF-8"),
}


@pytest.mark.parametrize("name, content, told", WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_one_line_with_its_place(tmp_path: Path, name: str, content, told: str):
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError, match=told) as refused:
        read_labelled(tmp_path / name)
    assert "\n" not in str(refused.value)


def test_a_folder_without_labels_in_it_says_what_is_expected(tmp_path: Path):
    (tmp_path / "train" / "pos").mkdir(parents=True)
    with pytest.raises(UserError, match="holds train, without .txt files in them. Give a folder that has"):
        read_labelled(tmp_path)
    with pytest.raises(UserError, match="There is no .*none"):
        read_labelled(tmp_path / "none")


def test_the_real_sms_spam_is_read_line_by_line_with_its_quotes(shared_data: Path):
    found = read_labelled(shared_data / "sms_spam" / "SMSSpamCollection.tsv")
    assert found.counts == {"ham": 4827, "spam": 747}
    assert found.empty == 0
    quoted = [text for text in found.texts if text.startswith('"')]
    assert len(quoted) > 5 and all("\n" not in text for text in quoted)


def test_the_real_imdb_is_read(shared_data: Path):
    found = read_labelled(shared_data / "imdb" / "imdb_test_2500.jsonl.gz")
    assert Counter(found.labels) == {"0": 1250, "1": 1250}
