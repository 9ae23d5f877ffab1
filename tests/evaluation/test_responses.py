"""What a model answers: by heart what it has learned, and the same as transformers says."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from tests.text.chats import said
from transformers import AutoModelForCausalLM, AutoTokenizer

from groundup.data.answers import AnswerExamples, PackedAnswers, stack_answers
from groundup.data.batches import Batches
from groundup.data.order import Order
from groundup.errors import UserError
from groundup.evaluation.responses import respond
from groundup.generation.chat import speaking
from groundup.methods.answers import Answers
from groundup.training.loop import train
from groundup.training.settings import TrainSettings
from groundup.weights.folder import Loaded, save

LESSONS = [
    said("Who?", "Tom."),
    said("Where?", "At the mill\n"),
    said("So?", "Yes.", "Why?", "Be\ncause"),
    said("Who?", " Ana", system="Be kind."),
]


@pytest.fixture(scope="module")
def pupil(make_loaded: Callable[..., Loaded]) -> Loaded:
    """A tiny model that has learned a few conversations by heart, packed into one row."""
    loaded = make_loaded(d_model=32, context_length=120)
    rows = PackedAnswers(AnswerExamples(LESSONS, loaded.tokenizer, 110), seed=0)
    assert len(rows) == 1
    batches = Batches(rows, Order(1, 0), samples_per_step=1, micro_batch=1, stack=stack_answers)
    settings = TrainSettings(
        steps=100, tokens_per_step=110, sequence_length=110, micro_batch=1, learning_rate=1e-2, clip_norm=10.0
    )
    state = train(Answers(loaded.model), batches, settings)
    assert state.loss < 0.05
    loaded.model.eval()
    return loaded


def test_what_was_learned_is_answered_without_a_word_of_the_template(pupil):
    told: list[tuple[int, int]] = []
    found = respond(pupil, LESSONS, max_tokens=30, progress=lambda *done: told.append(done))
    assert [each["answer"] for each in found] == ["Tom.", "At the mill", "Be\ncause", "Ana"]
    assert {each["finished"] for each in found} == {"border"}
    assert [each["reference"] for each in found] == ["Tom.", "At the mill\n", "Be\ncause", " Ana"]
    assert [each["messages"] for each in found] == [lesson[:-1] for lesson in LESSONS]
    assert told == [(done, 4) for done in range(1, 5)]


def test_the_answers_are_those_of_transformers_which_reads_the_ends_from_the_folder(pupil, tmp_path):
    save(tmp_path, speaking(pupil))
    model: Any = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    asked = [*LESSONS, said("Why?"), said("Whooo?", "?"), said("So?", "No.", "Who?")]
    ended = 0
    for conversation, ours in zip(asked, respond(pupil, asked, max_tokens=20), strict=True):
        ids = torch.tensor(
            [tokenizer.apply_chat_template(ours["messages"], add_generation_prompt=True, return_dict=False)]
        )
        whole = model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=20, pad_token_id=1
        )
        new = whole[0, ids.shape[1] :].tolist()
        assert ours["answer"] == tokenizer.decode(new, skip_special_tokens=True).strip()
        assert (ours["finished"] == "border") == (new[-1] in (0, 4))
        assert (ours["reference"] is None) == (conversation[-1]["role"] == "user")
        ended += ours["finished"] == "border"
    assert ended > 4


def test_special_tokens_in_the_midst_of_an_answer_are_no_part_of_its_text(make_loaded):
    """A model that always says the token <|user|>."""
    loaded = make_loaded(tie_embeddings=False)
    with torch.no_grad():
        loaded.model.final_norm.weight.zero_()
        loaded.model.final_norm.bias.fill_(1.0)
        loaded.model.unembed.weight.zero_()[2] = 1.0
    (found,) = respond(loaded, [said("a", "b")], max_tokens=3)
    assert (found["answer"], found["finished"]) == ("", "length")


def test_a_prompt_that_fills_the_context_gets_no_answer_and_says_why(pupil):
    long = said("x" * 130, "b")
    found = respond(pupil, [long, LESSONS[0], long], max_tokens=30)
    assert [(each["answer"], each["finished"]) for each in found] == [
        ("", "context"),
        ("Tom.", "border"),
        ("", "context"),
    ]
    assert found[0]["messages"] == long[:1]
    assert respond(pupil, [long])[0]["finished"] == "context"


def test_with_a_temperature_the_seed_decides(pupil):
    warm = [respond(pupil, [said("Zzz")], temperature=3.0, seed=seed, max_tokens=9) for seed in (1, 1, 2)]
    assert warm[0] == warm[1] != warm[2]


def test_a_conversation_that_begins_with_its_answer_is_refused(pupil):
    with pytest.raises(UserError, match="Conversation 2 has nothing before its answer. Begin it with a ques"):
        respond(pupil, [LESSONS[0], [{"role": "assistant", "content": "Hello"}]])
