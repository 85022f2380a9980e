"""Words into HTML."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from realtime_sync.notebook.markup import Markup, box, element, lines, printable, table

from .reading import EVIL, read


@given(st.text(st.characters(codec=None, exclude_categories=())))
def test_whatever_is_said_is_words(text: str) -> None:
    """Any text, lone surrogates and NUL included, stays text, wherever it stands."""
    page = read(box(lines(text), table([(text, text)], (text, text)), element("b", text)))
    shown = printable(text).replace("\r\n", "\n").replace("\r", "\n")
    assert page.text.replace("\r\n", "\n").replace("\r", "\n").count(shown) >= 5 or not text
    assert page.tags == {"div", "table", "tr", "th", "td", "b"}


def test_attributes() -> None:
    """A value cannot leave its quotes; True stands alone, False is not there."""
    made = element("audio", controls=True, muted=False, title=EVIL, class_="a")
    assert made.startswith("<audio controls title=")
    page = read(made)
    assert page.elements == [("audio", {"controls": None, "title": EVIL, "class": "a"})]


def test_elements_in_elements() -> None:
    """What is an element stays one; a str that looks like one does not."""
    inner = element("b", "<i>")
    assert isinstance(inner, Markup)
    assert element("div", inner, "<b>") == "<div><b>&lt;i&gt;</b>&lt;b&gt;</div>"


def test_formulas() -> None:
    """No typesetter takes what stands between two dollars for a formula."""
    assert 'class="mathjax_ignore tex2jax_ignore"' in box("it costs $5, not $6")


def test_controls() -> None:
    """What no page can show is replaced; line breaks and tabs stay."""
    assert printable("a\x00b\x1bc\ud800d\te\n") == "a\ufffdb\ufffdc\ufffdd\te\n"
