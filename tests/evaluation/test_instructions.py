"""The village's instructions: asked as conversations, and checked exactly."""

import pytest

from groundup.evaluation.instructions import score_of, village_accuracy, village_conversations
from groundup.evaluation.responses import Response, respond
from groundup.evaluation.statistics import wilson
from groundup.village.tasks.instructions import correct, example


def said(answer: str, finished: str = "border") -> Response:
    return {"messages": [], "answer": answer, "reference": None, "finished": finished}


def test_a_conversation_asks_for_the_instruction_about_its_document_and_knows_the_answer():
    found = village_conversations(3, "train", 30)
    assert len(found) == 30
    for index, (question, answer) in enumerate(found):
        one = example(3, index, "train")
        assert question["role"], answer["role"] == ("user", "assistant")
        assert question["content"] == f"{one.instruction}\n\n{one.input}".rstrip()
        assert correct(one, answer["content"])
    assert any("\n\n" in question["content"] for question, _ in found)
    assert any("\n\n" not in question["content"] for question, _ in found)
    assert village_conversations(3, "compositions", 5) != village_conversations(3, "documents", 5)


def test_right_answers_are_counted_whatever_their_capitals_and_the_sorts_are_told_apart():
    examples = [example(3, index, "documents") for index in range(20)]
    tales = [one.checker == "tale" for one in examples]
    assert 0 < sum(tales) < 20
    responses = [said(one.answer.upper() if one.checker == "exact" else one.answer) for one in examples]
    right = score_of(examples, responses, "documents", 9)
    assert (right.value, right.n, right.chance, right.metric) == (1.0, 20, 0.0, "accuracy_documents")
    assert right.interval == wilson(20, 20)
    assert right.details["tale"] == {"right": sum(tales), "n": sum(tales)}
    # A tale that stops in its middle is none, and another example's answer is wrong.
    cut = [said(each["answer"][:-9], "length") for each in responses]
    wrong = score_of(examples, cut, "documents", 9)
    assert wrong.value == 0.0
    assert wrong.interval == wilson(0, 20)
    assert wrong.details["without_end"] == 20
    some = score_of(examples, responses[:5] + cut[5:], "documents", 9)
    assert (some.value, some.interval) == (0.25, wilson(5, 20))


def test_a_model_is_asked_for_each_split_and_every_answer_is_checked(make_loaded):
    loaded = make_loaded(context_length=1500, shake=0.4)
    told: list[tuple[int, int]] = []
    scores, responses = village_accuracy(loaded, 3, 3, max_tokens=4, progress=lambda *done: told.append(done))
    assert [score.metric for score in scores] == ["accuracy_documents", "accuracy_compositions"]
    assert told == [(done, 6) for done in range(1, 7)]
    for score, (split, found) in zip(scores, responses.items(), strict=True):
        assert found == respond(loaded, village_conversations(3, split, 3), max_tokens=4)
        assert (score.value, score.n, score.interval) == (0.0, 3, wilson(0, 3))
        assert split in score.protocol
        assert "at most 4 tokens" in score.protocol
    with pytest.raises(ValueError, match="There is no split 'test'"):
        village_accuracy(loaded, 3, 3, splits=["test"])
