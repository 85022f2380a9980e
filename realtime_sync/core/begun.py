"""Turns that have begun: which responses join them, how they end. No thread, socket or clock."""

from __future__ import annotations

from ..errors import RealtimeError
from ..events.local import TurnStarted
from .effects import Effect, Emit, Interrupted, Reject, Settle, Wake
from .responses import ResponseRecord
from .turns import Turn

__all__ = ["Begun"]


class Begun:
    """The turns that run; what the sequencer is built on."""

    def __init__(self, effects: list[Effect]) -> None:
        self._effects = effects  # shared with the state: what is to be done
        self.turns: list[Turn] = []  # begun, not ended
        self.finished = 0  # how many have ended

    def _join(self, record: ResponseRecord, turn: Turn) -> None:
        record.turn, record.corrects = turn, turn.corrected
        turn.records.append(record)
        turn.given = ()
        turn.overtaken = turn.superseded = False
        if turn not in self.turns:
            self.turns.append(turn)
        if not turn.announced:
            turn.announced = 1
            self._effects.append(Emit(TurnStarted(response_id=record.id)))
        self._wake(turn)

    def _end(self, turn: Turn, failure: RealtimeError | None) -> None:
        if turn.done:
            return
        turn.done = True
        turn.error = failure
        running = turn.running_calls
        if running and (turn.abandoned or failure is not None):
            turn.interrupted = True
            self._effects.append(Interrupted(running, True))
        if turn in self.turns:
            self.turns.remove(turn)
        for record in turn.records:
            record.turn = None  # else a response and its turn would keep each other alive
        if turn.announced == 1:
            turn.announced = 2
            self.finished += 1
            self._effects.append(Emit(turn.told()))
        if turn.key is not None and not turn.abandoned:
            if failure is not None:
                self._effects.append(Reject(turn.key, failure))
            else:
                self._effects.append(Settle(turn.key, turn.records[-1]))
        self._wake(turn)

    def _wake(self, turn: Turn) -> None:
        if turn.waiters:
            self._effects.append(Wake(tuple(turn.waiters)))
            turn.waiters.clear()
