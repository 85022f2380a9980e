"""Every style of docstring gives the same: a description, and one for each parameter."""

from __future__ import annotations

import builtins
import logging
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from realtime_sync.tools import Tool
from realtime_sync.tools import docstring as module
from realtime_sync.tools.docstring import Documentation

GOOGLE = """The weather
    somewhere.

    Only for today: it knows
    no other day.

    Args:
        city: Its English name,
            e.g. "Rome".
        unit (str): What it is
            counted in.
        *rest: More.

    Returns:
        text: A sentence.

    Raises:
        ToolError: No such city.
    """
NUMPY = """The weather
    somewhere.

    Only for today: it knows
    no other day.

    Parameters
    ----------
    city : str
        Its English name,
        e.g. "Rome".
    unit : str, optional
        What it is
        counted in.
    *rest
        More.

    Returns
    -------
    text
        A sentence.
    """
REST = """The weather
    somewhere.

    Only for today: it knows
    no other day.

    :param city: Its English name,
        e.g. "Rome".
    :param str unit: What it is counted in.
    :param rest: More.
    :returns: A sentence.
    """
EPYDOC = """The weather
    somewhere.

    Only for today: it knows
    no other day.

    @param city: Its English name, e.g. "Rome".
    @param unit: What it is counted in.
    @param rest: More.
    @return: A sentence.
    """
WHOLE = Documentation(
    "The weather somewhere.\n\nOnly for today: it knows no other day.",
    {
        "city": 'Its English name, e.g. "Rome".',
        "unit": "What it is counted in.",
        "rest": "More.",
    },
)


@pytest.fixture
def without_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra `tools` is not installed."""
    real = builtins.__import__

    def missing(name: str, *args: Any) -> Any:
        if name.startswith("docstring_parser"):
            raise ImportError(name)
        return real(name, *args)

    monkeypatch.setattr(builtins, "__import__", missing)


@pytest.mark.parametrize("doc", [GOOGLE, NUMPY, REST, EPYDOC], ids=["google", "numpy", "rest", "e"])
def test_each_style_with_the_parser(doc):
    """Google, NumPy, reST and Epydoc read the same."""
    pytest.importorskip("docstring_parser")
    assert Documentation.of(doc) == WHOLE


def test_google_without_the_parser(without_parser, caplog):
    """Google's style needs no extra."""
    assert Documentation.of(GOOGLE) == WHOLE
    assert not caplog.records


def test_numpy_describes_several_at_once():
    """ "a, b : int" describes both."""
    pytest.importorskip("docstring_parser")
    doc = "Adds.\n\nParameters\n----------\na, b : int\n    A number.\n"
    assert Documentation.of(doc).parameters == {"a": "A number.", "b": "A number."}


@pytest.mark.parametrize("doc", [NUMPY, REST, EPYDOC], ids=["numpy", "rest", "epydoc"])
def test_the_others_without_the_parser(doc, without_parser, caplog):
    """The description is whole; that more was there is said, with the cure."""
    caplog.set_level(logging.WARNING, "realtime_sync")
    assert Documentation.of(doc) == Documentation(WHOLE.description)
    assert "realtime_sync[tools]" in caplog.text


@pytest.mark.parametrize(
    ("doc", "expected"),
    [
        (None, Documentation()),
        ("", Documentation()),
        ("One line.", Documentation("One line.")),
        ("Steps: first this,\n  then that.", Documentation("Steps: first this, then that.")),
        ("\nArgs:\n    x: An x.", Documentation("", {"x": "An x."})),
        ("Sums.\n\nArgs:\n    x: An x: y.\n    y:\n        A y.", None),
        ("Sums.\n\nArgs:\n  x: An x.\n\nReturns:\n  y: No parameter.", None),
    ],
)
def test_odd_ones(doc, expected, without_parser):
    """Nothing, one line, a colon in prose, no summary."""
    if expected is None:
        more = {"y": "A y."} if "A y." in doc else {}
        said = "An x: y." if more else "An x."
        expected = Documentation("Sums.", {"x": said, **more})
    assert Documentation.of(doc) == expected


@given(st.text(alphabet=":@-\n Args\tParametersx(*)#", max_size=80))
def test_any_text_can_be_read(doc):
    """A docstring is anybody's prose: none raises, with the parser or without."""
    Documentation.of(doc)
    module._google(doc)


def test_the_schema_describes_the_parameters():
    """A hint's own description comes first; models, and what the model does not see, as before."""

    def weather(
        city: Annotated[str, Field(description="A hint's own.")], unit: str = "c", other: int = 0
    ) -> str:
        return f"{city}{unit}{other}"

    weather.__doc__ = GOOGLE
    tool = Tool(weather)
    assert tool.description == WHOLE.description
    properties = tool.parameters["properties"]
    assert {name: part.get("description") for name, part in properties.items()} == {
        "city": "A hint's own.",
        "unit": "What it is counted in.",
        "other": None,
    }
