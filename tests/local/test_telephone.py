"""The output audio buffer of a call."""

from __future__ import annotations

from .driving import Driver, only, types


def test_playback_is_told() -> None:
    """started comes before the first audio, stopped after response.done."""
    driver = Driver("call")
    driver.script.reply("one two three")
    kinds = types(driver.respond())
    assert kinds.index("output_audio_buffer.started") < kinds.index("response.output_audio.delta")
    assert kinds.index("output_audio_buffer.stopped") > kinds.index("response.done")
    assert kinds.count("output_audio_buffer.started") == 1


def test_text_is_not_played() -> None:
    """A text response has nothing to play."""
    events = Driver("call").ask("hello")
    assert not any(kind.startswith("output_audio_buffer") for kind in types(events))


def test_clear_after_a_cancel() -> None:
    """What a cancelled response left in the buffer can be cleared, once."""
    driver = Driver("call", speed=1.0)
    driver.script.reply("word " * 100, "again")
    created = driver.give("response.create")
    driver.until("response.output_audio.delta")
    driver.give("response.cancel")
    cleared = only(driver.give("output_audio_buffer.clear"), "output_audio_buffer.cleared")
    assert cleared["response_id"] == created[0]["response"]["id"]
    assert driver.give("output_audio_buffer.clear") == []
    driver.rest()
    assert "output_audio_buffer.started" in types(driver.respond())
