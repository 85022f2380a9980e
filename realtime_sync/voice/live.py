"""The conversation as it grows: one view an item, the user's and the model's."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from ..errors import RealtimeTimeout
from ..runtime.clock import Condition, Deadline, check_timeout, may_wait

__all__ = ["LiveItem", "LiveItems"]

_UNREAD = 1_000  # items that wait for a reader; then the oldest are dropped
_PLAYING = 32  # items that may be said and not heard yet


class LiveItem:
    """One item of the conversation while it is said.

    Attributes:
        id: The item's.
        role: "user" or "assistant".
    """

    def __init__(self, item_id: str, role: str, changed: Condition) -> None:
        self.id = item_id
        self.role = role
        self._changed = changed  # guards what follows; told of every change, of any item
        self._pieces: list[str] = []
        self._whole: str | None = None  # the text in the end, where it differs from its pieces
        self._done = False
        self._interrupted = False

    @property
    def text(self) -> str:
        """What was said so far; in the end the server's word."""
        with self._changed:
            return self._whole if self._whole is not None else "".join(self._pieces)

    @property
    def done(self) -> bool:
        """Whether nothing more comes."""
        return self._done

    @property
    def interrupted(self) -> bool:
        """Whether the model was cut off here; `text` then is an estimate of what was heard."""
        return self._interrupted

    def text_deltas(self, *, timeout: float | None = None) -> Iterator[str]:
        """What is said, piece by piece, from the beginning, however late it is asked for.

        Args:
            timeout: Seconds to wait for each piece; None waits for ever.

        Raises:
            RealtimeTimeout: None came; go on with another iterator.
        """
        check_timeout(timeout)
        at = 0
        while True:
            new = self._after(at, Deadline(timeout))
            if not new:
                return
            at += len(new)
            yield from new

    def _after(self, at: int, deadline: Deadline) -> list[str]:
        """The pieces from there on, once there are any; none at the end."""
        may_wait()
        with self._changed:
            if not self._changed.wait_for(
                lambda: len(self._pieces) > at or self._done, deadline.remaining()
            ):
                raise RealtimeTimeout(f"nothing more of {self.id} within {deadline.timeout:g} s")
            return self._pieces[at:]

    def _add(self, piece: str) -> None:
        if piece and not self._done:
            self._pieces.append(piece)
            self._changed.notify_all()

    def _finish(self, whole: str | None) -> None:
        """Hold the condition."""
        if self._done:
            return
        said = "".join(self._pieces)
        if whole is not None and whole.startswith(said):
            self._add(whole[len(said) :])
        elif whole is not None:
            self._whole = whole
        self._done = True
        self._changed.notify_all()

    def _interrupt(self, heard: str) -> None:
        self._interrupted = True
        self._whole = heard
        self._done = True
        self._changed.notify_all()

    def __repr__(self) -> str:
        state = "interrupted" if self._interrupted else "done" if self._done else "open"
        return f"<LiveItem {self.role}, {state}: {self.text!r}>"


class LiveItems:
    """Makes views of what it is told; hands them out in the conversation's order.

    Args:
        transcribed: Whether a transcript of user audio is to come.
    """

    def __init__(self, transcribed: Callable[[], bool]) -> None:
        self._transcribed = transcribed
        self._changed = Condition()  # guards all of it
        self._open: dict[str, LiveItem] = {}
        # the model's that are said and may still be playing, oldest first
        self._said: dict[str, LiveItem] = {}
        self._unread: deque[LiveItem] = deque(maxlen=_UNREAD)
        self._over = False
        told = "conversation.item.input_audio_transcription"
        #: Event -> what it does, on the I/O thread.
        self.acts: dict[str, Callable[[Any], object]] = {
            "conversation.item.added": self._added,
            "conversation.item.done": self._item_done,
            "conversation.item.deleted": self._deleted,
            f"{told}.delta": self._delta,
            f"{told}.completed": self._transcribed_all,
            f"{told}.failed": self._deleted,
            "response.output_text.delta": self._delta,
            "response.output_audio_transcript.delta": self._delta,
            "response.output_item.done": self._item_done,
            "playback.interrupted": self._interrupted,
        }

    def __iter__(self) -> Iterator[LiveItem]:
        while (item := self.read(None)) is not None:
            yield item

    def read(self, timeout: float | None) -> LiveItem | None:
        """The next item; None at the end, or where none has begun within so many seconds."""
        deadline = Deadline(timeout)
        may_wait()
        with self._changed:
            self._changed.wait_for(lambda: self._unread or self._over, deadline.remaining())
            return self._unread.popleft() if self._unread else None

    def close(self) -> None:
        """Nothing more comes."""
        with self._changed:
            self._over = True
            for item in list(self._open.values()):
                item._finish(None)
            self._open.clear()
            self._changed.notify_all()

    def _added(self, event: Any) -> None:
        item = event.item
        if item.type != "message" or item.role not in ("user", "assistant") or not item.id:
            return
        with self._changed:
            if self._over or item.id in self._open:
                return
            view = self._open[item.id] = LiveItem(item.id, item.role, self._changed)
            self._unread.append(view)
            self._changed.notify_all()

    def _find(self, event: Any) -> LiveItem | None:
        return self._open.get(event.item_id)

    def _delta(self, event: Any) -> None:
        with self._changed:
            if (view := self._find(event)) is not None:
                view._add(event.delta or "")

    def _transcribed_all(self, event: Any) -> None:
        self._end(event.item_id, event.transcript)

    def _deleted(self, event: Any) -> None:
        self._end(event.item_id, None)

    def _item_done(self, event: Any) -> None:
        item = event.item
        heard = item.role == "user" and any(p.type == "input_audio" for p in item.content or ())
        if not (heard and not item.text and self._transcribed()):
            self._end(item.id, item.text)

    def _interrupted(self, event: Any) -> None:
        with self._changed:
            item_id = event.item_id or ""
            view = self._open.pop(item_id, None) or self._said.pop(item_id, None)
            if view is not None:
                view._interrupt(event.heard_text)

    def _end(self, item_id: str | None, whole: str | None) -> None:
        with self._changed:
            view = self._open.pop(item_id or "", None)
            if view is not None:
                view._finish(whole)
                if view.role == "assistant":
                    self._said[view.id] = view
                    if len(self._said) > _PLAYING:
                        del self._said[next(iter(self._said))]
