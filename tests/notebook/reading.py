"""HTML as a browser reads it, by the standard library's parser: words, elements, sound."""

from __future__ import annotations

import base64
import io
import wave
from html.parser import HTMLParser

VOID = {"img", "br", "meta", "link", "input", "hr"}


class Page(HTMLParser):
    """What is on a page.

    Attributes:
        text: The words, as a person reads them.
        elements: Tag and attributes of each, in order.
        open: Tags that are not closed.
    """

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    @property
    def tags(self) -> set[str]:
        """The kinds of elements."""
        return {tag for tag, _ in self.elements}

    @property
    def sounds(self) -> list[tuple[int, int, bytes]]:
        """Of each player: rate, channels and PCM16."""
        found = []
        for tag, attributes in self.elements:
            if tag == "audio":
                assert "controls" in attributes
                kind, _, data = (attributes["src"] or "").partition(",")
                assert kind == "data:audio/wav;base64"
                with wave.open(io.BytesIO(base64.b64decode(data, validate=True))) as file:
                    pcm = file.readframes(file.getnframes())
                    assert file.getsampwidth() == 2
                    found.append((file.getframerate(), file.getnchannels(), pcm))
        return found


#: What a model might say to whoever reads it in a browser.
EVIL = (
    "<script>alert(1)</script><img src=x onerror=alert(2)>\" onmouseover='alert(3)' </div></td>"
    "<!-- &lt; $\\href{javascript:alert(4)}{x}$"
)
#: The elements that cards are made of.
PLAIN = {"div", "span", "b", "table", "tr", "th", "td", "audio"}


def read(html: str) -> Page:
    """A page that holds nothing but what cards are made of, each element closed."""
    page = Page(html)
    assert page.open == []
    assert page.tags <= PLAIN
    names = {name for _, attributes in page.elements for name in attributes}
    assert names <= {"class", "style", "dir", "controls", "preload", "title", "src"}
    html.encode()  # goes over the wire
    return page
