"""The exercises of lesson 2 done right, and the mistakes that people make in them."""

import torch
from torch import Tensor

from groundup.text.tokenizer import SPECIAL_TOKENS, Tokenizer


def utf8(number: int) -> list[int]:
    if number < 128:
        return [number]
    if number < 2048:
        return [0b11000000 | number >> 6, 128 | number & 63]
    if number < 65536:
        return [0b11100000 | number >> 12, 128 | number >> 6 & 63, 128 | number & 63]
    return [0b11110000 | number >> 18, *(128 | number >> shift & 63 for shift in (12, 6, 0))]


def chat(tokenizer: Tokenizer, messages: list[tuple[str, str]]) -> list[int]:
    ids, special = [tokenizer.border_id], tokenizer.special_tokens
    for who, text in messages:
        ids += [special[f"<|{who}|>"], *tokenizer.encode(text), special["<|end|>"]]
    return ids


def padded(rows: list[list[int]], pad_id: int) -> tuple[Tensor, Tensor]:
    width = max(map(len, rows)) - 1
    inputs = torch.full((len(rows), width), pad_id)
    targets = torch.full((len(rows), width), -100)
    for number, row in enumerate(rows):
        inputs[number, : len(row) - 1] = torch.tensor(row[:-1])
        targets[number, : len(row) - 1] = torch.tensor(row[1:])
    return inputs, targets


def two_bytes_at_most(number: int) -> list[int]:
    return utf8(number) if number < 2048 else [0b11000000 | number >> 6 & 31, 128 | number & 63]


def one_too_early(number: int) -> list[int]:
    return [0b11000000 | number >> 6, 128 | number & 63] if number == 127 else utf8(number)


def as_one_text(tokenizer: Tokenizer, messages: list[tuple[str, str]]) -> list[int]:
    """What stands in a message can become a special token."""
    whole = "<|endoftext|>" + "".join(f"<|{who}|>{text}<|end|>" for who, text in messages)
    return tokenizer.encode(whole, allowed_special=set(SPECIAL_TOKENS))


def names_as_text(tokenizer: Tokenizer, messages: list[tuple[str, str]]) -> list[int]:
    return tokenizer.encode("<|endoftext|>" + "".join(f"<|{who}|>{text}<|end|>" for who, text in messages))


def censored(tokenizer: Tokenizer, messages: list[tuple[str, str]]) -> list[int]:
    """Safe, but the text is not what was said."""
    return chat(tokenizer, [(who, text.replace("<|end|>", "")) for who, text in messages])


def pads_count(rows: list[list[int]], pad_id: int) -> tuple[Tensor, Tensor]:
    inputs, targets = padded(rows, pad_id)
    return inputs, targets.masked_fill(targets == -100, pad_id)


def not_shifted(rows: list[list[int]], pad_id: int) -> tuple[Tensor, Tensor]:
    inputs, targets = padded(rows, pad_id)
    return inputs, inputs.masked_fill(targets == -100, -100)


def at_the_beginning(rows: list[list[int]], pad_id: int) -> tuple[Tensor, Tensor]:
    """The texts would see the padding before them."""
    width = max(map(len, rows)) - 1
    inputs = [[pad_id] * (width - len(row) + 1) + row[:-1] for row in rows]
    targets = [[-100] * (width - len(row) + 1) + row[1:] for row in rows]
    return torch.tensor(inputs), torch.tensor(targets)


def cut_to_the_shortest(rows: list[list[int]], pad_id: int) -> tuple[Tensor, Tensor]:
    shortest = min(map(len, rows))
    return padded([row[:shortest] for row in rows], pad_id)


WRONG = {
    "utf8": [lambda number: [number], two_bytes_at_most, one_too_early],
    "chat": [
        as_one_text,
        names_as_text,
        censored,
        lambda tokenizer, messages: chat(tokenizer, messages)[1:],  # no border
    ],
    "padded": [pads_count, not_shifted, at_the_beginning, cut_to_the_shortest],
}
