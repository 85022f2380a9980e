"""The user's speech, as far as it has to do with who answers.

While the user speaks, or has spoken and the server's reply is to come, the outputs of tools bring
no reply of their own: it would talk over him, or say everything twice. No thread, socket or clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .effects import Effect, Interrupted, Retry
from .turns import Turn

if TYPE_CHECKING:
    from .state import SessionState

__all__ = ["Speech"]

#: Seconds for the server to begin its reply to a committed speech; then tools have theirs.
REPLY_DELAY = 5.0
#: Seconds that tools' outputs wait for their reply, at most, while the user speaks.
SPEECH_LIMIT = 60.0


class Speech:
    """What the server hears."""

    def __init__(self, state: SessionState, effects: list[Effect]) -> None:
        self._state = state
        self._sequencer = state.sequencer
        self._effects = effects  # shared with the state: what is to be done
        self._due: float | None = None  # when to wait no more, for its end or for the reply

    def started(self, event: Any) -> None:
        """The user begins to speak: turns that wait for tools wait for the reply to him, too."""
        self._state.buffer.speech_started(event.audio_start_ms)
        sequencer = self._sequencer
        sequencer.speaking = True
        replying = [job.turn for job in sequencer.jobs if not job.first]
        for turn in sequencer.turns:
            if turn.calls or turn in replying:
                turn.overtaken = True
                if self._does("interrupt_response"):
                    self._tell(turn)
        self._wait(SPEECH_LIMIT)

    def stopped(self, event: Any) -> None:
        """The user pauses."""
        self._state.buffer.speech_stopped(event.audio_end_ms)
        self._state.running.speech_ended = self._state.running.now

    def called(self, turn: Turn) -> None:
        """A response of the turn has made calls; the user may be speaking meanwhile."""
        turn.overtaken = self._sequencer.speaking
        if turn.overtaken:
            self._effects.append(Retry(SPEECH_LIMIT))

    def committed(self) -> None:
        """What he said is an item; a reply follows, if the server is to make one by itself."""
        if not self._sequencer.speaking:
            return
        if not self._does("create_response"):
            self.unanswered()
            return
        self._wait(REPLY_DELAY)

    def answered(self) -> None:
        """The server has begun a response by itself: that is the reply to tools' outputs as well.

        Call it before the sequencer hears of the response.
        """
        if not self._sequencer.speaking:
            return
        self._sequencer.speaking = False
        for turn in [turn for turn in self._sequencer.turns if turn.overtaken]:
            turn.superseded = True
            if any(job.turn is turn and not job.first for job in self._sequencer.queue):
                self._sequencer.fail(turn, None)

    def unanswered(self) -> None:
        """What the user said brings no reply of the server's: tools have theirs."""
        if self._sequencer.speaking:
            self._sequencer.speaking = False
            for turn in self._sequencer.turns:
                turn.overtaken = False
            self._sequencer.advance()

    def retry(self) -> None:
        """Time has passed."""
        if self._due is not None and self._state.running.now >= self._due:
            self._due = None
            self.unanswered()

    def interrupt_tools(self) -> None:
        """A caller interrupts: tools that run are told, and their outputs bring no reply."""
        for turn in self._sequencer.turns:
            if turn.calls:
                turn.superseded = True
                self._tell(turn)

    def _wait(self, seconds: float) -> None:
        """What waits for the user waits so long at most."""
        self._due = self._state.running.now + seconds
        if any(turn.overtaken for turn in self._sequencer.turns):
            self._effects.append(Retry(seconds))

    def _tell(self, turn: Turn) -> None:
        if running := turn.running_calls:
            turn.interrupted = True
            self._effects.append(Interrupted(running, False))

    @property
    def detects(self) -> bool:
        """Whether the server detects turns, and commits by itself."""
        return self._detection is not None

    @property
    def _detection(self) -> Any:
        sound = getattr(self._state.session.audio, "input", None)
        return getattr(sound, "turn_detection", None)

    def _does(self, what: str) -> bool:
        return getattr(self._detection, what, None) is not False
