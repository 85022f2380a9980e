"""What one viewer has not been told yet. No thread, no socket, no clock."""

from __future__ import annotations

import json
from typing import Any

from realtime_sync.local.page.ledger import Ledger

__all__ = ["News"]

Wire = dict[str, Any]

_MOST = 200_000  # characters of events at a time: no viewer needs much at once


class News:
    """The state of one viewer: how far he has been told.

    He has no queue: what is kept is in the ledger, once for all, and who comes too late for it is
    told how much he has missed.

    Args:
        ledger: Has what there is to tell.
        chosen: The session that he looks at, by its number; None: none.
    """

    def __init__(self, ledger: Ledger, chosen: int | None = None) -> None:
        self._ledger = ledger
        self._chosen = chosen
        self._revision = -1  # of what he was told last; -1: nothing
        self._known: set[int] = set()  # the sessions that he was told of
        self._event = 0  # the last that he was told
        self.more = True  # whether there is more than the last message could hold

    def message(self) -> str | None:
        """All that is new, as JSON; None: nothing is. From any thread, one at a time."""
        ledger = self._ledger
        with ledger.lock:
            if ledger.revision == self._revision and not self.more:
                return None
            after, self._revision = self._revision, ledger.revision
            sessions = [one.summary() for one in ledger.sheets.values() if one.revision > after]
            gone = self._known - ledger.sheets.keys()
            told, events = self._look_closer(after)
        self._known = (self._known - gone) | {one["n"] for one in sessions}
        message = {"sessions": sessions, "gone": sorted(gone)}
        if told is None:
            return json.dumps(message)
        shown = json.dumps({**message, "chosen": told}, separators=(",", ":"))
        # the events are JSON already
        return f'{shown[:-2]},"events":[{",".join(events)}]}}}}'

    def _look_closer(self, after: int) -> tuple[Wire | None, list[str]]:
        """What is new of the session that he looks at, and its events; hold the lock."""
        sheet = None if self._chosen is None else self._ledger.sheets.get(self._chosen)
        if sheet is None:
            self.more = False
            return None, []
        events, self._event = sheet.events(self._event, _MOST)
        self.more = self._event < sheet.total
        told: Wire = {"n": sheet.number, "now": round(sheet.now, 1), "total": sheet.total}
        if sheet.revision > after:
            told |= {**sheet.waveform.since(after), "turns": sheet.timings.since(after)}
        return told, events
