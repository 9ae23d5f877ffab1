"""Preferences: each published form, what is left out and told, and pairs as ids with answers as targets."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from groundup.data.batches import Batches
from groundup.data.order import Order
from groundup.data.preferences import (
    Preference,
    PreferenceExamples,
    read_preferences,
    stack_preferences,
)
from groundup.errors import UserError
from groundup.text.chat import encode_chat, with_template
from groundup.text.tokenizer import Tokenizer
from groundup.village.tasks.preferences import village_preferences

USER = [{"role": "user", "content": "Name a bird."}]
TURNS = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "Hello"},
    {"role": "assistant", "content": "Hi, friend"},
    *USER,
]
ANSWERS = {"chosen": "A wren.", "rejected": "No!"}
PAIR = {"prompt": "Name a bird.", **ANSWERS}


def said(answer: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": answer}]


def written(file: Path, records: Any) -> Path:
    lines = "\n".join(map(json.dumps, records)) if file.suffix == ".jsonl" else json.dumps(records)
    file.write_text(lines, "utf-8")
    return file


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
@pytest.mark.parametrize(
    "record, prompt",
    [
        (PAIR, USER),
        ({**PAIR, "prompt": TURNS}, TURNS),
        ({"instruction": "Name a bird.", "input": "", "output": "A tit.", **ANSWERS}, USER),
        ({"instruction": "Name a bird.", **ANSWERS}, USER),
        (
            {"instruction": "Name a bird.", "input": "It sings.", **ANSWERS},
            [{"role": "user", "content": "Name a bird.\n\nIt sings."}],
        ),
        ({"chosen": [*TURNS, *said("A wren.")], "rejected": [*TURNS, *said("No!")]}, TURNS),
        (
            {"prompt": "Name a bird.", "chosen": USER + said("A wren."), "rejected": USER + said("No!")},
            USER,
        ),
        ({"prompt": TURNS, "chosen": said("A wren."), "rejected": said("No!")}, TURNS),
    ],
)
def test_each_form_becomes_a_prompt_and_two_answers(record, prompt, name, tmp_path):
    read = read_preferences(written(tmp_path / name, [record, record]))
    assert read.found == [Preference(prompt, "A wren.", "No!")] * 2
    assert (read.empty, read.equal) == ([], [])


def test_records_that_teach_nothing_are_left_out_and_told(tmp_path):
    records = [
        {**PAIR, "rejected": "A wren. "},
        PAIR,
        {**PAIR, "chosen": " "},
        {**PAIR, "prompt": "\n"},
        {"instruction": "", "input": "a", **ANSWERS},
        {**PAIR, "chosen": " ", "rejected": ""},
        {"chosen": said("A"), "rejected": said("B")},
        {**PAIR, "prompt": [*TURNS, {"role": "user", "content": ""}]},
    ]
    read = read_preferences(written(tmp_path / "a.jsonl", records))
    assert (len(read.found), read.empty, read.equal) == (1, [3, 4, 5, 6, 7, 8], [1])


@pytest.mark.parametrize(
    "record, message",
    [
        ("a", "Line 2 of .*a.jsonl is no JSON object: 'a'"),
        (
            {"prompt": "a", "chosen": "b"},
            'Line 2 of .* has no field "rejected"; its fields are prompt, chosen',
        ),
        ({"question": "a", **ANSWERS}, 'Line 2 of .* has no field "prompt"'),
        ({**PAIR, "prompt": 3}, 'no text in its field "prompt" but'),
        ({**PAIR, "rejected": None}, "no text in its field \"rejected\" but 'None'"),
        ({**PAIR, "chosen": None}, 'no list of messages in its field "chosen"'),
        ({**PAIR, "chosen": USER + said("a")}, 'no list of messages in its field "rejected"'),
        ({"instruction": 1, **ANSWERS}, 'no text in its field "instruction"'),
        ({"chosen": USER, "rejected": USER}, 'no answer of the assistant at the end of its field "chosen"'),
        ({"chosen": USER + said("a"), "rejected": []}, 'at the end of its field "rejected"'),
        ({"chosen": USER + said("a"), "rejected": TURNS + said("a")}, "differ before their last message"),
        ({"chosen": [{"role": "bot", "content": "a"}], "rejected": USER}, "a message of the role 'bot'"),
    ],
)
def test_a_record_that_does_not_fit_is_one_line_with_its_number(record, message, tmp_path):
    with pytest.raises(UserError, match=message) as caught:
        read_preferences(written(tmp_path / "a.jsonl", [PAIR, record]))
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith("Mend it, or take it out.")


@pytest.mark.parametrize(
    "text, message", [("", "is empty"), ("[]", "holds no record"), ("[{", "is no proper JSON list")]
)
def test_a_file_without_records_is_one_line(text, message, tmp_path):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(UserError, match=message):
        read_preferences(tmp_path / "a.json")


def test_the_villages_pairs_are_read_whole(tmp_path):
    pairs = village_preferences(5, "train", 12)
    read = read_preferences(written(tmp_path / "a.jsonl", [one._asdict() for one in pairs]))
    assert (read.empty, read.equal) == ([], [])
    assert [found[1:] for found in read.found] == [(one.chosen, one.rejected) for one in pairs]
    for found, one in zip(read.found, pairs, strict=True):
        asked = f"{one.instruction}\n\n{one.input}" if one.input else one.instruction
        assert found.prompt == [{"role": "user", "content": asked}]


@pytest.fixture
def tokenizer() -> Tokenizer:
    return with_template(Tokenizer.from_bytes(), "groundup")


def learned(tokenizer: Tokenizer, targets: torch.Tensor) -> str:
    return tokenizer.decode([id for id in targets.tolist() if id != -100])


def test_only_the_last_answer_and_what_ends_it_are_targets(tokenizer):
    [sample] = PreferenceExamples([Preference(TURNS, "A wren.", "No!")], tokenizer, 200)
    for (ids, targets), answer in ((sample.chosen, "A wren."), (sample.rejected, "No!")):
        whole, _ = encode_chat(tokenizer, [*TURNS, *said(answer)])
        assert ids.tolist() == whole[:-1]
        assert learned(tokenizer, targets) == f"{answer}<|end|>"
        shown = targets != -100
        assert targets[shown].tolist() == torch.tensor(whole[1:])[shown].tolist()


def test_what_a_template_has_behind_an_answer_is_no_target(tokenizer):
    text = tokenizer.config["chat_template"] + "<|endoftext|>"
    odd = Tokenizer(tokenizer.library, {**tokenizer.config, "chat_template": text})
    [sample] = PreferenceExamples([Preference(TURNS, "A wren.", "No!")], odd, 200)
    assert sample.chosen[1].tolist()[-1] == -100
    assert learned(odd, sample.chosen[1]) == "A wren.<|end|>"


def test_pairs_that_are_too_long_are_left_out_whole_and_told(tokenizer):
    pairs = [Preference(USER, "a" * n, "b" * m) for n, m in ((5, 9), (10, 3), (3, 10), (9, 9))]
    length = len(encode_chat(tokenizer, [*USER, *said("a" * 9)])[0]) - 1
    examples = PreferenceExamples(pairs, tokenizer, length)
    assert (len(examples), examples.too_long) == (2, [1, 2])
    assert [learned(tokenizer, sample.chosen[1]) for sample in examples.samples] == [
        f"{'a' * n}<|end|>" for n in (5, 9)
    ]
    with pytest.raises(
        UserError, match="None of 4 preferences fits into 8 tokens. Raise max_length"
    ) as caught:
        PreferenceExamples(pairs, tokenizer, 8)
    assert "\n" not in str(caught.value)


def test_a_batch_holds_both_answers_of_each_pair_filled_up_at_the_end(tokenizer):
    pairs = [Preference(USER, "a" * n, "b" * (12 - n)) for n in (1, 4, 11)]
    examples = PreferenceExamples(pairs, tokenizer, 100)
    assert "reference" not in stack_preferences([examples[0]])
    examples.attach(torch.arange(6.0).view(3, 2))
    batch = stack_preferences([examples[2], examples[0]])
    assert batch["ids"].shape == batch["targets"].shape == (2, 2, len(examples[0].rejected[0]))
    assert batch["reference"].tolist() == [[4, 5], [0, 1]]
    for row, index in enumerate((2, 0)):
        for which in (0, 1):
            ids, targets = examples[index][:2][which]
            assert batch["ids"][row, which, : len(ids)].equal(ids)
            assert batch["targets"][row, which, : len(ids)].equal(targets)
            assert (batch["targets"][row, which, len(ids) :] == -100).all()


def test_a_reference_of_other_examples_is_our_own_mistake(tokenizer):
    with pytest.raises(AssertionError, match="of other examples"):
        PreferenceExamples([Preference(USER, "a", "b")], tokenizer, 100).attach(torch.zeros(2, 2))


def test_they_fill_the_batches_of_steps(tokenizer):
    pairs = [Preference(USER, "a" * n, "b") for n in range(1, 8)]
    examples = PreferenceExamples(pairs, tokenizer, 100)
    examples.attach(torch.arange(14.0).view(7, 2))
    batches = Batches(examples, Order(7, 1), samples_per_step=5, micro_batch=2, stack=stack_preferences)
    parts = batches.at(0)
    assert [len(part["ids"]) for part in parts] == [2, 2, 1]
    seen = torch.cat([part["reference"] for part in parts])[:, 0] / 2
    assert seen.tolist() == batches.indices(0)


def test_the_published_pairs_are_all_read(shared_data: Path):
    file = shared_data / "instruct" / "instruction-data-with-preference.json"
    if not file.is_file():
        pytest.skip(f"There is no {file}.")
    records, read = json.loads(file.read_text("utf-8")), read_preferences(file)
    assert len(records) == len(read.found) + len(read.empty) + len(read.equal)
    assert read.equal == [n for n, r in enumerate(records, 1) if r["chosen"].strip() == r["rejected"].strip()]
