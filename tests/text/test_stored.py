"""What lies beside tokenizer.json, against transformers: BERT's vocab.txt, pairs of texts, chat templates."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.errors import UserError
from groundup.text.chat import render, with_template
from groundup.text.tokenizer import Tokenizer
from tests.text.kinds import KINDS, TEXT

transformers = pytest.importorskip("transformers")
BERT = KINDS["bert"].make()
TEXTS = ["The MILLER's  wïnd", "[CLS] 面包师 [MASK]x", "unknowable 🍞", "", TEXT]
ZEPHYR = (  # of the form that Zephyr's has
    "{% for message in messages %}\n{{ '<|' + message['role'] + '|>\n' + message['content'] + eos_token }}\n"
    "{% if loop.last and add_generation_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n{% endfor %}"
)
ADDED = {"__type": "AddedToken"} | dict.fromkeys(("lstrip", "rstrip", "normalized", "single_word"), False)
MESSAGES = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Whose is the mill?"}]


def only_vocabulary(folder: Path, tokens: list[str] | None = None, **settings: Any) -> Path:
    """The folder of an old BERT: vocab.txt, and tokenizer_config.json if there is something to say."""
    vocabulary = BERT.library.get_vocab()
    tokens = sorted(vocabulary, key=vocabulary.__getitem__) if tokens is None else tokens
    (folder / "vocab.txt").write_text("".join(f"{token}\n" for token in tokens), "utf-8")
    if settings:
        (folder / "tokenizer_config.json").write_text(json.dumps(settings), "utf-8")
    return folder


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"do_lower_case": False},
        {"do_lower_case": False, "strip_accents": True, "tokenize_chinese_chars": False},
        {"unk_token": ADDED | {"content": "[UNK]"}, "do_lower_case": True},
    ],
    ids=str,
)
def test_a_vocab_txt_alone_gives_the_ids_of_transformers(settings, tmp_path):
    folder = only_vocabulary(tmp_path, **settings)
    ours, theirs = Tokenizer.from_folder(folder), transformers.BertTokenizer.from_pretrained(folder)
    for text in TEXTS:
        assert ours.encode(text) == theirs.encode(text, add_special_tokens=False, split_special_tokens=True)
        # An empty second text counts as none in transformers, and as an empty one here.
        for pair in ((text,), (text, "the mill"), ("", text or "mill")):
            known = theirs(*pair, split_special_tokens=True)
            assert ours.encode_framed(*pair) == (known["input_ids"], known["token_type_ids"])
    assert ours.pad_id == theirs.pad_token_id == 0


def test_an_old_bert_saved_in_the_new_form_is_the_same_to_both(tmp_path):
    ours = Tokenizer.from_folder(only_vocabulary(tmp_path, do_lower_case=False))
    (tmp_path / "new").mkdir()
    ours.save(tmp_path / "new")
    assert not (tmp_path / "new" / "vocab.txt").exists()
    again = Tokenizer.from_folder(tmp_path / "new")
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / "new")
    for text in TEXTS:
        known = theirs(text, "The Mill", split_special_tokens=True)
        assert ours.encode_framed(text, "The Mill") == again.encode_framed(text, "The Mill")
        assert again.encode_framed(text, "The Mill")[0] == known["input_ids"]
    assert (again.fingerprint, again.config) == (ours.fingerprint, ours.config)


@pytest.mark.parametrize("missing", ["[UNK]", "[CLS]", "[SEP]"])
def test_a_vocab_txt_without_a_token_that_every_text_needs_is_refused(missing, tmp_path):
    only_vocabulary(tmp_path, [name for name in ("[UNK]", "[CLS]", "[SEP]", "wind") if name != missing])
    with pytest.raises(UserError, match=rf"is no vocabulary of a BERT: it lacks \{missing}") as caught:
        Tokenizer.from_folder(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_vocab_txt_that_is_no_text_is_told_in_one_line(tmp_path):
    (tmp_path / "vocab.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match=r"Could not read .*vocab\.txt"):
        Tokenizer.from_folder(tmp_path)


@settings(max_examples=60, deadline=None)
@given(st.text(), st.text())
def test_a_pair_is_framed_by_three_tokens_and_segments_that_no_text_can_imitate(first, second):
    begin, end = (BERT.special_tokens[name] for name in ("[CLS]", "[SEP]"))
    one, other = BERT.encode(first), BERT.encode(second)
    ids, segments = BERT.encode_framed(first)
    assert (ids, segments) == ([begin, *one, end], [0] * len(ids))
    ids, segments = BERT.encode_framed(first, second)
    assert ids == [begin, *one, end, *other, end]
    assert segments == [0] * (len(one) + 2) + [1] * (len(other) + 1)
    assert not {begin, end} & {*one, *other}


def test_tokens_that_were_added_to_an_old_vocabulary_are_read(tmp_path):
    free = BERT.vocab_size
    only_vocabulary(tmp_path, additional_special_tokens=["<b>"])
    (tmp_path / "added_tokens.json").write_text(json.dumps({"<b>": free + 1, "mill-pond": free}))
    ours = Tokenizer.from_folder(tmp_path)
    assert (ours.vocab_size, ours.special_tokens["<b>"]) == (free + 2, free + 1)
    assert free in ours.encode("the mill-pond") and free + 1 not in ours.encode("<b>")
    (tmp_path / "added_tokens.json").write_text('{"<b>": 999}')
    with pytest.raises(UserError, match=f"gives '<b>' the id 999, but the next free one is {free}"):
        Tokenizer.from_folder(tmp_path)


def test_the_model_s_own_words_for_begin_and_end_are_told_apart_from_the_border():
    for name, begin, end in [
        ("gpt2", "<|endoftext|>", "<|endoftext|>"),
        ("llama 2", "<s>", "</s>"),
        ("qwen", "<|endoftext|>", "<|im_end|>"),
        ("t5", "</s>", "</s>"),
    ]:
        tokenizer = KINDS[name].make()
        ids = tokenizer.token_to_id(begin), tokenizer.token_to_id(end)
        assert (tokenizer.begin_id, tokenizer.end_id) == ids


def chat_folder(folder: Path, form: str) -> Path:
    """A tokenizer with a template like Zephyr's: in tokenizer_config.json, or in files of their own."""
    tokenizer = KINDS["mistral"].make()
    known = tokenizer.config | {"tokenizer_class": "PreTrainedTokenizerFast"}
    Tokenizer(tokenizer.library, known).save(folder)
    file = folder / "tokenizer_config.json"
    short = "{{ eos_token }}"
    if form in ("old", "listed"):
        listed = [{"name": "default", "template": ZEPHYR}, {"name": "short", "template": short}]
        template = ZEPHYR if form == "old" else listed
        file.write_text(json.dumps(known | {"chat_template": template}), "utf-8")
    else:
        theirs = transformers.AutoTokenizer.from_pretrained(folder)
        named = {"zephyr" if form == "no default" else "default": ZEPHYR, "short": short}
        theirs.chat_template = ZEPHYR if form == "new" else named
        theirs.save_pretrained(folder)
        assert (folder / "chat_template.jinja").is_file() == (form != "no default")
        assert "chat_template" not in json.loads(file.read_text("utf-8"))
    return folder


@pytest.mark.parametrize("form", ["old", "listed", "new", "several", "no default"])
def test_a_chat_template_goes_through_loading_and_saving(form, tmp_path):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "ours").mkdir()
    folder = chat_folder(tmp_path / "theirs", form)
    Tokenizer.from_folder(folder).save(tmp_path / "ours")
    before, after = (
        transformers.AutoTokenizer.from_pretrained(place) for place in (folder, tmp_path / "ours")
    )
    assert after.chat_template == before.chat_template
    for prompt in (True, False):
        asked: dict[str, Any] = {"add_generation_prompt": prompt, "tokenize": False}
        asked |= {"chat_template": "zephyr"} if form == "no default" else {}
        text = after.apply_chat_template(MESSAGES, **asked)
        assert text == before.apply_chat_template(MESSAGES, **asked)
        assert "<|user|>\nWhose is the mill?</s>" in text
        ours = with_template(Tokenizer.from_folder(tmp_path / "ours"), asked.get("chat_template", "default"))
        assert render(ours, MESSAGES, add_generation_prompt=prompt) == text
    (tmp_path / "again").mkdir()
    Tokenizer.from_folder(tmp_path / "ours").save(tmp_path / "again")
    written = "tokenizer_config.json"
    assert (tmp_path / "again" / written).read_bytes() == (tmp_path / "ours" / written).read_bytes()
