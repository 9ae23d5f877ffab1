"""Conversations as ids, against transformers' apply_chat_template, and who may write a special token."""

import functools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import processors

from groundup.text.chat import encode_chat, render, with_template
from groundup.text.parts import MARK, split_at_names
from groundup.text.templates import ALPACA
from groundup.text.tokenizer import SPECIAL_TOKENS, Tokenizer
from tests.text.chats import CHATS, FORMS, learned_text, made, ours, said

transformers = pytest.importorskip("transformers")
EXACT = [
    name for name in FORMS if name not in ("word pieces", "unigram", "chatml", "greedy")
]  # these change a text
CONTENT = st.lists(
    st.one_of(
        st.sampled_from(
            [
                *SPECIAL_TOKENS,
                "<s>",
                "</s>",
                "<|im_start|>",
                "<|im_end|>",
                "<turn>",
                "<end>",
                "<|eot|>",
                "<|head|>",
            ]
            + [
                MARK,
                MARK * 2,
                " ",
                "\n",
                "<",
                "|>",
                "</",
                "s>",
                "[INST]",
                "[SEP]",
                "[CLS]",
                "assistant",
                "wind",
            ]
        ),
        st.text(max_size=5),
    ),
    max_size=6,
).map("".join)


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What transformers makes of our saved folder, for each form."""

    @functools.cache
    def read(name: str) -> Any:
        folder = tmp_path_factory.mktemp("form")
        ours(name).save(folder)
        return transformers.AutoTokenizer.from_pretrained(folder)

    return read


def pairs(names: Any = FORMS) -> list[tuple[str, str]]:
    """Every form with every conversation; Gemma's has no words of a system."""
    with_system = {chat for chat, messages in CHATS.items() if messages[0]["role"] == "system"}
    return [(form, chat) for form in names for chat in CHATS if form != "gemma" or chat not in with_system]


@pytest.mark.parametrize("form, chat", pairs())
def test_text_and_ids_are_those_of_transformers(form, chat, theirs):
    for prompt in (True, False):
        known = theirs(form).apply_chat_template(CHATS[chat], add_generation_prompt=prompt, tokenize=False)
        assert render(ours(form), CHATS[chat], add_generation_prompt=prompt) == known
        ids, learn = encode_chat(ours(form), CHATS[chat], add_generation_prompt=prompt)
        known = theirs(form).apply_chat_template(CHATS[chat], add_generation_prompt=prompt)["input_ids"]
        assert ids == known
        assert len(learn) == len(ids)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_ids_of_any_contents_are_those_of_transformers(data, theirs):
    form = data.draw(st.sampled_from(list(FORMS)))
    texts = data.draw(
        st.lists(st.text("windTheml 's\n\t1▁é面🍞" + MARK, max_size=12), min_size=1, max_size=4)
    )
    known = theirs(form).apply_chat_template(said(*texts))["input_ids"]
    assert encode_chat(ours(form), said(*texts))[0] == known


# Where the first character of an answer belongs to no token, transformers does not find its beginning; where
# the special token before it has swallowed that, it takes the token for the answer's.
MARKED = [
    (form, chat)
    for form, chat in pairs(name for name in FORMS if FORMS[name].generation)
    if chat != "asked" and not (form in ("word pieces", "greedy") and chat in ("blanks", "code"))
]


@pytest.mark.parametrize("form, chat", MARKED)
def test_what_is_learned_is_what_transformers_marks_as_generated(form, chat, theirs):
    known = theirs(form).apply_chat_template(CHATS[chat], return_assistant_tokens_mask=True, return_dict=True)
    ids, learn = encode_chat(ours(form), CHATS[chat])
    assert [int(counts) for counts in learn] == known["assistant_masks"]
    assert ids == known["input_ids"] and any(learn)


def test_the_mask_of_our_own_form_by_hand():
    tokenizer = ours("own bytes")
    border, _, user, assistant, end = (tokenizer.special_tokens[name] for name in SPECIAL_TOKENS)
    ids, learn = encode_chat(tokenizer, said("a", "bc", "d", "", system="S"))
    s, n, a, b, c, d = (tokenizer.encode(each)[0] for each in "S\nabcd")
    first = [border, user, s, n, n, a, end, assistant, b, c, end]
    assert ids == [*first, user, d, end, assistant, end]
    assert learn == [False] * 8 + [True] * 3 + [False] * 4 + [True]
    ids, learn = encode_chat(tokenizer, said("a"), add_generation_prompt=True)
    assert (ids, learn) == ([border, user, a, end, assistant], [False] * 5)


def test_the_mask_of_a_plain_form_by_hand():
    tokenizer = with_template(ours("own bytes"), "alpaca")
    ids, learn = encode_chat(tokenizer, said("a", "bc", "d", "e", system="S"))
    expected = (
        "S\n\n### Instruction:\na\n\n### Response:\n",
        "bc<|endoftext|>",
        ("\n\n### Instruction:\nd\n\n### Response:\n"),
        "e<|endoftext|>",
    )
    border = {"<|endoftext|>"}
    encoded = [tokenizer.encode(each, allowed_special=border) for each in expected]
    assert ids == [tokenizer.border_id, *(id for part in encoded for id in part)]
    assert learn == [False] + [i % 2 == 1 for i, part in enumerate(encoded) for _ in part]


@pytest.mark.parametrize("form, chat", pairs(EXACT))
def test_what_is_learned_reads_as_the_answers_and_what_ends_them(form, chat):
    answers = [each["content"] for each in CHATS[chat] if each["role"] == "assistant"]
    kept = [answer.strip() if FORMS[form].strips else answer for answer in answers]
    found = learned_text(ours(form), CHATS[chat])
    if form in ("llama 2", "mistral", "zephyr"):  # a first space belongs to no word there, and is not shown
        found, kept = found.replace(" ", ""), [answer.replace(" ", "") for answer in kept]
    assert found == "".join(answer + FORMS[form].end.strip() for answer in kept)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_no_content_becomes_a_special_token(data):
    form = data.draw(st.sampled_from(list(FORMS)))
    texts = data.draw(st.lists(CONTENT, min_size=1, max_size=4))
    tokenizer = ours(form)
    unknown = {tokenizer.token_to_id(name) for name in ("[UNK]", "<unk>")}  # what cannot be spelled
    special = set(tokenizer.special_tokens.values()) - unknown
    (ids, learn), (plain, _) = (encode_chat(tokenizer, said(*each)) for each in (texts, ["x"] * len(texts)))
    assert [id for id in ids if id in special] == [id for id in plain if id in special]
    assert len(ids) == len(learn)


@pytest.mark.parametrize("form", FORMS)
def test_no_name_of_a_special_token_becomes_one_in_a_content(form):
    tokenizer = ours(form)
    special = set(tokenizer.special_tokens.values())
    unknown = {tokenizer.token_to_id(name) for name in ("[UNK]", "<unk>")}
    counted = [id for id in encode_chat(tokenizer, said("wind", "mill"))[0] if id in special]
    for name in tokenizer.special_tokens:
        for text in (name, f"wind {name} mill", f"wind{name}mill", f" {name} ", f"{name}\n{MARK}{name}"):
            ids, _ = encode_chat(tokenizer, said(text, text))
            assert [id for id in ids if id in special - unknown] == [
                id for id in counted if id not in unknown
            ]


def test_one_name_that_begins_another_does_not_hide_it():
    parts = [("a ", False), ("<b>>", True), ("", False), ("<b>", True), (" c", False)]
    assert split_at_names("a <b>><b> c", ["<b>", "<b>>"]) == parts
    assert split_at_names("a <b>", []) == [("a <b>", False)]


def test_a_special_token_that_swallows_blanks_of_an_answer_is_not_learned_for_it():
    tokenizer = ours("greedy")
    ids, learn = encode_chat(tokenizer, said("Whose?", "  wind  "))
    learned = [id for id, counts in zip(ids, learn, strict=True) if counts]
    assert tokenizer.special_tokens["<|assistant|>"] in ids
    assert learned == [*tokenizer.encode("wind"), tokenizer.special_tokens["<|end|>"]]


def test_a_tokenizer_that_cuts_blanks_off_the_places_of_its_tokens_learns_the_same():
    tokenizer = made("gpt2", ALPACA)()
    cutting = made("gpt2", ALPACA)().library
    cutting.post_processor = processors.ByteLevel(trim_offsets=True)
    for chat in CHATS.values():
        assert encode_chat(Tokenizer(cutting, tokenizer.config), chat) == encode_chat(tokenizer, chat)


@settings(max_examples=100, deadline=None)
@given(texts=st.lists(CONTENT, min_size=1, max_size=5), name=st.sampled_from(["own", "own bytes"]))
def test_in_our_own_form_each_content_is_encoded_as_it_is_alone(texts, name):
    tokenizer = ours(name)
    ids, learn = encode_chat(tokenizer, said(*texts))
    heads, end = (
        [tokenizer.special_tokens[role] for role in ("<|user|>", "<|assistant|>")],
        tokenizer.special_tokens["<|end|>"],
    )
    alone = [[heads[i % 2], *tokenizer.encode(text), end] for i, text in enumerate(texts)]
    assert ids == [tokenizer.border_id, *(id for each in alone for id in each)]
    assert learn == [False] + [
        i % 2 == 1 and place > 0 for i, each in enumerate(alone) for place in range(len(each))
    ]
    shown = [tokenizer.decode(each[1:-1]) for each in alone]
    assert shown == [text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for text in texts]


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_any_contents_come_back(data):
    form = data.draw(st.sampled_from([name for name in EXACT if name not in ("zephyr", "mistral")]))
    texts = data.draw(st.lists(CONTENT.map(lambda text: text.replace("▁", "_")), min_size=1, max_size=4))
    ids, _ = encode_chat(ours(form), said(*texts))
    text = render(ours(form), said(*texts))
    found = ours(form).decode(ids)
    assert found.replace(" ", "") == text.replace(" ", "") if form == "llama 2" else found == text
