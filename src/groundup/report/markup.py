"""Small helpers that write HTML: the only place where data become markup, always through `escape`."""

import html
import re

# Characters that are forbidden in HTML or that could turn the page's reading direction around. They are shown
# as the replacement sign. Line ends and tabs stay. Halves of surrogate pairs cannot be written as UTF-8.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


def visible(text: object) -> str:
    """Text without the characters that steer a terminal or a browser instead of being read."""
    plain = str(text).replace("\r\n", "\n").replace("\r", "\n")
    return _UNSAFE.sub("\N{REPLACEMENT CHARACTER}", plain)


def escape(text: object) -> str:
    """Text as it may stand in HTML, between tags or inside a quoted attribute."""
    return html.escape(visible(text), quote=True)


def element(tag: str, inner: str, css: str = "", **attributes: object) -> str:
    """`<tag class=css ...>inner</tag>`; `inner` is finished markup; the values are escaped here."""
    given = {"class": css, **attributes} if css else attributes
    written = "".join(f' {name.replace("_", "-")}="{escape(value)}"' for name, value in given.items())
    return f"<{tag}{written}>{inner}</{tag}>"


def section(title: str, inner: str, anchor: str, lead: str = "") -> str:
    """A section of the page with its heading, or nothing at all where there is nothing to show.

    `inner` is finished markup; `title` and the sentence `lead` are plain text.
    """
    if not inner:
        return ""
    head = element("h2", escape(title), id=anchor) + (element("p", escape(lead), "lead") if lead else "")
    return element("section", head + "\n" + inner, aria_labelledby=anchor) + "\n"


def facts(title: str, pairs: list[tuple[str, object]]) -> str:
    """A small list of names and values; pairs without a value are left out."""
    rows = "".join(
        element("div", element("dt", escape(name)) + element("dd", escape(value)))
        for name, value in pairs
        if value is not None and value != ""
    )
    return element("div", element("h3", escape(title)) + element("dl", rows), "facts") if rows else ""
