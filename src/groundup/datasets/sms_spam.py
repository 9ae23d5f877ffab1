"""SMS Spam Collection: short messages, each wanted (ham) or not (spam); a classic first classifier."""

import io
import zipfile
from pathlib import Path

from groundup.data.dataset import Dataset
from groundup.data.piece import Piece
from groundup.datasets._archives import zip_member
from groundup.datasets._examples import converted_piece, converting, tabbed_labels
from groundup.datasets._remote import read_sample, web_piece

URL = "https://archive.ics.uci.edu/static/public/228/sms+spam+collection.zip"
SHA256 = "1587ea43e58e82b14ff1f5425c88e17f8496bfcdb67a583dbff9eefaf9963ce3"
MEMBER = "SMSSpamCollection"
TABLE = f"{MEMBER}.tsv"

SAMPLE = """\
ham\tMissed the bus again.. Can u start the soup? Home by 7
spam\tWINNER!! Your number was drawn for a FREE cruise. Call 09990 000 now, 150p/min. "Last chance"
ham\tOk see u at the mill gate then
spam\tUR mobile is due an upgrade! Reply YES to 80000, or STOP to end. £3 a week
"""


def unpack(archive: Path, place: Path) -> None:
    """Take the one table out of the archive, as it is: its quote marks are part of the messages."""
    place.write_bytes(zip_member(archive, MEMBER))


def pieces(split: str, seed: int) -> list[Piece]:
    """One table of 5,574 messages; who wants a test part cuts it off."""
    archive = web_piece(URL, "sms_spam.zip", tabbed_labels, sha256=SHA256)
    return [converted_piece(archive, TABLE, unpack, tabbed_labels)]


def sample_file() -> bytes:
    """A few messages of our own in the form of the real archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in ((MEMBER, SAMPLE), ("readme", "What it is and who made it.\n")):
            archive.writestr(zipfile.ZipInfo(name), text)
    return buffer.getvalue()


DATASET = Dataset(
    name="sms_spam",
    about="5,574 short messages in English, of which 747 are spam: one table, lines of label and text.",
    licence="CC BY 4.0",
    source="https://archive.ics.uci.edu/dataset/228, Almeida, Gómez Hidalgo and Yamakami 2011",
    pieces=pieces,
    splits=("train",),
    sample=lambda: read_sample("sms.zip", sample_file(), converting(TABLE, unpack, tabbed_labels)),
    kind="labels",
)
