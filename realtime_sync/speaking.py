"""Turns spoken aloud: microphone and loudspeaker in a session. Knows no device."""

from __future__ import annotations

from collections.abc import Mapping

from .asking import Asking
from .core.interruptions import interrupt, last_spoken
from .core.state import SessionState
from .events.local import PlaybackInterrupted
from .runtime.clock import check_timeout

__all__ = ["Speaking"]


class Speaking(Asking):
    """The part of a session that is heard."""

    def interrupt(self, played_ms: float | None = None) -> None:
        """Stop what the model says: the response, and what it remembers of it.

        The running response is cancelled, and the assistant's last audio item truncated at what
        was heard; at 0 ms it is deleted, after its `response.done`. Told as `playback.interrupted`,
        once a response; after it no delta of that response reaches a callback, its handle still
        collects them. Tools that run are told, and no reply follows. Sends, and returns; nothing to
        interrupt is no error.

        With a device of your own call it on `input_audio_buffer.speech_started`.

        Args:
            played_ms: Milliseconds of that item that were heard; more than has come is what has
                come. None: nothing is truncated.

        Raises:
            ValueError, TypeError: No such number.
            ConnectionLost: There is no link now: what was running is lost anyway.
            SessionClosed: There is no session.
        """
        check_timeout(played_ms, "played_ms")
        self._check_open()
        heard = None
        if played_ms is not None:
            item_id = self._look(last_spoken)
            heard = {item_id: played_ms} if item_id is not None else {}
        self._interrupt(heard, reason="client", cancel=True)

    def _interrupt(self, heard: Mapping[str, float] | None, *, reason: str, cancel: bool) -> None:
        """As `core.interruptions.interrupt`; from any thread, the I/O thread included."""
        told: list[PlaybackInterrupted] = []

        def act(state: SessionState) -> None:
            new_key = lambda: self.new_id("event")  # noqa: E731  # one per call
            told.extend(interrupt(state, heard, reason=reason, cancel=cancel, new_key=new_key))

        self._connection.do(act)
        for event in told:
            self._connection.dispatcher.silence(event.response_id or "")
            self._connection.emit(event)
