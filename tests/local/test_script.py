"""The queues of answers and faults."""

from __future__ import annotations

import pytest

from realtime_sync.local.answers import Fail, Say, Sound
from realtime_sync.local.script import Script, parts_of


def test_answers_are_used_once_in_order() -> None:
    """Each answer serves one response; then the rules are back."""
    script = Script()
    script.reply("a", ["b", bytes(4800)])
    assert script.next_answer() == [Say("a")]
    assert script.next_answer() == [Say("b"), Sound(bytes(4800), "audio/pcm", "[sound, 0.1 s]")]
    assert script.next_answer() is None


def test_a_wrong_answer_queues_nothing() -> None:
    """reply() with one wrong answer queues none of them."""
    script = Script()
    with pytest.raises(TypeError):
        script.reply("a", 5)  # type: ignore[arg-type]  # that is what is tested
    assert script.next_answer() is None


def test_an_exception_without_text() -> None:
    """Such a failure has the exception's name."""
    assert parts_of(KeyError()) == [Fail("KeyError")]


def test_counted_faults() -> None:
    """busy and refuse count down."""
    script = Script()
    script.busy(times=1)
    script.refuse(503)
    assert [script.is_busy(), script.is_busy()] == [True, False]
    refused = script.next_refusal()
    assert refused is not None
    assert (refused.status, refused.message) == (503, "HTTP 503")
    assert script.next_refusal() is None
    with pytest.raises(ValueError):
        script.refuse(999)


def test_a_fault_is_committed_once() -> None:
    """Of two links that are about to commit it one does, and the next fault is left alone."""
    script = Script()
    script.cut(after_bytes=1)
    script.cut(after_bytes=1)
    fault = script.fault
    assert fault is not None
    assert script.take(fault)
    assert not script.take(fault)
    assert script.fault not in (None, fault)
