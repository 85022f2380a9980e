"""The audio of every item, kept: `save_audio=True`. In memory first, then in a file of its own.

Sees what goes over the wire, as a tap does: the user's audio as it was appended, and what the
server says of where in it each item lies; the model's as it comes.
"""

from __future__ import annotations

import tempfile
import threading
import weakref
from collections import deque
from dataclasses import dataclass
from typing import IO, Any, Final

import pybase64

from ..audio.formats import BYTES_PER_MS

__all__ = ["SavedAudio"]

MEMORY: Final = 16 << 20  # bytes of all items together; beyond, they go to disk
MOST: Final = 1 << 30  # bytes on disk; beyond, the oldest items have none any more
_HELD: Final = 64 << 20  # bytes of user audio that belong to no item yet

Wire = dict[str, Any]

_AUDIO_DELTAS = ("response.output_audio.delta", "response.audio.delta")  # GA, beta


@dataclass(frozen=True, slots=True)
class _Fetch:
    """Fetches the audio of one item, as it is then."""

    saved: SavedAudio
    item_id: str

    def __call__(self) -> bytes:
        return self.saved.audio(self.item_id)


class SavedAudio:
    """Where the audio of items lies.

    `tap` runs on the I/O thread; everything else on any.
    """

    def __init__(self, *, memory: int = MEMORY, most: int = MOST) -> None:
        # guards all of it: items are looked at by any thread, and written by the I/O thread
        self._lock = threading.Lock()
        self._memory, self._most = memory, most
        self._file: IO[bytes] = self._new_file()
        self._size = 0  # bytes in the file
        self._places: dict[str, list[tuple[int, int]]] = {}  # item id -> where its pieces lie
        self._ends: dict[str, int] = {}  # item id -> bytes of it that were heard
        self._per_ms = BYTES_PER_MS["audio/pcm"]
        self._output_per_ms = self._per_ms
        self._begin()

    def _new_file(self) -> IO[bytes]:
        file = tempfile.SpooledTemporaryFile(max_size=self._memory)  # noqa: SIM115  # see below
        weakref.finalize(self, file.close)  # it lives as long as somebody holds an item
        return file

    def _begin(self) -> None:
        """A new session counts the user's audio from its beginning."""
        self._input = bytearray()  # not in an item yet
        self._passed = 0  # bytes before it
        self._started: dict[str, int] = {}  # item id -> where its speech begins, in bytes
        self._stopped: dict[str, int] = {}  # and where it ends
        self._commits: deque[bytes] = deque()  # by hand, not acknowledged yet

    def fetch(self, item_id: str | None) -> _Fetch | None:
        """What fetches the audio of an item; None: there is none."""
        with self._lock:
            known = item_id is not None and item_id in self._places
        return _Fetch(self, item_id) if known and item_id is not None else None

    def audio(self, item_id: str) -> bytes:
        """The audio of an item, as far as it has come, or was heard."""
        with self._lock:
            pieces = []
            for at, size in self._places.get(item_id, ()):
                self._file.seek(at)
                pieces.append(self._file.read(size))
            self._file.seek(self._size)
            return b"".join(pieces)[: self._ends.get(item_id)]

    def tap(self, _direction: str, event: Wire) -> None:
        """Everything that goes over the wire, in order. Runs on the I/O thread."""
        act = _ACTS.get(str(event.get("type")))
        if act is not None:
            with self._lock:
                act(self, event)

    def _write(self, item_id: str, data: bytes) -> None:
        if not data:
            return
        if self._size + len(data) > self._most:
            # the oldest go, with them the file
            self._file.close()
            self._file, self._size = self._new_file(), 0
            self._places.clear()
        self._file.write(data)
        self._places.setdefault(item_id, []).append((self._size, len(data)))
        self._size += len(data)

    def _session(self, event: Wire) -> None:
        if event["type"] == "session.created":
            self._begin()
        session = event.get("session") or {}
        audio = session.get("audio") or {}
        told = ((audio.get(side) or {}).get("format") or {} for side in ("input", "output"))
        formats = [one.get("type", "audio/pcm") if isinstance(one, dict) else one for one in told]
        self._per_ms, self._output_per_ms = (BYTES_PER_MS.get(one, 48) for one in formats)

    def _append(self, event: Wire) -> None:
        self._input += pybase64.b64decode(event["audio"])
        excess = len(self._input) - _HELD
        if excess > 0:
            self._pass(excess)

    def _pass(self, size: int) -> None:
        taken = min(max(0, size), len(self._input))
        del self._input[:taken]
        self._passed += taken

    def _speech_started(self, event: Wire) -> None:
        start = event["audio_start_ms"] * self._per_ms
        self._started[event["item_id"]] = start
        self._pass(start - self._passed)

    def _speech_stopped(self, event: Wire) -> None:
        self._stopped[event["item_id"]] = event["audio_end_ms"] * self._per_ms

    def _commit(self, _event: Wire) -> None:
        self._commits.append(bytes(self._input))
        self._pass(len(self._input))

    def _committed(self, event: Wire) -> None:
        item_id = event["item_id"]
        start, end = self._started.pop(item_id, None), self._stopped.pop(item_id, None)
        if end is None:
            if self._commits:
                self._write(item_id, self._commits.popleft())
        elif start is not None:
            begin = max(0, start - self._passed)
            self._write(item_id, bytes(self._input[begin : max(0, end - self._passed)]))
            self._pass(end - self._passed)

    def _clear(self, _event: Wire) -> None:
        self._pass(len(self._input))

    def _refused(self, event: Wire) -> None:
        code = str((event.get("error") or {}).get("code"))
        if code == "input_audio_buffer_commit_empty" and self._commits:
            self._commits.popleft()

    def _create(self, event: Wire) -> None:
        item = event.get("item") or {}
        for part in item.get("content") or ():
            if part.get("audio") and item.get("id"):
                self._write(item["id"], pybase64.b64decode(part["audio"]))

    def _delta(self, event: Wire) -> None:
        self._write(event["item_id"], pybase64.b64decode(event["delta"]))

    def _truncated(self, event: Wire) -> None:
        self._ends[event["item_id"]] = event["audio_end_ms"] * self._output_per_ms

    def _deleted(self, event: Wire) -> None:
        self._places.pop(event["item_id"], None)
        self._ends.pop(event["item_id"], None)

    def __repr__(self) -> str:
        return f"<SavedAudio of {len(self._places)} items, {self._size} bytes>"


_ACTS: dict[str, Any] = {
    "session.created": SavedAudio._session,
    "session.updated": SavedAudio._session,
    "input_audio_buffer.append": SavedAudio._append,
    "input_audio_buffer.commit": SavedAudio._commit,
    "input_audio_buffer.clear": SavedAudio._clear,
    "input_audio_buffer.speech_started": SavedAudio._speech_started,
    "input_audio_buffer.speech_stopped": SavedAudio._speech_stopped,
    "input_audio_buffer.committed": SavedAudio._committed,
    "conversation.item.create": SavedAudio._create,
    "conversation.item.truncated": SavedAudio._truncated,
    "conversation.item.deleted": SavedAudio._deleted,
    "error": SavedAudio._refused,
    **dict.fromkeys(_AUDIO_DELTAS, SavedAudio._delta),
}
