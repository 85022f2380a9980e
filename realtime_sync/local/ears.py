"""What the user says, written down by a model: who waits for it, and who is told.

No clock, no threads: what has not come yet is asked for again when somebody is woken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from realtime_sync.local.answers import Fail
from realtime_sync.local.asked import wav_of
from realtime_sync.local.conversation import Entry
from realtime_sync.local.heard import Heard
from realtime_sync.local.responses import Running, Step
from realtime_sync.local.schedule import Schedule
from realtime_sync.local.thoughts import Thinker
from realtime_sync.local.transcripts import Transcripts

__all__ = ["Ears"]

Wire = dict[str, Any]


class Ears:
    """The speech of one session.

    Args:
        thinker: Writes it down.
        schedule: Where its events go.
        transcripts: Makes them.
        convert: Converts audio between the wire's formats.
    """

    def __init__(
        self,
        thinker: Thinker,
        *,
        schedule: Schedule[Running],
        transcripts: Transcripts,
        convert: Callable[[bytes, str, str], bytes],
    ) -> None:
        self._thinker = thinker
        self._schedule = schedule
        self._transcripts = transcripts
        self._convert = convert
        self._listening: dict[str, Iterator[Step]] = {}  # id of an item -> what comes of it
        self._unheard: dict[str, Fail] = {}  # id of an item -> why nobody knows what was said

    def hear(self, entry: Entry, told: Wire | None, now: float) -> None:
        """Has an item written down, unless it is or will be.

        Args:
            entry: The item.
            told: The session's transcription, where its client is to be told; None: it is not.
            now: The time.
        """
        if entry.id in self._listening or not self.needs(entry):
            return
        self._unheard.pop(entry.id, None)
        steps = self._listening[entry.id] = self._steps(entry, told)
        self._schedule.add(now, steps)

    def needs(self, entry: Entry) -> bool:
        """Whether an item is speech of which nobody knows the words."""
        if entry.part is None or entry.item.get("role") != "user" or not entry.audio:
            return False
        return not entry.item["content"][entry.part].get("transcript")

    def waits(self, entries: Iterable[Entry]) -> bool:
        """Whether the words of one of them are still to come."""
        return any(entry.id in self._listening for entry in entries)

    def failure(self, entries: Iterable[Entry]) -> Fail | None:
        """Why the words of one of them are not known; None where all are."""
        failed = (self._unheard[entry.id] for entry in entries if entry.id in self._unheard)
        return next(failed, None)

    def close(self) -> None:
        """Nobody listens any more."""
        for steps in list(self._listening.values()):
            steps.close()  # type: ignore[attr-defined]  # it is a generator

    def _steps(self, entry: Entry, told: Wire | None) -> Iterator[Step]:
        pcm = self._convert(bytes(entry.audio), entry.format, "audio/pcm")
        listening = self._thinker.listen(wav_of(pcm))
        try:
            while (heard := listening.take()) is None:
                yield 0.0, None
        finally:
            listening.cancel()
            self._listening.pop(entry.id, None)
        if isinstance(heard, Fail):
            self._unheard[entry.id] = heard
            if told is not None:
                yield from self._transcripts.failed(entry, heard)
            return
        # at once, and not with the last of its events: a response waits for it
        entry.item["content"][entry.part]["transcript"] = heard
        if told is not None:
            words = Heard(heard, (heard,) if heard else ())
            yield from self._transcripts.words(entry, told["model"], words)
