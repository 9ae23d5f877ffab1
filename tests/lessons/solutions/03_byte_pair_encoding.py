"""The exercises of lesson 3 done right, and the mistakes that people make in them."""

from groundup.text.tokenizer import Tokenizer


def bytes_per_token(tokenizer: Tokenizer, texts: list[str]) -> float:
    return sum(len(text.encode()) for text in texts) / sum(len(tokenizer.encode(text)) for text in texts)


def show(held: bytes, new: bytes) -> tuple[str, bytes]:
    waiting = held + new
    for end in range(len(waiting), -1, -1):
        try:
            return waiting[:end].decode(), waiting[end:]
        except UnicodeDecodeError:
            continue
    raise AssertionError("No bytes at all are always a text.")


def longest_first(piece: str, tokens: set[str]) -> list[str]:
    found = []
    while piece:
        end = next(end for end in range(len(piece), 0, -1) if piece[:end] in tokens)
        found.append(piece[:end])
        piece = piece[end:]
    return found


def mean_of_means(tokenizer: Tokenizer, texts: list[str]) -> float:
    return sum(bytes_per_token(tokenizer, [text]) for text in texts) / len(texts)


def characters_per_token(tokenizer: Tokenizer, texts: list[str]) -> float:
    return sum(map(len, texts)) / sum(len(tokenizer.encode(text)) for text in texts)


def all_or_nothing(held: bytes, new: bytes) -> tuple[str, bytes]:
    try:
        return (held + new).decode(), b""
    except UnicodeDecodeError:
        return "", held + new


def shortest_first(piece: str, tokens: set[str]) -> list[str]:
    return list(piece)


def longest_anywhere(piece: str, tokens: set[str]) -> list[str]:
    """Cuts out the longest token wherever it stands, not the longest at the beginning."""
    for length in range(len(piece), 0, -1):
        for start in range(len(piece) - length + 1):
            end = start + length
            if piece[start:end] in tokens:
                before, after = piece[:start], piece[end:]
                return [
                    *longest_anywhere(before, tokens),
                    piece[start:end],
                    *longest_anywhere(after, tokens),
                ]
    return []


WRONG = {
    "bytes_per_token": [
        characters_per_token,
        mean_of_means,  # a short text would weigh as much as a long one
        lambda tokenizer, texts: 1 / bytes_per_token(tokenizer, texts),  # tokens per byte
    ],
    "show": [
        lambda held, new: (new.decode(errors="replace"), b""),  # half a character is shown as "�"
        lambda held, new: (new.decode(errors="ignore"), b""),  # and here it is lost
        lambda held, new: ((held + new).decode(), b""),
        lambda held, new: show(b"", new),  # forgets what was held
    ],
    "longest_first": [
        shortest_first,
        longest_anywhere,
        lambda piece, tokens: [piece] if piece in tokens else list(piece),
    ],
}
