from __future__ import annotations

import io

import pytest
from rich.console import Console

from realtime_sync.cli.screen import Flow, Screen, _barred, printable


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    """A terminal of 30 columns that remembers what was written."""
    made = Screen()
    made._console = Console(
        file=io.StringIO(), force_terminal=True, width=30, color_system=None, highlight=False
    )
    return made


def shown(screen: Screen) -> str:
    file = screen._console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


@pytest.mark.parametrize("steering", ["\x1b[2J", "\x07", "\x9b", "\r", "\u202e", "\ud800"])
def test_what_steers_a_terminal_is_replaced(steering: str) -> None:
    """Escapes, controls and turned writing become replacement characters."""
    assert printable(f"a{steering}b").startswith("a\N{REPLACEMENT CHARACTER}")


def test_ordinary_text_is_left_alone() -> None:
    """Other scripts, joiners, tabs and line breaks stay."""
    text = "né\tà\n日本 👩‍🚀 \u00a0"
    assert printable(text) == text


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_lines_break_between_words_however_the_text_arrives(screen: Screen, size: int) -> None:
    """The pieces' borders do not show."""
    text = "one two three four five six seven eight nine ten eleven\n\ntwelve"
    flow = Flow(screen, "who  ")
    for start in range(0, len(text), size):
        flow.add(text[start : start + size])
    flow.end(" [end]")
    assert [line.rstrip() for line in shown(screen).splitlines()] == [
        "who  one two three four five",
        "     six seven eight nine ten",
        "     eleven",
        "",
        "     twelve [end]",
    ]


def test_text_without_spaces_flows_too(screen: Screen) -> None:
    """What has no spaces is not held back until its end."""
    flow = Flow(screen)
    flow.add("日" * 12)
    assert "日" * 12 in shown(screen)


def test_markup_is_text(screen: Screen) -> None:
    """Brackets and colons of the model's are no markup."""
    screen.labelled("a ", "[red]x[/red] :smile:")
    assert shown(screen) == "a [red]x[/red] :smile:\n"


def test_nothing_said_shows_nothing(screen: Screen) -> None:
    """A flow without a label and without text leaves no empty line."""
    Flow(screen).end()
    assert shown(screen) == ""


def test_a_label_that_leaves_no_room(screen: Screen) -> None:
    """Label and text are there whole, on however narrow a terminal."""
    with screen.live(list) as live:
        live.write("    0.017 < response.output_text.delta  ", "Once upon a time", "green")
        live.write("interviews/with a long name.wav", "", "bold")
        live.write("you   ", "a word and another word, and more", "")
    flat = "".join(line.rstrip() for line in shown(screen).replace("\n", "").split("\x1b[2K"))
    for text in ("response.output_text.delta", "Once upon a time", "long name.wav"):
        assert text.replace(" ", "") in flat.replace(" ", "")
    assert "…" not in flat


@pytest.mark.parametrize("words", ["3 of 4", "3 of 4  an interview with a very long name.wav"])
def test_a_bar_is_one_line(screen: Screen, words: str) -> None:
    """It gives way to its words; words too long for the line are cut."""
    screen._console.print(_barred(0.75, words, screen._console.width))
    (line,) = shown(screen).splitlines()
    assert "75% 3 of 4" in line
    assert line.count("━") >= 4
    assert len(line) <= 30
