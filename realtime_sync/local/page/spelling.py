"""Events as a viewer gets them, in order; also a key that several deltas spell is hidden. Pure."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from realtime_sync.local.page.excerpt import SOUNDS, brief, excerpt, inside, named

__all__ = ["Spelling"]

Wire = dict[str, Any]

_MOST = 200  # events that wait
#: How the events that end a text end.
_ENDS = (".done", ".completed", ".failed", ".cancelled")


class Spelling:
    """Holds back events while the last delta may begin a key: a word or two, mostly for nothing."""

    def __init__(self) -> None:
        # when called: this room imports nothing of the client's side
        from realtime_sync.recording.deltas import Deltas

        self._deltas = Deltas()
        # who and when; the event, or what is shown of it where no later one changes that
        self._held: list[tuple[str, Wire | str]] = []

    def add(self, who: str, event: Any, when: str) -> list[str]:
        """The next event.

        Args:
            who: "client" or "server".
            event: What it is.
            when: The numbers that stand before it.

        Returns:
            What may be shown now, as JSON, without its number and brackets; oldest first.
        """
        kind = named(inside(event, "type"))
        head = f'{when},"{who}",{_quoted(kind or "?")}'
        if who == "server" and kind.endswith(".delta") and kind not in SOUNDS:
            spelt = {**event}
            self._deltas.add(spelt, spelt["delta"] if isinstance(spelt.get("delta"), str) else "")
            self._held.append((head, spelt))
        else:
            self._held.append((head, _shown(event)))
        if len(self._held) > _MOST or (who == "server" and kind.endswith(_ENDS)):
            self._deltas.end()
        return [] if self._deltas else self._let_go()

    def end(self) -> list[str]:
        """No more comes; what is left."""
        self._deltas.end()
        return self._let_go()

    def _let_go(self) -> list[str]:
        held, self._held = self._held, []
        shown = [(head, one if isinstance(one, str) else _shown(one)) for head, one in held]
        return [f"{head},{one}" for head, one in shown]


@lru_cache(maxsize=1000)
def _quoted(kind: str) -> str:
    return json.dumps(kind)


def _shown(event: object) -> str:
    return f"{json.dumps(brief(event))},{json.dumps(excerpt(event), separators=(',', ':'))}"
