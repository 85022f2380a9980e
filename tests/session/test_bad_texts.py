"""Text that is no UTF-8, as Autobahn's section 6 sends it, to a session."""

from __future__ import annotations

import logging

import pytest
from badtexts import BAD_TEXTS, CHOPS, FRAGMENTS

from realtime_sync import RealtimeSession, events

from .peers import Link, Peer, frame
from .test_bad_input import LIMIT, alive


def pieces(text: bytes, sizes: tuple[int, ...]) -> list[bytes]:
    assert sum(sizes) == len(text)
    ends = [sum(sizes[: n + 1]) for n in range(len(sizes))]
    return [text[end - size : end] for size, end in zip(sizes, ends, strict=True)]


def writes(case: str) -> list[bytes]:
    """The bytes of the case, one write after the other."""
    text = BAD_TEXTS[case]
    if case in FRAGMENTS:
        parts = pieces(text, FRAGMENTS[case])
        last = len(parts) - 1
        return [
            frame(part, first=(0x00 if n else 0x01) | (0x80 if n == last else 0))
            for n, part in enumerate(parts)
        ]
    whole = frame(text)
    if case in CHOPS:
        first, *more = pieces(text, CHOPS[case])
        return [whole[: len(whole) - len(text)] + first, *more]
    return [whole]


@pytest.mark.row("B5", bound="a message lost, no link")
@pytest.mark.parametrize("case", BAD_TEXTS)
def test_bad_text(
    case: str, bare: RealtimeSession, peer: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    """It is reported as UnknownEvent "unparsable" and a WARNING; the next question is answered."""
    link: Link = peer.link()
    with bare.expect("*") as pending:
        for data in writes(case):
            link.raw(data)
    event = pending.result(timeout=LIMIT)
    assert isinstance(event, events.UnknownEvent)
    assert event.type == "unparsable"
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    alive(bare, link)
