"""A realtime session inside a WebRTC or SIP call: it has an output audio buffer.

The media leg is not there: the audio comes as deltas, and counts as played once it is all sent.
No sockets, no threads, no clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

from realtime_sync.local.brain import Brain

__all__ = ["Telephone"]

Wire = dict[str, Any]


class Telephone(Brain):
    """A brain that tells what its output audio buffer does. Arguments as in `Brain`."""

    _playing: str | None = None  # the response in the output audio buffer

    def advance(self, now: float) -> Iterator[list[Wire]]:
        """See `Mind.advance`."""
        for events in super().advance(now):
            yield [one for event in events for one in self._with_playback(event)]

    def _with_playback(self, event: Wire) -> list[Wire]:
        if event["type"] == "response.output_audio.delta" and event["response_id"] != self._playing:
            self._playing = event["response_id"]
            started = self._event("output_audio_buffer.started", response_id=self._playing)
            return [started, event]
        if event["type"] == "response.done" and event["response"]["id"] == self._playing:
            self._playing = None
            played = event["response"]["id"]
            return [event, self._event("output_audio_buffer.stopped", response_id=played)]
        return [event]

    def _clear_output(self, _event: Wire, _now: float) -> list[Wire]:
        cleared, self._playing = self._playing, None
        if cleared is None:
            return []
        return [self._event("output_audio_buffer.cleared", response_id=cleared)]

    ANSWERS: ClassVar[Mapping[str, Callable[..., list[Wire]]]] = {
        **Brain.ANSWERS,
        "output_audio_buffer.clear": _clear_output,
    }
