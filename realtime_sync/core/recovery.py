"""What a lost session leaves undone, and what waits for the next. No thread, socket or clock.

A new link is a new session: it hears all that the last one knew (`Replay`), then what had not been
answered, then what callers have wanted meanwhile, which is held. A response that had begun is lost
and never asked for again; one that had not is asked for once more. Source: faults.md 2.4.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from ..errors import ConnectionLost, QueueFull, RealtimeError, copy_of
from ..events.base import ClientEvent
from ..events.client import ConversationItemCreate, InputAudioBufferAppend
from ..events.items import AUDIO_PARTS, Item
from ..events.local import ConnectionRestored
from .buffer import COMMIT_MS, Buffer
from .conversation import Conversation
from .creates import Creates
from .effects import Append, Effect, Emit, Reject, Settle
from .held import Audio, Held
from .offline import Offline
from .replay import Replay
from .requests import Request, Requests
from .running import Running
from .sequencer import Sequencer

if TYPE_CHECKING:
    from .responses import ResponseRecord
    from .turns import Turn

__all__ = ["OPEN", "Recovery", "Unsent"]

#: The key under which `open()` waits.
OPEN = "open"
#: Client events that go on over the next link whoever sends them. Source: api.md, Reconnect.
SURVIVING = frozenset(
    {
        "conversation.item.create",
        "conversation.item.retrieve",
        "response.create",
        "session.update",
    }
)
#: What the system says of a link that leads nowhere any more.
DEAD = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN})
#: What never left: a frame of audio and the bytes of audio in it; of commit or clear the event id.
Unsent = tuple[bytes, int] | str


class Recovery:
    """Knows whether there is a session to talk to, and what waits for the next one."""

    def __init__(
        self,
        effects: list[Effect],
        conversation: Conversation,
        requests: Requests,
        creates: Creates,
        sequencer: Sequencer,
        running: Running,
        replay: Replay,
        *,
        send: Callable[[ClientEvent], None],
        keep_audio: float,
        outlives: bool,
    ) -> None:
        self._effects = effects  # shared with the state: what is to be done
        self._conversation = conversation
        self._requests = requests
        self._creates = creates
        self._sequencer = sequencer
        self._running = running
        self._replay = replay  # what a new session hears first
        self._send = send  # registers what answers an event, and queues it
        self._outlives = outlives  # it is a call's session, which goes on without us
        self._keep_audio = keep_audio  # seconds of user audio that wait for a link
        self.ready = False  # session.created has come, and what we said then is confirmed
        self.linked = True  # False from a loss until the next session is ready
        self.parting = False  # another session is about to take over
        self.unfit: RealtimeError | None = None  # why the new session will not do
        self.buffer = Buffer()
        self._open_settled = False  # whoever waits under OPEN has his answer
        self._held = Held()
        self._offline = Offline(effects, conversation, self._held, replay)
        self._lost_audio = 0  # bytes of user audio that no server has
        self._again: set[str] = set()  # creates that have been asked for once more

    # --- a new session

    def created(self) -> list[ClientEvent] | None:
        """The server has made a session: what it hears first; None if it has heard it already."""
        if self.ready or self._replay.unconfirmed:
            return None
        return self._replay.begin()

    def refused(self, request: Request, error: RealtimeError) -> None:
        """The server refuses a part of what a new session hears."""
        if self.linked:
            self.refuse_open(error)
            return
        if request.key in self._replay.replaying:
            self._replay.left_out(request, error)
        else:
            self.unfit = error  # without its configuration it is not the session that we want

    def refuse_open(self, error: RealtimeError) -> None:
        """Whoever opens the session hears of it, if he still waits."""
        if not self._open_settled:
            self._open_settled = True
            self._effects.append(Reject(OPEN, error))

    def check_ready(self, bytes_per_ms: int) -> None:
        """If the new session has heard everything: tell so, and send what has waited for it.

        Args:
            bytes_per_ms: Of user audio.
        """
        if self.ready or self._replay.unconfirmed or self.unfit:
            return
        if self.linked and self._open_settled:
            return
        if not self._open_settled:
            self._effects.append(Settle(OPEN, None))
        self.ready = self._open_settled = True
        if self.linked:
            return
        self.linked = self._sequencer.linked = True
        restored = ConnectionRestored(
            replayed=tuple(self._replay.replaying.values()),
            skipped=tuple(self._replay.skipped),
            lost_audio_ms=self._lost_audio / bytes_per_ms,
        )
        self._effects.append(Emit(restored))
        self._lost_audio = 0
        self.buffer.restart()
        for waiting in self._held.drain():
            if isinstance(waiting, Audio):
                self.buffer.append(waiting.size)
                self._effects.append(Append(waiting.frame))
            else:
                self._send(waiting)
        self._sequencer.advance()

    # --- a session that is left in good order

    @property
    def idle(self) -> bool:
        """Whether nothing would be lost if this session were left now."""
        sequencer = self._sequencer
        busy = sequencer.active or sequencer.asked or sequencer.loose or sequencer.speaking
        return not (busy or self._speech or self._running.responses or self._requests)

    def part(self) -> None:
        """Another session is about to take over: nothing new is begun in this one.

        But while speech waits for somebody to commit it: his turn would wait for itself.
        """
        self.parting = True
        self._sequencer.linked = self._speech
        self._sequencer.advance()

    def stay(self) -> None:
        """There is no other session: this one goes on."""
        self.parting = False
        self._sequencer.linked = True
        self._sequencer.advance()

    @property
    def _speech(self) -> bool:
        """Whether there is user audio that somebody is to commit."""
        return bool(self.buffer.size) and not self.buffer.detects

    # --- the link is gone

    def unlinked(self, error: ConnectionLost, unsent: list[Unsent], bytes_per_ms: int) -> None:
        """The link is gone, and another will be made: what becomes of what was under way.

        Args:
            error: Why.
            unsent: What of the input audio buffer's events never left.
            bytes_per_ms: Of user audio.
        """

        def fresh(record: ResponseRecord | None) -> RealtimeError:
            return copy_of(error, record)

        first, self.parting = self.linked, False
        self.ready = self.linked = self._sequencer.linked = False
        self.unfit = None
        self._replay.unlinked()
        if first:  # else what is held goes on waiting
            unheard = self.buffer.unheard(bytes_per_ms, dead=_was_dead(error))
            kept = self._keep(unsent, bytes_per_ms)  # first: it counts what it lets go of, too
            self._lost_audio += max(0, unheard - kept)
        self._decide(fresh)  # a server may have begun a response before it had heard all
        if not self._outlives:
            self._conversation.forget_unplaced()  # a transcript's item that will not come now
            self._running.forget()
        self.buffer.restart(self._held.uncommitted)

    def _keep(self, unsent: list[Unsent], bytes_per_ms: int) -> int:
        """Audio that never left waits, with the commits all of whose audio it is.

        Returns:
            Bytes of it that no commit has taken.
        """
        waiting: list[tuple[bytes, int]] = []
        for entry in unsent:
            if not isinstance(entry, str):
                waiting.append(entry)
                continue
            request = self._requests.get(entry)
            if request is None:
                continue
            size = sum(size for _, size in waiting)
            if request.event.type == "input_audio_buffer.commit" and request.turn is not None:
                del waiting[-len(request.turn.given) + 1 :]  # it has its own audio once more
            elif request.event.type == "input_audio_buffer.commit" and size >= request.audio:
                self.hold_audio(waiting, bytes_per_ms)
                self._held.put(request.event)
                self._requests.refused(entry)
            waiting.clear()
        self.hold_audio(waiting, bytes_per_ms)
        return sum(size for _, size in waiting)

    def _decide(self, fresh: Callable[[ResponseRecord | None], RealtimeError]) -> None:
        for job in self._sequencer.jobs:
            if not (job.turn.records or job.turn.done):
                self._hear_again(job.turn)
        for request in self._requests.drain():
            if not request.setup:  # else it is made anew
                self._left(request, fresh)
            for key in request.sharers:
                self.hold(request.event.model_copy(update={"event_id": key}))
        for create in self._creates.drain():
            if create.job is not None or create.abandoned:
                continue  # the sequencer knows of the one, nobody wants the other
            if create.key in self._again:
                self._effects.append(Reject(create.key, fresh(None)))
            else:
                self._again.add(create.key)
                self._held.put(create.given)
        self._creates.echoed = None  # the next server may be another
        self._running.unlinked(fresh)
        self._sequencer.unlinked(fresh)

    def _left(
        self, request: Request, fresh: Callable[[ResponseRecord | None], RealtimeError]
    ) -> None:
        """A client event that the server never answered."""
        event = request.event
        if request.turn is not None:
            request.turn.unheard = 0  # if it goes on, it says all of its items again
        elif event.type == "input_audio_buffer.clear":
            self._offline.forget(event)
        elif event.type == "input_audio_buffer.commit":
            # its audio is gone; alone it would be refused
            self._lost_audio += request.audio
            self._effects.append(Reject(request.key, fresh(None)))
        else:
            for key in request.keys:
                self.hold(event.model_copy(update={"event_id": key}))

    def _hear_again(self, turn: Turn) -> None:
        """A turn whose response had not begun says its items to the next session.

        What is confirmed is in the conversation, and goes with that; but for audio, of which the
        conversation may have no more than a place.
        """
        made = {e.item.id: e for e in turn.given if isinstance(e, ConversationItemCreate)}
        known = [turn.heard] if turn.heard else [key for key in made if key in self._conversation]
        heard = turn.heard or any(_has_audio(made[key].item) for key in known)
        if known and not heard:
            turn.unheard = 0
            return
        for item_id in known:
            self._conversation.delete(item_id or "")
        turn.again()

    def lost(self, error: RealtimeError) -> None:
        """The link is gone for good: everybody who waits gets (his copy of) this error."""

        def fresh(record: ResponseRecord | None) -> RealtimeError:
            return copy_of(error, record)

        asked = [key for request in self._requests.drain() for key in request.keys]
        held = [e.event_id or "" for e in self._held.drain() if isinstance(e, ClientEvent)]
        loose = [c.key for c in self._creates.drain() if c.job is None and not c.abandoned]
        for key in [*asked, *held, *self._running.cancels, *loose]:
            self._effects.append(Reject(key, fresh(None)))
        self._running.cancels.clear()
        for record in list(self._running.responses.values()):
            self._running.lost(record, fresh(record))
        self._sequencer.lost(fresh)
        self.refuse_open(fresh(None))

    # --- while there is none

    def hold(self, event: ClientEvent) -> bool:
        """Somebody wants this sent: it is done here and now, or waits for the next link.

        Returns:
            False where there is a link: nothing has happened.
        """
        if self.linked:
            return False
        if not self._offline.does(event):
            self._held.put(event)
        self.buffer.restart(self._held.uncommitted)
        return True

    def hold_audio(self, frames: list[tuple[bytes, int]], bytes_per_ms: int) -> None:
        """User audio waits for the next link: frames, and the bytes of audio in each."""
        limit = self._keep_audio * 1000 * bytes_per_ms
        dropped = self._held.put_audio(frames, limit)
        if dropped:
            commits, left = self._held.starved(COMMIT_MS * bytes_per_ms)
            dropped += left
            for commit in commits:  # alone it would be refused
                error = ConnectionLost("its audio had to make room for newer; see keep_audio")
                self._effects.append(Reject(commit.event_id or "", error))
        self._lost_audio += dropped
        self.buffer.restart(self._held.uncommitted)

    def check_room(self, events: Iterable[ClientEvent]) -> None:
        """Complain where so much audio waits for a link already that these are too much.

        Raises:
            QueueFull: Nothing has happened.
        """
        size = sum(map(_audio_of, events))
        if self.linked or not size:
            return
        queued = [event for job in self._sequencer.jobs for event in job.turn.items]
        waiting = sum(map(_audio_of, [*self._held.events, *queued]))
        if waiting and waiting + size > self._conversation.kept.limit:
            raise QueueFull("no link now, and too much audio waits for one; see replay_audio")

    def withdraw(self, key: str) -> None:
        """Nobody waits under this key any more."""
        self._held.withdraw(key)
        if not self.linked:  # a commit may have gone: its audio waits for the next one
            self.buffer.restart(self._held.uncommitted)

    def check_surviving(self, event: ClientEvent) -> None:
        """Complain about an event sent by hand that cannot wait for the next link.

        Raises:
            ConnectionLost: There is no link now.
        """
        if not self.linked and event.type not in SURVIVING:
            raise ConnectionLost(f"{event.type}: no link now; wait for connection.restored")


def _was_dead(error: ConnectionLost) -> bool:
    """Whether nothing came over the link any more, rather than its end."""
    cause = error.__cause__
    return isinstance(cause, TimeoutError) or getattr(cause, "errno", None) in DEAD


def _audio_of(event: ClientEvent) -> int:
    """Characters of base64 in an event."""
    if isinstance(event, ConversationItemCreate):
        return sum(len(part.audio or "") for part in event.item.content or ())
    return len(event.audio) if isinstance(event, InputAudioBufferAppend) else 0


def _has_audio(item: Item) -> bool:
    return any(part.type in AUDIO_PARTS for part in item.content or ())
