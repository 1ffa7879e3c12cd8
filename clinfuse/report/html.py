"""Pages: one environment that escapes everything, cleans every text and embeds every image."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from pathlib import Path
from typing import Any, final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from clinfuse.errors import StorageError

RESEARCH_ONLY = "Research use only. Not a medical device."
NOT_CAUSES = "Attributions describe the model. They are not causes, and not a diagnosis."
LONGEST_TEXT = 600
LONGEST_CAPTION = 4000

_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"
)


@final
class DataUri(str):
    """Text of an image that travels inside the page: ``data:image/...;base64,...``, made here and nowhere else."""

    __slots__ = ()

    @classmethod
    def of(cls, content: bytes, kind: str) -> DataUri:
        """Embed the bytes of an image; ``kind`` is ``"png"`` or ``"svg+xml"``."""
        return cls(f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}")


@final
class Prose(str):
    """A whole paragraph, which a page does not cut where it cuts names and cells."""

    __slots__ = ()


def clean(text: str, limit: int = LONGEST_TEXT) -> str:
    r"""Give the text without control, bidirectional and invisible characters, cut to a length.

    Examples
    --------
    >>> clean("a\u202eb\x00c")
    'abc'
    >>> clean("abcdef", 4)
    'abc…'
    """
    shown = _CONTROL.sub("", text)
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}…"


def _finalize(value: Any) -> Any:
    """Clean what a page prints; markup of our own macros and embedded images pass as they are."""
    if isinstance(value, Markup | DataUri) or not isinstance(value, str):
        return value
    return clean(value, LONGEST_CAPTION if isinstance(value, Prose) else LONGEST_TEXT)


def number(value: float, digits: int = 2) -> str:
    """Give a number with a true minus sign and never a negative zero; a dash where there is none.

    Examples
    --------
    >>> number(-0.034), number(-0.001), number(float("nan"))
    ('−0.03', '0.00', '–')
    """
    if value != value:
        return "–"
    text = f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("-", "−")


def signed(value: float, digits: int = 2) -> str:
    """Give a number that always shows its sign, except zero.

    Examples
    --------
    >>> signed(0.07), signed(-0.07), signed(0.0)
    ('+0.07', '−0.07', '0.00')
    """
    text = number(value, digits)
    return f"+{text}" if value == value and float(f"{value:.{digits}f}") > 0 else text


def percent(value: float, digits: int = 0) -> str:
    r"""Give a share as a percentage.

    Examples
    --------
    >>> percent(0.352) == "35\N{NO-BREAK SPACE}%", percent(0.002) == "0.2\N{NO-BREAK SPACE}%"
    (True, True)
    """
    if value != value:
        return "–"
    if digits == 0 and (0 < value < 0.01 or 0.99 < value < 1):
        digits = 1
    return f"{number(100 * value, digits)}\u00a0%"


def interval(low: float, high: float, digits: int = 2) -> str:
    """Give the two ends of an interval in words.

    Examples
    --------
    >>> interval(-0.03, 0.05)
    '−0.03 to 0.05'
    """
    return f"{number(low, digits)} to {number(high, digits)}"


def _template(name: str) -> str:
    return (Path(__file__).parent / "templates" / name).read_text(encoding="utf-8")


def policy(style: str, script: str = "") -> Markup:
    """Give the content security policy of a page: nothing but embedded images, this very style and this very script.

    Examples
    --------
    >>> str(policy("body { margin: 0 }")).split("; ")[:2]
    ["default-src 'none'", 'img-src data:']
    """
    parts = ["default-src 'none'", "img-src data:", f"style-src {_hashed(style)}"]
    parts += [f"script-src {_hashed(script)}"] if script else []
    return Markup("; ".join([*parts, "base-uri 'none'", "form-action 'none'"]))


def _hashed(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"


@cache
def environment() -> Environment:
    """Give the one environment of all pages: everything escaped, an unknown name refused."""
    made = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
    )
    made.filters.update(number=number, signed=signed, percent=percent)
    made.tests["missing"] = lambda value: value != value
    style, script = Markup(_template("base.css")), Markup(_template("patient.js"))
    made.globals.update(interval=interval, research_only=RESEARCH_ONLY, style=style, policy=policy(style))
    made.globals.update(script=script, scripted=policy(style, script))
    return made


def render(template: str, **values: Any) -> str:
    """Fill a template of ``templates/``; the text of a whole page."""
    return environment().get_template(template).render(**values)


def write_text(path: Path | str, text: str) -> Path:
    """Write a text whole or not at all, UTF-8 with line feeds.

    Raises
    ------
    StorageError
        ``REPORT_WRITE`` where the folder cannot be written.
    """
    return write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path | str, content: bytes) -> Path:
    """Write bytes whole or not at all; the folder is made where it is missing.

    Raises
    ------
    StorageError
        ``REPORT_WRITE`` where the folder cannot be written.
    """
    target = Path(path)
    part = target.with_name(f".{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content)
        part.replace(target)
    except OSError:
        raise StorageError(
            "REPORT_WRITE",
            place="report",
            rule="a file that can be written in an existing or new folder",
            found="one that cannot",
            remedy="Choose another place with enough room and the right to write.",
        ) from None
    return target
