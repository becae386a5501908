"""The one place where text is made safe to show. Attackers write the logs, so every value that leaves nonself goes through here.

Each function suits one kind of output and is total: any `str` in (lone surrogates too), a `str` out that can be encoded as UTF-8. What
is dangerous stays visible as an escape such as `\\x1b`, since an analyst must see that it was there. The escapes are for reading: a
backslash of the text itself is left alone, so that Windows paths stay readable.
"""

from __future__ import annotations

import re
import unicodedata
from html import escape
from json import dumps
from math import isfinite
from typing import Any

import msgspec

_UNSAFE = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # C0, DEL and C1 controls: terminal escapes start here
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f"  # bidi: text that reads as something else
    "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200d\u2060-\u2065\u3164\ufeff\uffa0"  # invisible
    "\u2028\u2029"  # line and paragraph separators
    "\ufe00-\ufe0d\U000e0000-\U000e0fff"  # variation selectors and tags, which smuggle text past the eye into a model (emoji's two stay)
    "\U00013430-\U0001345f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"  # format controls of hieroglyphs, shorthand and music
    "\ufdd0-\ufdef\ufff0-\ufffc\ufffe\uffff"  # specials and noncharacters; U+FFFD, which says that a byte was lost, stays
    "\ud800-\udfff"  # lone surrogates, which no encoder takes
    "]"
)
_SHORT = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}

_FORMULA = re.compile(
    r"""[\s"'\u2018-\u201f\uff02\uff07]*[=+\-@\t\r\n\u2212\u207a\u207b\u207c\ufe62\ufe63\ufe66\ufe6b\uff0b\uff0d\uff1d\uff20]"""
)
"""What a spreadsheet may take for the start of a formula, full-width and small forms included, behind spaces and quotes."""

_MARKUP = re.compile(r"[\\`*_{}\[\]()#+\-.!|~$^=<>&:]")
_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;", ":": "&#58;"}
_DELIMITER = re.compile(r"[<>\[\]{}|`#\uff1c\uff1e\uff3b\uff3d\uff5b\uff5d\uff5c]")


def _visible(found: re.Match[str]) -> str:
    char = found[0]
    code = ord(char)
    if code > 0xFFFF:
        return f"\\U{code:08x}"
    return _SHORT.get(char) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


def terminal(text: str) -> str:
    """One line without controls, escape sequences, bidi controls, invisible characters or lone surrogates: each becomes a visible escape.

    Other Unicode stays as it is.
    """
    return _UNSAFE.sub(_visible, text)


def csv_cell(text: str) -> str:
    """A cell that no spreadsheet runs as a formula: `'` before what looks like one, and safe for a terminal.

    For text; numbers are written as numbers. Quoting is the CSV writer's work.
    """
    return ("'" if _FORMULA.match(text) else "") + terminal(text)


def html(text: str) -> str:
    """Text for HTML content and for quoted attribute values."""
    return escape(terminal(text), quote=True).replace("`", "&#96;")


def markdown(text: str) -> str:
    """Text that no Markdown renderer takes for markup. Addresses are defanged (`http[:]//`, `www[.]`, `[@]`), since renderers make
    links of bare ones and send mentions whatever is escaped."""
    text = terminal(text).replace("://", "[:]//").replace("@", "[@]")
    text = re.sub(r"(?i)\b(www)\.", r"\1[.]", text)
    text = _MARKUP.sub(lambda found: _ENTITIES.get(found[0]) or "\\" + found[0], text)
    # Four leading spaces would make a code block.
    return "&#32;" + text[1:] if text.startswith(" ") else text


def json(value: object) -> str:
    """Compact JSON of builtins, msgspec structs and times, in ASCII: everything else is escaped, lone surrogates and line separators too.

    Floats that are not finite become null, since JSON has none.
    """
    return dumps(_finite(msgspec.to_builtins(value)), ensure_ascii=True, allow_nan=False, separators=(",", ":"))


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value


def json_in_html(value: object) -> str:
    """JSON to stand inside `<script type="application/json">` or a quoted attribute: no `<`, `>`, `&` or `'`."""
    return re.sub(r"[<>&']", lambda found: f"\\u{ord(found[0]):04x}", json(value))


def prompt(text: str, limit: int = 500) -> str:
    """Text as one quoted JSON string for a language model's prompt, cut to `limit` visible characters (an escape may take 6).

    Nothing in it can end the quotes, start a line, or look like a delimiter (`<|im_end|>`, `[INST]`, fences): those characters are
    escaped. Quoting says what is data; it does not make a model obey.
    """
    quoted = dumps(shorten(terminal(shorten(text, limit)), limit), ensure_ascii=False)
    return _DELIMITER.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted)


def shorten(text: str, limit: int) -> str:
    """At most `limit` characters, cut in the middle (`…`), since both ends of a path or command line matter.

    Marks stay with their letters and joined emoji stay whole, where that costs no more than 16 characters at each end.
    """
    if len(text) <= limit:
        return text
    if limit < 2:
        return "…"[: max(limit, 0)]
    head, tail = limit // 2, len(text) - (limit - 1 - limit // 2)
    head = next((at for at in range(head, max(head - 17, -1), -1) if _is_boundary(text, at)), head)
    tail = next((at for at in range(tail, min(tail + 17, len(text) + 1)) if _is_boundary(text, at)), tail)
    return f"{text[:head]}…{text[tail:]}"


def _is_boundary(text: str, at: int) -> bool:
    """Whether text may be cut before position `at` without parting a mark from its letter or a joined emoji."""
    if at in (0, len(text)):
        return True
    after = text[at]
    joined = after == "\u200d" or text[at - 1] == "\u200d" or "\U0001f3fb" <= after <= "\U0001f3ff"
    return not joined and not unicodedata.category(after).startswith("M")
