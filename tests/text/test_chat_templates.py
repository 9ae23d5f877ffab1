"""Chat templates: prompts and ends of answers, choosing one, what is passed to it, and what is refused."""

import re
from datetime import datetime

import pytest

from groundup.errors import UserError
from groundup.text.chat import answer_end_ids, encode_chat, render, with_template
from groundup.text.templates import ALPACA, GROUNDUP
from groundup.text.tokenizer import SPECIAL_TOKENS, Tokenizer
from groundup.weights.gguf_tokenizer import tokenizer_fields
from tests.text.chats import CHATS, FORMS, THINKING, learned_text, made, ours, said
from tests.text.kinds import KINDS

transformers = pytest.importorskip("transformers")


def test_a_prompt_is_what_stands_before_its_answer():
    for name in ("own", "alpaca", "llama 3", "gemma"):
        whole, learn = encode_chat(ours(name), said("Whose?", "The miller's."))
        prompt, _ = encode_chat(ours(name), said("Whose?"), add_generation_prompt=True)
        assert whole[: len(prompt)] == prompt and learn.index(True) == len(prompt)


@pytest.mark.parametrize("form", FORMS)
def test_an_answer_ends_with_the_template_s_token_or_the_eos(form):
    tokenizer = ours(form)
    named = {FORMS[form].end.strip(), str(tokenizer.config["eos_token"])}
    assert answer_end_ids(tokenizer) == {tokenizer.special_tokens[name] for name in named}


def test_without_a_token_behind_an_answer_only_its_text_is_learned():
    colons = "{% for m in messages %}{{ m.role + ': ' + m.content + '\\n' }}{% endfor %}"
    tokenizer = made("gpt2", colons)()
    # The space is the template's, but in a token with the answer.
    assert learned_text(tokenizer, said("a", "wind", "c", "mill")) == " wind mill"
    assert answer_end_ids(tokenizer) == {tokenizer.border_id}
    nameless = Tokenizer(tokenizer.library, {"chat_template": colons})
    with pytest.raises(UserError, match="Nothing ends an answer .* eos_token"):
        answer_end_ids(nameless)


def test_thoughts_that_a_template_writes_apart_are_learned_too(tmp_path):
    tokenizer = made("qwen", THINKING)()
    tokenizer.save(tmp_path)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    for answer in ("<think>\nmill?\n</think>\n\nThe wind.", "The wind.", "<think>a</think>", "</think>"):
        ids, _ = encode_chat(tokenizer, said("Whose?", answer))
        assert ids == theirs.apply_chat_template(said("Whose?", answer))["input_ids"]
    found = learned_text(tokenizer, said("Whose?", "<think>\nmill?\n</think>\n\nThe wind."))
    assert found == "mill?\n</think>\n\nThe wind.<|im_end|>"
    with pytest.raises(UserError, match="changes with what message 2 says, and a special token is named"):
        encode_chat(tokenizer, said("Whose?", "<think><|im_end|></think>The wind."))


def test_the_date_in_a_template_is_that_of_the_caller():
    dated = "{{ strftime_now('%d %b %Y') }}{% for m in messages %}{{ m.content }}{% endfor %}"
    text = render(made("gpt2", dated)(), said("!"), now=datetime(2017, 6, 12))
    assert text == "12 Jun 2017!"


def test_json_in_a_template_is_written_as_transformers_does(tmp_path):
    tokenizer = made("gpt2", "{{ messages | tojson }}{{ messages[0] | tojson(indent=1) }}")()
    tokenizer.save(tmp_path)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    text = render(tokenizer, said("<é & 'x'>"))
    assert text == theirs.apply_chat_template(said("<é & 'x'>"), tokenize=False)
    assert "<é & 'x'>" in text


def test_a_model_without_a_template_gets_one_by_name_that_transformers_reads(tmp_path):
    bare = Tokenizer(KINDS["gpt2"].make().library, {})
    with pytest.raises(UserError, match="no chat template. Choose one by its name: groundup, alpaca"):
        render(bare, said("a"))
    for name in ("groundup", "alpaca"):
        chosen = with_template(bare, name)
        folder = tmp_path / name
        folder.mkdir()
        chosen.save(folder)
        theirs = transformers.AutoTokenizer.from_pretrained(folder)
        again = Tokenizer.from_folder(folder)
        for chat in CHATS.values():
            known = theirs.apply_chat_template(chat)["input_ids"]
            assert encode_chat(chosen, chat) == encode_chat(again, chat)
            assert encode_chat(again, chat)[0] == known
        assert answer_end_ids(again) & {again.border_id}
    assert bare.config == {}


def test_a_template_is_chosen_among_several_of_the_model_s_own():
    several = [{"name": "short", "template": "{{ messages[0].content }}"}, {"name": "x", "template": "y"}]
    tokenizer = Tokenizer(KINDS["mistral"].make().library, {"chat_template": several, "bos_token": "<s>"})
    with pytest.raises(
        UserError, match="none of them is the default. Choose one by its name: short, x, alpaca"
    ):
        render(tokenizer, said("a"))
    assert render(with_template(tokenizer, "short"), said("a")) == "a"
    with pytest.raises(
        UserError, match="no chat template 'shrt'. Did you mean 'short'.* Choose of: short, x, gro"
    ):
        with_template(tokenizer, "shrt")
    with pytest.raises(UserError, match="needs the special tokens <.assistant.>, <.end.>, <.user.>, which"):
        with_template(tokenizer, "groundup")


def test_own_tokenizers_bring_their_template_to_every_program():
    tokenizer = KINDS["gpt2"].make()
    assert tokenizer.config["chat_template"] == GROUNDUP
    assert tokenizer_fields(tokenizer, tokenizer.vocab_size)["chat_template"] == GROUNDUP
    assert set(re.findall(r"<\|\w+\|>", GROUNDUP)) < set(SPECIAL_TOKENS)
    assert not re.findall(r"<\|\w+\|>", ALPACA)


@pytest.mark.parametrize(
    "messages, message",
    [
        ([], "The conversation is empty"),
        (
            [{"role": "human", "content": "a"}],
            "Message 1 has the role 'human'. Choose of: system, user, assi",
        ),
        ([{"role": "user|>", "content": "a"}], "Message 1 has the role"),
        ([{"content": "a"}], "Message 1 has the role None"),
        (["a"], "Message 1 has the role None"),
        ([*said("a"), {"role": "user"}], "The content of message 2 is no text but None"),
        ([{"role": "user", "content": ["a"]}], r"The content of message 1 is no text but \['a'\]"),
        ([*said("a"), *said("b", system="S")], "refuses these messages: .*can only be the first one. Change"),
        (said(system="S"), "writes message 1, of the system, 0 times instead of once"),
    ],
)
def test_messages_that_are_none_are_one_line(messages, message):
    with pytest.raises(UserError, match=message) as caught:
        encode_chat(ours("own"), messages)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "template, message",
    [
        ("{% if %}", "is no proper jinja: line 1"),
        ("{{ ''.__class__.__mro__ }}", "refuses these messages: .*unsafe"),
        ("{{ messages.append(1) }}", "refuses these messages: .*append.* is unsafe"),
        ("{{ messages[0].content + 1 }}", "refuses these messages: TypeError"),
        ("{{ raise_exception('one\ntwo') }}", "refuses these messages: one. Change them"),
        ("{{ messages[0].content }}{{ messages[0].content }}", "writes message 1, of the user, 2 times"),
        ("{{ messages[1].content }}", "message 1, of the user, 0 times"),
        (7, "chat_template in tokenizer_config.json is '7'; expected a text, or a list"),
        ([{"name": "default"}], "expected a text, or a list"),
        ([{"name": "a", "template": "x"}] * 2, "with different names"),
    ],
)
def test_a_template_that_is_none_or_does_harm_is_one_line(template, message):
    tokenizer = Tokenizer(KINDS["gpt2"].make().library, {"chat_template": template})
    with pytest.raises(UserError, match=message) as caught:
        encode_chat(tokenizer, said("wind", "mill"))
    assert "\n" not in str(caught.value)


def test_a_template_that_refuses_a_system_says_so():
    with pytest.raises(UserError, match="refuses these messages: No system here. Change them"):
        encode_chat(ours("gemma"), CHATS["system"])
