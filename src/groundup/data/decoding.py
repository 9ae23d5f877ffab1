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
    """UTF-8 bytes as text, with line ends as "\\n" and without a byte-order mark.

    UserError if they are no text; `name` is the file's, for the message.
    """
    refuse_wide(data, name)
    zero = data.find(b"\0")
    if zero >= 0:
        raise UserError(
            f"{name} is no text: there is a zero byte at offset {zero}. Give a text file in UTF-8."
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(_describe(data, name)) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def refuse_wide(data: bytes, name: str) -> None:
    """UserError if the data begin with the mark of UTF-16 or UTF-32."""
    for mark, encoding in MARKS:
        if data.startswith(mark):
            raise UserError(
                f"{name} is {encoding}, by the mark at its start; expected UTF-8. "
                f"Convert it: iconv -f {encoding} -t UTF-8 {name}"
            )


def _describe(data: bytes, name: str) -> str:
    """What is wrong with bytes that are not UTF-8: no text at all, another encoding, or a few bad places."""
    lossy = data.decode("utf-8", errors="replace")
    bad = lossy.count("\ufffd") - data.count("\ufffd".encode())
    offset = _first_bad(data)
    where = f"byte 0x{data[offset]:02x} at offset {offset}, line {data.count(10, 0, offset) + 1}"
    # Text in any encoding has hardly any control characters but line ends and tabs; other files have many.
    controls = len(re.findall(rb"[\x01-\x08\x0e-\x1f\x7f]", data))
    if controls > 0.01 * len(data):
        return (
            f"{name} is no text: {where} is not UTF-8, and the rest looks like no text. Give a text in UTF-8."
        )
    if any(character > "\x7f" and character != "\ufffd" for character in set(lossy)):
        return (
            f"{name} mixes encodings: it has proper UTF-8, but not {where} ({bad} such places). "
            f"Mend them, or drop them: iconv -c -f UTF-8 -t UTF-8 {name}"
        )
    return (
        f"{name} is not UTF-8: {where} ({bad} such places). It may be Windows-1252 or another old encoding. "
        f"Convert it: iconv -f WINDOWS-1252 -t UTF-8 {name}"
    )


def _first_bad(data: bytes) -> int:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start
    raise AssertionError("the data are UTF-8")
