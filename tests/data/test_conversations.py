import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.data.conversations import read_conversations
from groundup.errors import UserError

ALPACA = {"instruction": "Name a bird.", "input": "", "output": "A wren."}
WEBGLM = {
    "question": "Who owns the mill?",
    "references": ["Tom owns it.", "It is old."],
    "answer": "Tom [1].",
}
MESSAGES = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "Hello"},
    {"role": "assistant", "content": "Hi"},
    {"role": "user", "content": "Bye"},
    {"role": "assistant", "content": "Farewell"},
]


def written(file: Path, records: Any) -> Path:
    """As a list for .json, as lines for .jsonl."""
    lines = (
        json.dumps(records, indent=2) if ".jsonl" not in file.name else "\n".join(map(json.dumps, records))
    )
    file.write_bytes(gzip.compress(lines.encode()) if file.suffix == ".gz" else lines.encode())
    return file


def exchange(question: str, answer: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.json.gz", "a.jsonl.gz"])
@pytest.mark.parametrize(
    "record, conversation",
    [
        (ALPACA, exchange("Name a bird.", "A wren.")),
        ({**ALPACA, "input": " that\nsings "}, exchange("Name a bird.\n\n that\nsings ", "A wren.")),
        ({**ALPACA, "input": None, "chosen": "x"}, exchange("Name a bird.", "A wren.")),
        ({"instruction": "a", "output": "b"}, exchange("a", "b")),
        ({"prompt": " a", "completion": "b\n"}, exchange(" a", "b\n")),
        ({"prompt": "a", "response": "b"}, exchange("a", "b")),
        (
            WEBGLM,
            exchange(
                "References:\n[1] Tom owns it.\n[2] It is old.\n\nQuestion: Who owns the mill?", "Tom [1]."
            ),
        ),
        ({**WEBGLM, "references": []}, exchange("Who owns the mill?", "Tom [1].")),
        ({"messages": MESSAGES, "id": 7}, MESSAGES),
        ({"messages": [{"role": "system", "content": " "}, *MESSAGES[1:]]}, MESSAGES[1:]),
    ],
)
def test_each_form_becomes_a_conversation(name, record, conversation, tmp_path):
    read = read_conversations(written(tmp_path / name, [record, record]))
    assert read.found == [conversation, conversation]
    assert read.empty == []


def test_records_with_an_empty_text_are_left_out_and_told(tmp_path):
    records = [ALPACA, {**ALPACA, "output": " \n"}, ALPACA, {**ALPACA, "instruction": "", "input": "a"}]
    read = read_conversations(written(tmp_path / "a.json", records))
    assert (len(read.found), read.empty) == (2, [2, 4])
    said = [{"messages": MESSAGES}, {"messages": [*MESSAGES, {"role": "user", "content": ""}]}]
    assert read_conversations(written(tmp_path / "a.jsonl", said)).empty == [2]
    asked = [WEBGLM, {**WEBGLM, "question": "  "}]
    assert read_conversations(written(tmp_path / "b.jsonl", asked)).empty == [2]


def test_a_form_that_is_named_is_taken_where_several_fit(tmp_path):
    both = {**ALPACA, "prompt": "a", "completion": "b"}
    file = written(tmp_path / "a.json", [both])
    assert read_conversations(file).found == [exchange("Name a bird.", "A wren.")]
    assert read_conversations(file, "prompt-completion").found == [exchange("a", "b")]
    with pytest.raises(
        UserError, match="no form 'alpacca'.*Did you mean 'alpaca'.*messages, alpaca, prompt-comp"
    ):
        read_conversations(file, "alpacca")


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(st.tuples(st.text(), st.text()), max_size=5))
def test_any_texts_come_back_and_none_is_lost(texts, tmp_path_factory):
    file = tmp_path_factory.getbasetemp() / "any.jsonl"
    written(file, [{"prompt": "a", "completion": "b"}] + [{"prompt": q, "completion": a} for q, a in texts])
    read = read_conversations(file)
    kept = [(q, a) for q, a in texts if q.strip() and a.strip()]
    assert read.found[1:] == [exchange(*pair) for pair in kept]
    assert len(read.found) + len(read.empty) == 1 + len(texts)


def without(field: str) -> dict[str, Any]:
    return {key: value for key, value in ALPACA.items() if key != field}


@pytest.mark.parametrize(
    "name, records, message",
    [
        (
            "a.json",
            [ALPACA, ALPACA, without("output")],
            'Record 3 of .*a.json has no field "output"; its fields',
        ),
        (
            "a.jsonl",
            [ALPACA, without("instruction")],
            'Line 2 of .* has no field "instruction"; its fields are',
        ),
        (
            "a.jsonl",
            [ALPACA, {**ALPACA, "output": 5}],
            "Line 2 of .* no text in its field \"output\" but '5'",
        ),
        ("a.json", [ALPACA, {**ALPACA, "input": ["a"]}], 'Record 2 of .* no text in its field "input"'),
        ("a.json", [ALPACA, "a"], "Record 2 of .* is no JSON object: 'a'"),
        (
            "a.json",
            [{"text": "a"}],
            "first record of .* has the fields text, .* no known form. Known: messages",
        ),
        ("a.json", {"data": [ALPACA]}, "is one JSON object over several lines, not a list. Give a list"),
        (
            "a.jsonl",
            [{**WEBGLM, "references": "a"}],
            'Line 1 of .* no list of texts in its field "references"',
        ),
        ("a.jsonl", [{"messages": "a"}], 'Line 1 of .* no list of messages in its field "messages"'),
        ("a.jsonl", [{"messages": []}], "Line 1 of .* no message of the assistant, so there is nothing"),
        ("a.jsonl", [{"messages": MESSAGES[:2]}], "Line 1 of .* no message of the assistant"),
        (
            "a.jsonl",
            [{"messages": [{"role": "gpt", "content": "a"}]}],
            "a message of the role 'gpt', not of system",
        ),
        (
            "a.jsonl",
            [{"messages": [*MESSAGES, {"role": "user"}]}],
            'Line 1 of .* has a message, number 6, that has no field "content"',
        ),
    ],
)
def test_a_record_that_does_not_fit_is_one_line_with_its_number(name, records, message, tmp_path):
    with pytest.raises(UserError, match=message) as caught:
        read_conversations(written(tmp_path / name, records))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "is empty. Give a JSON list, or JSON lines"),
        ("\n \n", "is empty"),
        ("[]", "holds no record"),
        ("[{", "is no proper JSON list"),
        ("[" * 100_000, "is no proper JSON list"),
        (
            '{"prompt": "a", "completion": "b"}\n\n{"pro',
            "Line 3 of .* is no JSON: .* Mend it, or take it out",
        ),
        ("name,text\n", "Line 1 of .* is no JSON"),
        (b"\xff\xfea\0", "is UTF-16, by the mark at its start"),
        (b'{"prompt": "\xe9"}', "is not UTF-8"),
        (b"\x1f\x8b\x08\0", "no text"),
    ],
)
def test_a_file_that_is_no_json_is_one_line(text, message, tmp_path):
    (tmp_path / "a.jsonl").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError, match=message) as caught:
        read_conversations(tmp_path / "a.jsonl")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_missing_is_one_line(tmp_path):
    with pytest.raises(UserError, match="could not be read"):
        read_conversations(tmp_path / "a.jsonl")
