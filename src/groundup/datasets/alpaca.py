"""Alpaca: 52,002 instructions with answers, written by a model of OpenAI's; the first of many such files."""

import json

from groundup.data.dataset import Dataset
from groundup.data.piece import Piece
from groundup.datasets._examples import conversations
from groundup.datasets._remote import read_sample, web_piece

URL = (
    "https://raw.githubusercontent.com/tatsu-lab/stanford_alpaca/"
    "761dc5bfbdeeffa89b8bff5d038781a4055f796a/alpaca_data.json"
)
SHA256 = "2eddafc6b977608d778aaab8dfc7e50e547b3af9826dfb9e909d9fc362e4a419"

SAMPLE = [
    {
        "instruction": "Name a tool that cuts wood.",
        "input": "",
        "output": "A saw cuts wood.",
    },
    {
        "instruction": "Write the sentence in the past tense.",
        "input": "The ferry leaves at noon.",
        "output": "The ferry left at noon.",
    },
]


def pieces(split: str, seed: int) -> list[Piece]:
    """The one file, a JSON list."""
    return [web_piece(URL, "alpaca_data.json", conversations, sha256=SHA256)]


def sample_file() -> bytes:
    """Two instructions of our own in the form of the real file."""
    return json.dumps(SAMPLE, indent=4).encode()


DATASET = Dataset(
    name="alpaca",
    about="52,002 instructions, some with an input, and answers written by text-davinci-003; 23 MB to fetch.",
    licence="CC BY-NC 4.0",
    source="https://github.com/tatsu-lab/stanford_alpaca, Taori et al. 2023",
    pieces=pieces,
    splits=("train",),
    sample=lambda: read_sample("alpaca_data.json", sample_file(), conversations),
    kind="conversations",
)
