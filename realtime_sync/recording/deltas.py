"""Keys that are spread over several deltas, each of which looks like none. No file, no thread."""

from __future__ import annotations

import re
from typing import Any

from .veil import HIDDEN, KEYS, unkeyed

__all__ = ["Deltas"]

Wire = dict[str, Any]

#: The end of a text that may go on to be a key.
_BEGUN = re.compile(
    r"(?:\b(?:[ser]k?|(?:sk|ek|rk)[-_][\w-]*)|b(?:e(?:a(?:r(?:e(?:r(?: [\w.~+/=-]*)?)?)?)?)?)?)$",
    re.IGNORECASE,
)
#: Characters of one text that wait at most; no key is so long.
_LONGEST = 4096


class Deltas:
    """Holds the deltas of a text while it ends in what may become a key."""

    def __init__(self) -> None:
        # by what they are deltas of: the events, and what each said before anything was hidden
        self._runs: dict[tuple[str, str], list[tuple[Wire, str]]] = {}

    def __bool__(self) -> bool:
        """Whether there are events that may still change."""
        return bool(self._runs)

    def add(self, event: Wire, raw: str | None) -> None:
        """The next event of the server; `raw`: what it says, if it is the delta of a text."""
        if raw is None:
            if str(event.get("type")).endswith(".done"):
                self.end()
            return
        key = str(event["type"]), str(event.get("item_id"))
        run = self._runs.setdefault(key, [])
        run.append((event, raw))
        text = "".join(said for _, said in run)
        if len(text) > _LONGEST or not _BEGUN.search(text):
            _hide(self._runs.pop(key))

    def end(self) -> None:
        """Nothing more comes of these texts."""
        for run in self._runs.values():
            _hide(run)
        self._runs.clear()


def _hide(run: list[tuple[Wire, str]]) -> None:
    """Take the keys out of the deltas that they are spread over."""
    text = "".join(said for _, said in run)
    signs, at = list(text), 0
    for found in KEYS.finditer(text):
        signs[found.start() : found.end()] = [HIDDEN, *[""] * (found.end() - found.start() - 1)]
    for event, said in run:
        left = "".join(signs[at : at + len(said)])
        if left != KEYS.sub(HIDDEN, said):  # else it was whole in this one
            event["delta"] = unkeyed(left)
        at += len(said)
