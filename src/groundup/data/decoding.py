"""Bytes to text, or one line that says where they stop being text and what to do."""

import codecs
import re

from groundup.errors import UserError

# A mark at the start of a file tells its encoding. UTF-32's begins with UTF-16's, so it is asked for first.
MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)


def decode_text(data: bytes, name: str) -> str:
    """UTF-8 bytes as text, with line ends as "\\n" and without a byte-order mark. UserError if they are no text.

    `name` is the file's, for the message.
    """
    wide = name_of_utf16(data)
    if wide:
        raise UserError(
            f"{name} is {wide}, by the mark at its start; expected UTF-8. Convert it: iconv -f {wide} -t UTF-8 {name}"
        )
    zero = data.find(b"\0")
    if zero >= 0:
        raise UserError(f"{name} is no text: there is a zero byte at offset {zero}. Expected a text file in UTF-8.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(_describe(data, name)) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def name_of_utf16(data: bytes) -> str:
    """ "UTF-16" or "UTF-32" where the data begin with its mark, else an empty string."""
    return next((wide for mark, wide in MARKS if data.startswith(mark)), "")


def _describe(data: bytes, name: str) -> str:
    """What is wrong with bytes that are not UTF-8: no text at all, another encoding, or a few bad places."""
    lossy = data.decode("utf-8", errors="replace")
    bad = lossy.count("\ufffd") - data.count("\ufffd".encode())
    offset = _first_bad(data)
    where = f"byte 0x{data[offset]:02x} at offset {offset}, line {data.count(10, 0, offset) + 1}"
    # Text in any one-byte encoding of Europe is mostly plain letters; compressed data and pictures are not.
    controls = len(re.findall(rb"[\x01-\x08\x0b\x0e-\x1f\x7f]", data))
    if controls > 0.02 * len(data) or bad > 0.6 * len(data):
        return f"{name} is no text: {where} is not UTF-8, nor does the rest look like text. Expected UTF-8."
    if len(lossy) - bad > len(data) - bad - 1:  # every other byte is ASCII, so it is one encoding throughout
        return (
            f"{name} is not UTF-8: {where}, and {bad - 1} more. It looks like Windows-1252. "
            f"Convert it: iconv -f WINDOWS-1252 -t UTF-8 {name}"
        )
    return (
        f"{name} mixes encodings: it is mostly UTF-8, but not {where} ({bad} such places). "
        f"Mend them, or drop them: iconv -c -f UTF-8 -t UTF-8 {name}"
    )


def _first_bad(data: bytes) -> int:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start
    raise AssertionError("the data are UTF-8")
