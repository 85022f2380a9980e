"""Words into HTML. What is no `Markup` is escaped where it meets some: nobody can forget to."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

__all__ = ["BOX", "FAINT", "Markup", "box", "element", "lines", "printable", "table"]

#: No character of HTML, or one that does not go over the wire to a page.
_STRANGE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
#: Greys that are seen on white and on black: a page says nothing of its theme.
BOX = (
    "border:1px solid rgba(128,128,128,.4);border-radius:8px;padding:.6em .9em;margin:.3em 0;"
    "max-width:46em;line-height:1.45;color:inherit"
)
FAINT = "opacity:.7;font-size:.9em"


class Markup(str):
    """HTML; everything else is text."""

    __slots__ = ()


def printable(text: str) -> str:
    """Foreign text without what no page can show."""
    return _STRANGE.sub("\N{REPLACEMENT CHARACTER}", text)


def _escaped(text: str) -> str:
    return text if isinstance(text, Markup) else html.escape(printable(text))


def element(name: str, *content: str, **attributes: str | bool) -> Markup:
    """An element of a page.

    Args:
        name: Its tag.
        content: Text and elements.
        attributes: True: there, without a value; False: not there. Of `class` and the like the
            last underscore is left out.
    """
    given = "".join(
        f" {key.rstrip('_')}" + ("" if value is True else f'="{_escaped(str(value))}"')
        for key, value in attributes.items()
        if value is not False
    )
    return Markup(f"<{name}{given}>{''.join(map(_escaped, content))}</{name}>")


def lines(text: str, style: str = "") -> Markup:
    """A text as it was written, its line breaks too, in its own direction."""
    kept = f"white-space:pre-wrap;overflow-wrap:anywhere;{style}"
    return element("div", text, dir="auto", style=kept)


def box(*content: str) -> Markup:
    """A frame around it, in which no page takes dollars for formulas."""
    return element("div", *content, class_="mathjax_ignore tex2jax_ignore", style=BOX)


def table(rows: Sequence[Sequence[str]], head: tuple[str, ...] = ()) -> Markup:
    """Rows of cells; the first of each says what the others are. `head`: titles of the columns."""
    plain = "border:none;background:none;padding:.05em 1.2em .05em 0;text-align:left"
    cells = [
        element(
            "tr",
            element("th", first, style=f"{plain};font-weight:normal;opacity:.7;vertical-align:top"),
            *(element("td", one, style=plain) for one in rest),
            style="background:none",
        )
        for first, *rest in rows
    ]
    titles = [element("th", one, style=f"{plain};font-weight:normal;opacity:.7") for one in head]
    top = [element("tr", *titles, style="background:none")] if head else []
    return element(
        "table", *top, *cells, style="border:none;border-collapse:collapse;margin:.2em 0"
    )
