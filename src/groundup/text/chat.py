"""Conversations as a model reads them: its chat template, and which tokens of them are learned.

A conversation is a list of messages, each {"role": "system", "user" or "assistant", "content": text}. The
template, a program in jinja, writes them down as one text.
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from os.path import commonprefix
from typing import Any

import jinja2
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from groundup.errors import UserError, did_you_mean
from groundup.text.parts import split_at_names
from groundup.text.stored import chat_templates, name_of
from groundup.text.templates import TEMPLATES
from groundup.text.tokenizer import Tokenizer

ROLES, KEYS = ("system", "user", "assistant"), ("role", "content")
PROBE = ({"role": "user", "content": "a"}, {"role": "assistant", "content": "b"})
Message = Mapping[str, str]


def with_template(tokenizer: Tokenizer, name: str) -> Tokenizer:
    """The same tokenizer with this chat template, which is saved with it.

    name: one of the tokenizer's own templates, or of `TEMPLATES`. UserError for another name, and where the
    tokenizer lacks a special token that the template needs.
    """
    own = chat_templates(tokenizer.config)
    if name in own:
        return Tokenizer(tokenizer.library, {**tokenizer.config, "chat_template": own[name]})
    if name not in TEMPLATES:
        known = [*own, *TEMPLATES]
        raise UserError(
            f"There is no chat template {name!r}.{did_you_mean(name, known)} Choose of: {', '.join(known)}."
        )
    lacking = _marks(name) - tokenizer.special_tokens.keys()
    if lacking:
        raise UserError(
            f"The chat template {name!r} needs the special tokens {', '.join(sorted(lacking))}, which this "
            f"tokenizer lacks. Choose of: {_choice(tokenizer)}."
        )
    # Older folders do not name what begins and ends a text, and the template asks for both by name.
    ends = {"bos_token": tokenizer.begin_id, "eos_token": tokenizer.end_id}
    named = {key: tokenizer.library.id_to_token(id) for key, id in ends.items()}
    return Tokenizer(tokenizer.library, {**tokenizer.config, **named, "chat_template": TEMPLATES[name]})


def render(
    tokenizer: Tokenizer,
    messages: Sequence[Message],
    *,
    add_generation_prompt: bool = False,
    now: datetime | None = None,
) -> str:
    """The conversation as one text, by the tokenizer's chat template.

    add_generation_prompt: end with what stands before an answer. now: for templates that tell the model the
    date; by default the clock's. UserError if there is no template, or it refuses the messages.
    """
    conversation = _Conversation(tokenizer, messages, add_generation_prompt, now)
    return conversation.written(conversation.contents)


def encode_chat(
    tokenizer: Tokenizer,
    messages: Sequence[Message],
    *,
    add_generation_prompt: bool = False,
    now: datetime | None = None,
) -> tuple[list[int], list[bool]]:
    """The ids of a conversation, and for each whether it is learned: an answer's, or what ends the answer.

    The ids are those of the whole text that `render` gives, but only the template's own words become special
    tokens, never a message's. An answer ends with the first special token behind it. Arguments and errors are
    those of `render`; UserError also if the template leaves a message out.
    """
    conversation = _Conversation(tokenizer, messages, add_generation_prompt, now)
    text = conversation.written(conversation.contents)
    parts: list[tuple[str, bool]] = []
    learned: list[bool] = []
    done, behind_answer = 0, False
    for start, end, role in [*conversation.places(text), (len(text), len(text), "")]:
        frame = split_at_names(text[done:start], [*tokenizer.special_tokens])
        # Up to the token that ends an answer the model itself writes what the template has there.
        ending = 2 if behind_answer and len(frame) > 1 else 0
        parts += [*frame, (text[start:end], False)]
        done, behind_answer = end, role == "assistant"
        learned += [place < ending for place in range(len(frame))] + [behind_answer]
    ids, stands_in = tokenizer.encode_parts(parts)
    return ids, [any(learned[first : last + 1]) for first, last in stands_in]


def answer_end_ids(tokenizer: Tokenizer) -> frozenset[int]:
    """The ids that end an answer: of the special token that the template has behind it, and of the eos.

    UserError if there is neither, or no template.
    """
    ids, learned = encode_chat(tokenizer, PROBE)
    last = [id for id, counts in zip(ids, learned, strict=True) if counts][-1]
    found = {last} & set(tokenizer.special_tokens.values())
    eos = tokenizer.token_to_id(name_of(tokenizer.config.get("eos_token")) or "")
    if eos is not None:
        found.add(eos)
    if not found:
        raise UserError(
            "Nothing ends an answer of this model: its chat template has no special token behind it. Name "
            "one as eos_token in its tokenizer_config.json."
        )
    return frozenset(found)


class _Conversation:
    """Messages and the template that writes them down."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        messages: Sequence[Message],
        add_generation_prompt: bool,
        now: datetime | None,
    ):
        _check(messages)
        self.roles = [message["role"] for message in messages]
        self.contents = [message["content"] for message in messages]
        self.template = _compiled(_default_template(tokenizer))
        self.special = [*tokenizer.special_tokens]
        time = now or datetime.now()  # one for all times that the template writes
        named = {key: name_of(token) for key, token in tokenizer.config.items() if key.endswith("_token")}
        self.variables = {
            **{key: name for key, name in named.items() if name is not None},
            "add_generation_prompt": add_generation_prompt,
            "tools": None,
            "documents": None,
            "strftime_now": lambda form: time.strftime(form),
        }

    def written(self, contents: list[str]) -> str:
        """The text, with these contents in the messages."""
        pairs = zip(self.roles, contents, strict=True)
        messages = [{"role": role, "content": content} for role, content in pairs]
        try:
            return self.template.render(messages=messages, **self.variables)
        except Exception as error:  # a template is a program, which can fail in any way
            kind = "" if isinstance(error, jinja2.TemplateError) else f"{type(error).__name__}: "
            why = (str(error).splitlines() or ["it gives no reason"])[0]
            raise UserError(
                f"The chat template refuses these messages: {kind}{why}. "
                f"Change them, or choose another template."
            ) from error

    def places(self, text: str) -> list[tuple[int, int, str]]:
        """Where in the text each content stands, and the role that says it, in the order of the text."""
        found = [(*self._place(text, number), role) for number, role in enumerate(self.roles)]
        found.sort(key=lambda place: place[:2])
        if any(after[0] < before[1] for before, after in zip(found, found[1:], strict=False)):
            raise UserError("The chat template mixes what several messages say. Choose another template.")
        return found

    def _place(self, text: str, number: int) -> tuple[int, int]:
        """A content's place is what changes in the text where another is written instead of it.

        So blanks that the template cuts off a content are no part of it.
        """
        other = "qz"
        while other in text:
            other += "z"
        contents = [*self.contents[:number], other, *self.contents[number + 1 :]]
        before, *behind = self.written(contents).split(other)
        if len(behind) != 1:
            raise UserError(
                f"The chat template writes message {number + 1}, of the {self.roles[number]}, {len(behind)} "
                f"times instead of once. Give the messages in an order that it knows."
            )
        if text.startswith(before) and text[len(before) :].endswith(behind[0]):
            return len(before), len(text) - len(behind[0])
        # What is around a content depends on it, as where a template looks for thoughts in an answer.
        start = len(commonprefix([text, before]))
        end = len(text) - len(commonprefix([text[start:][::-1], behind[0][::-1]]))
        if any(name in text[start:end] for name in self.special):
            raise UserError(
                f"The chat template changes with what message {number + 1} says, and a special token is "
                f"named there, by one or the other. Take it out of the message."
            )
        return start, end


def _check(messages: Sequence[Message]) -> None:
    if not messages:
        raise UserError("The conversation is empty. Give at least one message.")
    for number, message in enumerate(messages, 1):
        role, content = (message.get(key) if isinstance(message, Mapping) else None for key in KEYS)
        if role not in ROLES:
            raise UserError(f"Message {number} has the role {role!r}. Choose of: {', '.join(ROLES)}.")
        if not isinstance(content, str):
            raise UserError(f"The content of message {number} is no text but {content!r:.40}. Give a text.")


def _default_template(tokenizer: Tokenizer) -> str:
    own = chat_templates(tokenizer.config)
    if "default" not in own:
        what = "several chat templates and none of them is the default" if own else "no chat template"
        raise UserError(f"This model has {what}. Choose one by its name: {_choice(tokenizer)}.")
    return own["default"]


def _choice(tokenizer: Tokenizer) -> str:
    """The names of the templates that this tokenizer can have."""
    ours = [name for name in TEMPLATES if _marks(name) <= tokenizer.special_tokens.keys()]
    return ", ".join(dict.fromkeys([*chat_templates(tokenizer.config), *ours]))


def _marks(name: str) -> set[str]:
    """The special tokens that one of our templates writes."""
    return set(re.findall(r"<\|\w+\|>", TEMPLATES[name]))


@cache
def _compiled(template: str) -> jinja2.Template:
    """A template in a sandbox, with what transformers offers to templates: they come with foreign models."""
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _refuse
    try:
        return environment.from_string(template)
    except jinja2.TemplateSyntaxError as error:
        raise UserError(
            f"The chat template is no proper jinja: line {error.lineno}: {error.message}. "
            f"Get it again, or choose another template."
        ) from error


def _to_json(value: Any, ensure_ascii: bool = False, **options: Any) -> str:
    """jinja's own filter writes < as \\u003c, for web pages."""
    return json.dumps(value, ensure_ascii=ensure_ascii, **options)


def _refuse(why: str) -> None:
    raise jinja2.TemplateError(why)


class _Generation(Extension):
    """Reads over the tags {% generation %} and {% endgeneration %}, which some templates have at answers."""

    tags = {"generation"}

    def parse(self, parser: Any) -> Any:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)
