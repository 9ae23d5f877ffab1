"""One printable character for each of the 256 bytes, as GPT-2's files write them (a space is "Ġ")."""


def _printable_characters() -> dict[int, str]:
    """GPT-2's table: bytes that print keep their own character, the other 68 take U+0100 and what follows."""
    visible = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    table = {byte: chr(byte) for byte in visible}
    for byte in range(256):
        if byte not in table:
            table[byte] = chr(256 + len(table) - len(visible))
    return table


CHARACTER_OF_BYTE: dict[int, str] = _printable_characters()
BYTE_OF_CHARACTER: dict[str, int] = {character: byte for byte, character in CHARACTER_OF_BYTE.items()}
ALPHABET: str = "".join(sorted(BYTE_OF_CHARACTER))  # the 256 characters in the order of their ids

# str.translate wants code points: UTF-8 bytes read as Latin-1 are turned into the alphabet in one call.
_TO_ALPHABET = {byte: ord(character) for byte, character in CHARACTER_OF_BYTE.items()}


def without_surrogates(text: str) -> str:
    """Half a surrogate pair is no character and has no UTF-8: it becomes "�", as in tiktoken."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def to_alphabet(text: str) -> str:
    """The UTF-8 bytes of a text, each written as its printable character: " é" becomes "ĠÃ©"."""
    return without_surrogates(text).encode("utf-8").decode("latin-1").translate(_TO_ALPHABET)


def from_alphabet(token: str) -> bytes:
    """The bytes that a token's printable characters stand for; other text stands for its own UTF-8 bytes."""
    try:
        return bytes(BYTE_OF_CHARACTER[character] for character in token)
    except KeyError:
        return token.encode("utf-8")
