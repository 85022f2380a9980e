"""Whatever an API answers, in whatever order: the history is never corrupted."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_sync import NoReply, StageRouter, ToolError
from realtime_sync.errors import RealtimeError
from realtime_sync.text import ChatSession

from .api import Answer, Api, called, chunk, cut_after, refused, said, streamed, tool_call
from .test_routing import BAKERY, move, price_of

HALF = chunk({"content": "Hel"})
CALL = chunk(tool_call(0, "c", "price_of", '{"cake": "plum"}'))


def fail() -> None:
    """Breaks."""
    raise ToolError("broken")


def note() -> NoReply:
    """Notes."""
    return NoReply("noted")


PRICE = ("c", "price_of", {"cake": "plum"})  # one id in all responses, as some servers have it

ANSWERS: dict[str, Answer] = {
    "said": said("Hi."),
    "nothing": streamed(chunk(finish="stop")),
    "called": called(PRICE, text="Wait."),
    "called twice": called(PRICE, ("d", "fail", {})),
    "called nobody": called(("e", "nobody", "{")),
    "noted": called(("n", "note", {}), text="Noted."),
    "moved": called(move("ordered")),
    "moved back": called(move("changed"), PRICE, text="Back."),
    "refused": refused(500),
    "limited": refused(429),
    "cut": cut_after(HALF),
    "cut in a call": cut_after(HALF, CALL),
    "cut at once": cut_after(),
    "no end": streamed(CALL),
    "no JSON": streamed(HALF, "{"),
    "too long": streamed(CALL, chunk(finish="length")),
}
FAILURES = {"refused", "limited", "cut", "cut in a call", "cut at once", "no end", "no JSON"}


def check(session: ChatSession) -> None:
    """Each call stands there once, with one answer behind it; nothing is in progress."""
    waiting: list[str | None] = []
    for item in session.history:
        assert item.status != "in_progress"
        if item.type == "function_call":
            waiting.append(item.call_id)
        elif item.type == "function_call_output":
            waiting.remove(item.call_id)
    assert waiting == []


_TURNS = st.lists(st.lists(st.sampled_from(sorted(ANSWERS)), min_size=1, max_size=4), max_size=5)


def talk(api: Api, turns: list[list[str]]) -> None:
    """A conversation of such turns."""
    with ChatSession(
        "gpt-text",
        base_url=api.url,
        max_retries=0,
        tools=[price_of, fail, note],
        router=StageRouter(BAKERY),
    ) as session:
        for turn in turns:
            before = session.history
            api.answers.clear()
            api.plan(*[ANSWERS[name] for name in turn])
            try:
                session.ask("Hello?", max_rounds=3)
            except RealtimeError:
                if turn[0] in FAILURES:
                    assert session.history == before
            else:
                assert turn[0] not in FAILURES
            assert session.history[: len(before)] == before
            check(session)
        api.answers.clear()
        assert session.ask("Hello?").text == "Hello."
        again = ChatSession("gpt-text", base_url=api.url, history=session.export())
        assert again.export() == session.export()
    assert api.problems == []


@pytest.mark.parametrize(
    "count", [15, pytest.param(300, marks=pytest.mark.long)], ids=["short", "long"]
)
def test_any_answers(api: Api, count: int, caplog: pytest.LogCaptureFixture) -> None:
    """A turn that fails before anything of it has happened leaves no trace; no request is wrong."""
    caplog.set_level(logging.CRITICAL, "realtime_sync")  # what is refused is not of interest here

    @settings(max_examples=count, deadline=None)
    @given(_TURNS)
    def run(turns: list[list[str]]) -> None:
        talk(api, turns)

    run()
