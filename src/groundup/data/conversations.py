"""Conversations to learn from, out of the forms in which instruction data are published.

A conversation is a list of messages, each {"role": "system", "user" or "assistant", "content": text}.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundup.data.decoding import decode_text
from groundup.data.formats import opened, readable
from groundup.errors import UserError, did_you_mean
from groundup.text.chat import ROLES

Conversation = list[dict[str, str]]
Fields = dict[str, Any]


class WrongRecord(Exception):
    """What is wrong with one record; the reader knows where it stands."""


@dataclass(frozen=True)
class Form:
    """One form of record: the fields that it must have, and how they become a conversation."""

    needs: tuple[str, ...]
    read: Callable[[Fields], Conversation]


@dataclass(frozen=True)
class Conversations:
    """What a file held: the conversations, and the numbers of the records that hold an empty text.

    Records are counted from 1. Those with an empty question or answer teach nothing, and are left out.
    """

    found: list[Conversation]
    empty: list[int]


def read_conversations(file: Path, form: str | None = None) -> Conversations:
    """The conversations of a JSON list or of JSON lines, which may be compressed: .gz or .zst.

    form: one of `FORMS`; by default the first that fits the first record. UserError, with the number of the
    record or line, for what is no JSON, no list, or lacks a field.
    """
    if form is not None and form not in FORMS:
        raise UserError(
            f"There is no form {form!r} of instruction data.{did_you_mean(form, FORMS)} "
            f"Choose of: {', '.join(FORMS)}."
        )
    found: list[Conversation] = []
    empty: list[int] = []
    for number, (where, record) in enumerate(json_records(file), 1):
        if not isinstance(record, dict):
            raise UserError(
                f"{where} of {file} is no JSON object: {str(record)[:40]!r}. Give one for each record."
            )
        form = form or _form_of(record, file)
        try:
            refuse_missing(record, FORMS[form].needs)
            conversation = FORMS[form].read(record)
        except WrongRecord as wrong:
            raise UserError(
                f"{where} of {file} {wrong}. Mend it, or name another form: {', '.join(FORMS)}."
            ) from None
        if all(message["content"].strip() for message in conversation):
            found.append(conversation)
        else:
            empty.append(number)
    if not found and not empty:
        raise UserError(f"{file} holds no record. Give a JSON list, or JSON lines.")
    return Conversations(found, empty)


def json_records(file: Path) -> Iterator[tuple[str, Any]]:
    """Where each record of a JSON list or of JSON lines stands, in words, and what it holds."""
    with readable(file), opened(file) as (stream, _):
        text = decode_text(stream.read(), str(file))
    if not text.strip():
        raise UserError(f"{file} is empty. Give a JSON list, or JSON lines.")
    if text.lstrip().startswith("["):
        yield from ((f"Record {number}", record) for number, record in enumerate(_whole(text, file), 1))
        return
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield f"Line {number}", _line(line, number, text, file)


def _whole(text: str, file: Path) -> list[Any]:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{file} is no proper JSON list: {error}. Get it again.") from error


def _line(line: str, number: int, text: str, file: Path) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        if number == 1 and _is_json(text):
            raise UserError(
                f"{file} is one JSON object over several lines, not a list. Give a list of records, or one "
                f"record on each line."
            ) from error
        raise UserError(f"Line {number} of {file} is no JSON: {error}. Mend it, or take it out.") from error


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _form_of(record: Fields, file: Path) -> str:
    """The form that a file's first record has."""
    for name, form in FORMS.items():
        if record.keys() >= set(form.needs):
            return name
    forms = "; ".join(f"{name} ({', '.join(form.needs)})" for name, form in FORMS.items())
    raise UserError(
        f"The first record of {file} has the fields {', '.join(record) or 'none'}, which are of no known "
        f"form. Known: {forms}."
    )


def refuse_missing(record: Fields, needs: tuple[str, ...]) -> None:
    """WrongRecord if a record lacks a field."""
    for field in needs:
        if field not in record:
            raise WrongRecord(f'has no field "{field}"; its fields are {", ".join(record) or "none"}')


def text_of(record: Fields, field: str) -> str:
    """The text in a field. WrongRecord for anything else."""
    if not isinstance(record[field], str):
        raise WrongRecord(f'has no text in its field "{field}" but {str(record[field])[:40]!r}')
    return record[field]


def _exchange(question: str, answer: str) -> Conversation:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def instruction_of(record: Fields) -> str:
    """An instruction, and what it is about where there is such a text."""
    about = text_of(record, "input") if record.get("input") is not None else ""
    # An instruction that is empty stays so, and is counted: its input alone asks for nothing.
    instruction = text_of(record, "instruction")
    return f"{instruction}\n\n{about}" if instruction.strip() and about.strip() else instruction


def _alpaca(record: Fields) -> Conversation:
    return _exchange(instruction_of(record), text_of(record, "output"))


def _pair(answer: str) -> Callable[[Fields], Conversation]:
    return lambda record: _exchange(text_of(record, "prompt"), text_of(record, answer))


def _webglm(record: Fields) -> Conversation:
    """A question with the numbered passages that its answer refers to as [1], [2] ..."""
    references = record["references"]
    if not isinstance(references, list) or not all(isinstance(passage, str) for passage in references):
        raise WrongRecord(f'has no list of texts in its field "references" but {str(references)[:40]!r}')
    question = text_of(record, "question")
    passages = "\n".join(f"[{number}] {passage}" for number, passage in enumerate(references, 1))
    asked = f"References:\n{passages}\n\nQuestion: {question}" if question.strip() else ""
    return _exchange(asked if references else question, text_of(record, "answer"))


def _messages(record: Fields) -> Conversation:
    """Any number of turns, with an answer among them."""
    said = messages_of(record, "messages")
    if not any(message["role"] == "assistant" for message in said):
        raise WrongRecord("has no message of the assistant, so there is nothing to learn")
    return said


def messages_of(record: Fields, field: str) -> Conversation:
    """The messages in a field. WrongRecord for anything else, and for a message that is none."""
    messages = record[field]
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        raise WrongRecord(f'has no list of messages in its field "{field}" but {str(messages)[:40]!r}')
    for number, message in enumerate(messages, 1):
        try:
            refuse_missing(message, ("role", "content"))
            text_of(message, "content")
        except WrongRecord as wrong:
            raise WrongRecord(f"has a message, number {number}, that {wrong}") from None
        if message["role"] not in ROLES:
            raise WrongRecord(f"has a message of the role {message['role']!r}, not of {', '.join(ROLES)}")
    said = [{"role": message["role"], "content": message["content"]} for message in messages]
    # A system that says nothing is left out: many files have it for the sake of the form.
    return [each for each in said if each["role"] != "system" or each["content"].strip()]


FORMS = {
    "messages": Form(("messages",), _messages),
    "alpaca": Form(("instruction", "output"), _alpaca),
    "prompt-completion": Form(("prompt", "completion"), _pair("completion")),
    "prompt-response": Form(("prompt", "response"), _pair("response")),
    "webglm": Form(("question", "references", "answer"), _webglm),
}
"""The forms by their names, in the order in which they are tried."""
