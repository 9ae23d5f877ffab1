"""Records as lines of JSON."""

import json

import pytest

from groundup.system.files import write_jsonl


def test_each_record_is_one_line_and_comes_back_as_it_was(tmp_path):
    records = [{"text": "ï 🍞\nnext\u2028line"}, {}, [1, None], {"half": "\ud83d", "and": "\ud83d\ude00"}]
    write_jsonl(tmp_path / "a.jsonl", iter(records))
    lines = (tmp_path / "a.jsonl").read_bytes().decode("utf-8").split("\n")
    assert lines.pop() == ""
    assert [json.loads(line) for line in lines] == records[:3] + [{"half": "\ud83d", "and": "😀"}]
    assert "ï 🍞" in lines[0], "what can be read is not written in escapes"


def test_a_record_that_cannot_be_written_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.jsonl"
    write_jsonl(path, [1])
    with pytest.raises(TypeError):
        write_jsonl(path, [2, {3}])
    assert path.read_text() == "1\n"
    assert list(tmp_path.iterdir()) == [path]
