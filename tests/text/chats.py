"""Chat templates in the forms that published models have, in our own words, each with a small real tokenizer.

The tags of `generation` stand around what a model is to learn, for transformers, which needs them.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

from tokenizers import AddedToken

from groundup.text.chat import encode_chat, with_template
from groundup.text.tokenizer import Tokenizer
from tests.text.kinds import KINDS

LEARN = "{% generation %}{{ ANSWER }}{% endgeneration %}"
HEADED = (  # a head, the text, an end
    "{{ bos_token }}{% for m in messages %}\n"
    "    {% if m.role == 'assistant' %}\n{{ HEAD }}" + LEARN + "{{ BEHIND }}{% else %}\n"
    "{{ HEAD + TEXT + END + BEHIND }}{% endif %}\n"
    "{% endfor %}{% if add_generation_prompt %}{{ PROMPT }}{% endif %}\n"
)


def headed(head: str, text: str, end: str, behind: str, prompt: str) -> str:
    """A template of the headed kind; each argument is an expression in jinja."""
    filled = HEADED.replace("ANSWER", f"{text} + {end}").replace("HEAD", head).replace("TEXT", text)
    return filled.replace("END", end).replace("BEHIND", behind).replace("PROMPT", prompt)


CHATML = headed(
    "'<|im_start|>' + m.role + '\\n'", "m.content", "'<|im_end|>'", "'\\n'", "'<|im_start|>assistant\\n'"
)
LLAMA_3 = headed(
    "'<|head|>' + m.role + '<|text|>\\n\\n'",
    "m.content | trim",
    "'<|eot|>'",
    "''",
    "'<|head|>assistant<|text|>\\n\\n'",
)
ZEPHYR = headed("'<|' + m.role + '|>\\n'", "m.content", "eos_token", "'\\n'", "'<|assistant|>'")
GEMMA = "{% if messages[0].role == 'system' %}{{ raise_exception('No system here') }}{% endif %}" + headed(
    "'<turn>' + ('model' if m.role == 'assistant' else m.role) + '\\n'",
    "m.content | trim",
    "'<end>'",
    "'\\n'",
    "'<turn>model\\n'",
)
PHI = headed("'<|' + m.role + '|>\\n'", "m.content", "'<|end|>'", "'\\n'", "'<|assistant|>\\n'")
GREEDY = tuple(
    AddedToken(name, special=True, normalized=False, rstrip=True, lstrip=name == "<|end|>")
    for name in ("<|system|>", "<|user|>", "<|assistant|>", "<|end|>")
)
LLAMA_2 = (
    "{% set ns = namespace(first='') %}\n"
    "{% for m in messages %}\n"
    "{% if m.role == 'system' %}\n"
    "{% set ns.first = '<<SYS>>\\n' + m.content + '\\n<</SYS>>\\n\\n' %}\n"
    "{% elif m.role == 'user' %}\n"
    "{{ bos_token + '[INST] ' + ns.first + m.content.strip() + ' [/INST]' }}{% set ns.first = '' %}\n"
    "{% else %}{{ ' ' }}" + LEARN.replace("ANSWER", "m.content.strip() + ' ' + eos_token") + "{% endif %}\n"
    "{% endfor %}\n"
)
MISTRAL = (  # the system's words stand before the last question
    "{{ bos_token }}{% if messages[0].role == 'system' %}\n"
    "{% set system = messages[0].content + '\\n\\n' %}{% set turns = messages[1:] %}\n"
    "{% else %}\n{% set system = '' %}{% set turns = messages %}\n{% endif %}\n"
    "{% set asked = turns | selectattr('role', 'equalto', 'user') | list | length %}\n"
    "{% set ns = namespace(seen=0) %}\n"
    "{% for m in turns %}\n"
    "{% if m.role == 'user' %}{% set ns.seen = ns.seen + 1 %}\n"
    "{{ '[INST] ' + (system if ns.seen == asked else '') + m.content + ' [/INST]' }}{% else %}{{ ' ' }}"
    + LEARN.replace("ANSWER", "m.content + eos_token")
    + "{% endif %}\n{% endfor %}\n"
)
THINKING = (  # an answer's thoughts are written apart, as Qwen 3 does
    "{% for m in messages %}{% set text = m.content %}{% set thoughts = '' %}\n"
    "{% if '</think>' in text %}\n"
    "{% set thoughts = text.split('</think>')[0].split('<think>')[-1].strip('\\n') %}\n"
    "{% set text = text.split('</think>')[-1].lstrip('\\n') %}\n{% endif %}\n"
    "{{ '<|im_start|>' + m.role + '\\n' }}\n"
    "{% if m.role == 'assistant' %}{{ '<think>\\n' + thoughts + '\\n</think>\\n\\n' }}{% endif %}\n"
    "{{ text + '<|im_end|>\\n' }}{% endfor %}"
)


def made(
    kind: str, template: str, special: tuple[str | AddedToken, ...] = (), **names: str
) -> Callable[[], Tokenizer]:
    """A tokenizer of this kind with more special tokens and a chat template."""

    def make() -> Tokenizer:
        tokenizer = KINDS[kind].make()
        tokenizer.library.add_special_tokens([*special])
        usual = {"tokenizer_class": "PreTrainedTokenizerFast"}
        return Tokenizer(tokenizer.library, tokenizer.config | usual | {"chat_template": template} | names)

    return make


class Form(NamedTuple):
    """A tokenizer with its template; what stands behind an answer, and whether it keeps blanks around it."""

    make: Callable[[], Tokenizer]
    end: str
    strips: bool = False
    generation: bool = True  # whether its template tells transformers what is learned


FORMS = {
    "own": Form(KINDS["gpt2"].make, "<|end|>", generation=False),
    "own bytes": Form(KINDS["bytes"].make, "<|end|>", generation=False),
    "alpaca": Form(lambda: with_template(KINDS["gpt4"].make(), "alpaca"), "<|endoftext|>", generation=False),
    "chatml": Form(made("qwen", CHATML), "<|im_end|>"),
    "llama 3": Form(
        made("gpt4", LLAMA_3, ("<|begin|>", "<|head|>", "<|text|>", "<|eot|>"), bos_token="<|begin|>"),
        "<|eot|>",
        strips=True,
    ),
    "llama 2": Form(made("llama 2", LLAMA_2), " </s>", strips=True),
    "zephyr": Form(made("mistral", ZEPHYR), "</s>"),
    "mistral": Form(made("mistral", MISTRAL), "</s>"),
    "gemma": Form(made("gemma", GEMMA, ("<turn>", "<end>")), "<end>", strips=True),
    "greedy": Form(made("llama 2", PHI, GREEDY), "<|end|>"),
    "word pieces": Form(made("bert", ZEPHYR, bos_token="[CLS]", eos_token="[SEP]"), "[SEP]"),
    "unigram": Form(made("t5", ZEPHYR), "</s>"),
}


def said(*contents: str, system: str | None = None) -> list[dict[str, str]]:
    """Question, answer, question ... as messages."""
    turns = [{"role": ("user", "assistant")[i % 2], "content": each} for i, each in enumerate(contents)]
    return [{"role": "system", "content": system}] * (system is not None) + turns


CHATS = {
    "one turn": said("Whose is the mill?", "The miller's."),
    "turns": said("The wind?", "It hasn't slept.", "And then?", "1, 22, 333!"),
    "system": said("Whose is the mill?", "The miller's.", "Why?", "The wind.", system="Be kind."),
    "unicode": said("Später 面包师 👩‍👩‍👧?", "naïf 🍞", system="ï\u0301 🍞"),
    "blanks": said("  two  \n", "\n\n wind \t\n", " \nthe mill\n\n", "\tend  "),
    "empty": said("", "", "mill", ""),
    "asked": said("The wind?", "It hasn't.", "And then?"),
    "code": said("```\ndef area(w):\n    return w\n```", "    return w * 2\n"),
}


@functools.cache
def ours(name: str) -> Tokenizer:
    """The tokenizer of a form."""
    return FORMS[name].make()


def learned_text(tokenizer: Tokenizer, messages: list[dict[str, str]]) -> str:
    """What of a conversation is learned, as text."""
    ids, learn = encode_chat(tokenizer, messages)
    return tokenizer.decode(id for id, counts in zip(ids, learn, strict=True) if counts)
