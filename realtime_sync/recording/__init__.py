"""Recordings: what went over the wire, one JSON line an event, to be looked at and played again.

The first line names the format::

    {"format": "realtime_sync recording", "version": 1, "time": 1764151200.0, "audio": false, ...}

Then one line an event, as the wire had it, in wire order::

    {"at": 0.031, "time": 1764151200.031, "direction": "received", "event": {"type": ...}}

`at` are seconds since the recording began, by a clock that only goes forward, `time` epoch seconds.
The direction is "sent", "received", or "local" for what no server said: `recording.began` (the
configuration and the items that were there already), `connection.lost`, `connection.closed`,
`recording.gap` (so many events are missing), and `recording.ended`, which is the last line of a
recording that is whole. No key is ever written. Audio is, if it was wanted; else
`elided` has the place of each piece that was left out, and its size: {"delta": 9600}.

- `recorder` writes them, on a thread of its own; `veil` takes out what is not to be written,
  `deltas` what of that is spread over several events.
- `entries` reads them, and says in which line one is broken.

Knows no session: it is given frames, and files.
"""

from __future__ import annotations

from .entries import Entry, read
from .recorder import Recording

__all__ = ["Entry", "Recording", "read"]
