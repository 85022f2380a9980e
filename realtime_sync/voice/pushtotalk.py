"""Talking while a key is held."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any, Final

from ..audio import PreRoll
from ..audio.pace import Clock
from ..core.turns import DEFAULT_ROUNDS, Turn
from ..errors import ConfigurationError, SessionClosed
from ..events.client import InputAudioBufferClear
from .echo import Open
from .line import FRAME_MS, Line, detects_turns

if TYPE_CHECKING:
    from ..response import Response
    from ..runtime.futures import Reply
    from ..speaking import Speaking

__all__ = ["PushToTalk"]

log = logging.getLogger(__name__)

_ROLL_MS: Final = 500  # of what was said just before the key went down
_LEAST_MS: Final = 100  # that a commit needs
#: What was said before the key went up, and is still on its way from the microphone.
_TAIL_MS: Final = 60


class PushToTalk(Line):
    """A microphone that is heard while a key is held; see `RealtimeSession.push_to_talk`.

    ::

        with ptt as future:
            ...
        print(future.result().text)
    """

    def __init__(
        self,
        session: Speaking,
        microphone: Any = None,
        speaker: Any = None,
        *,
        record: Any = None,
        clock: Clock | None = None,
    ) -> None:
        if detects_turns(session):
            raise ConfigurationError(
                "push_to_talk: the server would end your turns by itself; give the session "
                "turn_detection=None"
            )
        self._roll = PreRoll(_ROLL_MS)
        self._source_ended = False
        # guards what follows: the key is another thread's than the microphone
        self._held = threading.Lock()
        self._turn: Turn | None = None  # of the key that is held
        self._released: Turn | None = None  # of one that has gone up, while the last of it comes
        self._tail_ms = 0.0  # that is still to come
        self._future: Reply[Response] | None = None  # its future, or that of the last one
        super().__init__(
            session, microphone, speaker, record=record, echo=lambda *_: Open(), clock=clock
        )

    @property
    def pressed(self) -> bool:
        """Whether the key is held."""
        return self._turn is not None

    def press(self) -> Reply[Response]:
        """The key goes down: what the model says stops, and you are heard.

        With you, what you said in the 500 ms before: nobody's finger is faster than his tongue.
        Never waits for the network; pressing twice is pressing once.

        Returns:
            The future that `release` gives.

        Raises:
            SessionClosed: There is no session.
        """
        session = self._session
        with self._held:
            if self._turn is not None and self._future is not None:
                return self._future
            self._finish()  # a finger that is faster than the microphone
            self._cut("client", cancel=True)
            session._request(InputAudioBufferClear(event_id=session.new_id("event")))
            turn = session._turn((), DEFAULT_ROUNDS, {})
            future: Any = session._connection.do(
                lambda _: None, key=turn.key, what="the turn", convert=session._handle
            )
            self._turn, self._future = turn, future
            self._input.begin()
            if roll := self._roll.take():
                self._input.send(roll)
            return self._future

    def release(self) -> Reply[Response]:
        """The key goes up: the model answers, once the last 60 ms have come from the microphone.

        Never waits.

        Returns:
            A future of the turn's last response; it fails with `ValueError` where less than 100 ms
            were said.

        Raises:
            ConfigurationError: No key was pressed.
            SessionClosed: There is no session.
        """
        with self._held:
            turn, self._turn = self._turn, None
            if self._future is None:
                raise ConfigurationError("release: no key was pressed; press() first")
            if turn is None:
                return self._future  # released already
            said = self._input.sent_ms
            if said >= _LEAST_MS:
                self._released, self._tail_ms = turn, _TAIL_MS
                return self._future
            short = ConfigurationError(
                f"push-to-talk: {said:.0f} ms were said; it takes {_LEAST_MS} ms at least"
            )
            self._session._connection.do(lambda s: s.sequencer.fail(turn, short))
            return self._future

    def _finish(self) -> None:
        """All of it has come: the turn begins. Hold `_held`."""
        turn, self._released = self._released, None
        if turn is not None:
            self._input.turn(turn)
            self._session._connection.do(lambda s: s.begin(turn))

    def _next(self) -> bytes:
        # a file that has ended leaves the key, and the answer that is still to come
        frame = b"" if self._source_ended else super()._next()
        self._source_ended = not frame
        return frame if frame or self._stop.is_set() else self._pause()

    def _take(self, frame: bytes) -> None:
        with self._held:
            if self._turn is not None:
                self._input.send(frame)
            elif self._released is not None:
                self._input.send(frame)
                self._tail_ms -= FRAME_MS
                if self._tail_ms <= 0:
                    self._finish()
            else:
                self._roll.push(frame)

    def _end(self) -> None:
        with self._held:
            try:
                self._finish()  # what was said until now is answered
            except SessionClosed as exc:
                log.debug("nothing is said any more: %s", exc)
        super()._end()

    def close(self, *, timeout: float = 5) -> None:
        """As `stop`."""
        self.stop(timeout=timeout)

    def __enter__(self) -> Reply[Response]:
        return self.press()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.release()
        else:
            self._give_up()

    def _give_up(self) -> None:
        """What was said is not to be answered: the block has failed."""
        session = self._session
        with self._held:
            turn, self._turn = self._turn, None
            if turn is not None:
                given_up = ConfigurationError("push-to-talk: given up before the key was released")
                session._connection.do(lambda s: s.sequencer.fail(turn, given_up))
                session._request(InputAudioBufferClear(event_id=session.new_id("event")))
