"""The brain's only entrance. No threads, no sockets, no clock.

Server events go in by `received`, wishes by the other methods; effects come out of `take`. All of
it under the connection's lock. `received` never raises, whatever the event.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

from ..errors import ConfigurationError, ConnectionLost, RealtimeError, refusal
from ..events.base import ClientEvent, LocalEvent, ServerEvent, UnknownEvent
from ..events.client import ConversationItemCreate, ResponseCreate
from ..events.config import SessionConfig
from ..events.items import Item
from .calls import Calls
from .changes import check_changes, contradicted, held_after
from .conversation import Conversation
from .creates import Creates
from .edits import Edits
from .effects import Effect, Emit, Reject, Send, Settle, Unclaimed
from .placing import ITEM_ACTS
from .recovery import OPEN, Recovery, Unsent
from .replay import Replay
from .requests import BY_ORDER, Request, Requests
from .responses import bytes_per_ms
from .running import NOT_ACTIVE, RESPONSE_ACTS, Running
from .sequencer import ALREADY_ACTIVE, Sequencer
from .speech import Speech
from .strange import Strange, meant
from .turns import Turn

__all__ = ["OPEN", "SessionState"]

log = logging.getLogger(__name__)

_NOTHING: tuple[Effect, ...] = ()


class SessionState:
    """What we know about one session."""

    #: The type that a configuration has unless it says so itself; None: it has none.
    kind: str | None = "realtime"
    #: Whether the server's session outlives the link, and need not be told everything again.
    outlives = False

    def __init__(
        self,
        *,
        new_key: Callable[[], str],
        new_item_id: Callable[[], str],
        config: SessionConfig | None = None,
        history: Iterable[ConversationItemCreate] = (),
        sendable: Callable[[Item], Item | None] = lambda item: item,
        keep_audio: float = 5.0,
        replay_audio: float = 60.0,
    ) -> None:
        self._effects: list[Effect] = []
        self._new_key = new_key  # makes event ids
        self._new_item_id = new_item_id
        self._replay_audio = replay_audio  # seconds of the audio of items
        self.session = SessionConfig()  # what the server holds
        self.over = False  # the server has said its last word
        self.conversation = Conversation(self._effects)
        self.requests = Requests()
        self.creates = Creates()
        self.sequencer = Sequencer(self._effects, self._send, new_key)
        self.calls = Calls(self, self._effects, self._send, new_key, new_item_id)
        self.speech = Speech(self, self._effects)
        self._strange = Strange()
        self.running = Running(self, self._effects, self._send)
        self.edits = Edits(self.conversation, self.requests, self.running, self.sending)
        self.replay = Replay(
            self.conversation,
            new_key=new_key,
            config=config,
            history=history,
            sendable=sendable,
            kind=self.kind,
            outlives=self.outlives,
        )
        self.recovery = Recovery(
            *(self._effects, self.conversation, self.requests),
            *(self.creates, self.sequencer, self.running),
            self.replay,
            send=self.sending,
            keep_audio=keep_audio,
            outlives=self.outlives,
        )
        self.buffer = self.recovery.buffer

    # --- wishes

    def take(self) -> tuple[Effect, ...]:
        """What is to be done since the last call."""
        if not self._effects:
            return _NOTHING
        effects = tuple(self._effects)
        self._effects.clear()
        return effects

    def put_back(self, effects: Iterable[Effect]) -> None:
        """They were taken, and not carried out yet."""
        self._effects[:0] = effects

    def sending(self, event: ClientEvent) -> None:
        """A caller's own event goes out: register what will answer it.

        Raises:
            ConfigurationError: It would change what cannot change now; nothing has happened.
            QueueFull: There is no link, and too much audio waits for one; likewise.
        """
        check_changes(event, self.session, self.running.spoken, self.sequencer.active is not None)
        self.recovery.check_room((event,))
        if self.recovery.hold(event):
            return
        if isinstance(event, ResponseCreate):
            create = self.creates.add(event, job=None, at=self.running.now)
            # first, or Ctrl-C in between has us wait for the answer to what was never sent
            self._effects.append(Send(create.event))
            if create.default:
                self.sequencer.loose[create.key] = False
        else:
            if isinstance(event, ConversationItemCreate) and event.item.id is None:
                item = event.item.model_copy(update={"id": self._new_item_id()})
                event = event.model_copy(update={"item": item})  # its answer is known by its id
            self._effects.append(Send(event))
            self._register(event)

    def begin(self, turn: Turn) -> None:
        """Run a turn once its time has come; its key is settled with its last response.

        Raises:
            QueueFull: There is no link, and too much audio waits for one; nothing has happened.
        """
        self.recovery.check_room(turn.items)
        if self.recovery.parting:
            self.recovery.part()  # speech may have begun meanwhile
        self.sequencer.begin(turn)

    def create(self, event: ResponseCreate, turn: Turn, *, on_active: str) -> bool:
        """Ask for a response, which begins a turn; its key is settled when it is created.

        Returns:
            False where `on_active` is "skip" and another response is running or queued.

        Raises:
            ResponseActive: Likewise, with "raise".
        """
        if event.response is not None and event.response.conversation == "none":
            self.sending(event)
            if turn.unguarded:
                self.running.unguarded.add(event.event_id or "")
            return True
        return self.sequencer.create(event, turn, on_active=on_active)

    def give_up(self, key: str) -> None:
        """Nobody waits under this key any more; what only he wanted is withdrawn."""
        self.recovery.withdraw(key)
        create = self.creates.get(key)
        if create is not None:
            create.abandoned = True
            self.sequencer.loose.pop(key, None)
            self.sequencer.advance()
        self.sequencer.give_up(key)

    def retry(self) -> None:
        """The delay of a `Retry` effect has passed."""
        self.running.retry()
        self.sequencer.retry()
        self.speech.retry()
        self.calls.retry()

    def unsaid(self, event: ClientEvent, error: ConfigurationError) -> None:
        """The link's dialect has no words for an event that was to be sent: no answer will come."""
        key = event.event_id or ""
        request = self.requests.refused(key) if self.requests.is_setup(key) else None
        if request is not None:  # the session lives without it
            self.replay.left_out(request, error)
            self._check_ready()
        else:
            self._refused(key, error)

    def tell(self, event: LocalEvent) -> None:
        """Have watchers and callbacks told."""
        self._effects.append(Emit(event))

    def lost(self, error: RealtimeError) -> None:
        """There will be no answers any more: everybody who waits gets (his copy of) this error."""
        self.recovery.lost(error)

    def restart(self, error: ConnectionLost) -> None:
        """The next session begins with an empty conversation; what answers the old one is over."""
        self.conversation.clear()
        self.sequencer.restart(error)
        self.calls.restart()

    def unlinked(self, error: ConnectionLost, unsent: list[Unsent]) -> None:
        """The link is gone, and another will be made; see `Recovery.unlinked`."""
        self.recovery.unlinked(error, unsent, self._input_rate)
        self.calls.unlinked()

    def appending(self, frames: list[tuple[bytes, int]]) -> bool:
        """User audio goes out: frames, and the bytes of audio in each; False: it waits here."""
        if not self.recovery.linked:
            self.recovery.hold_audio(frames, self._input_rate)
            return False
        for _, size in frames:
            self.buffer.append(size)
        return True

    # --- the server's events

    def received(self, event: ServerEvent, at: float) -> None:
        """Take in a server event. Never raises.

        Args:
            event: As `parse` made it.
            at: The moment, in seconds of a monotonic clock.
        """
        self.running.now = at
        try:
            if isinstance(event, UnknownEvent):
                self.running.tally.unknown += 1
                self._unknown(event)
                return
            act = RESPONSE_ACTS.get(event.type)
            if act is not None:
                act(self.running, event)
            elif event.type in _ACTS:
                _ACTS[event.type](self, event)
        except Exception:  # whatever the peer sent, the session lives; a bug of ours is shown
            log.exception("could not take in %s", event.describe())

    def _register(self, event: ClientEvent, turn: Turn | None = None, setup: bool = False) -> None:
        if event.type == "response.cancel":
            self.running.cancels[event.event_id or ""] = getattr(event, "response_id", None)
        else:
            self.buffer.sent(event)
            request = Request(event, setup=setup, turn=turn)
            if event.type in ("input_audio_buffer.commit", "input_audio_buffer.clear"):
                request.audio, self.buffer.size = self.buffer.size, 0
            if self.requests.expect(request) and turn is not None:
                turn.unheard += 1

    def _send(self, event: ClientEvent) -> None:
        """Queue an event of our own."""
        if self.recovery.hold(event):
            return
        job = self.sequencer.asked
        if isinstance(event, ResponseCreate):
            event = self.creates.add(event, job=job, at=self.running.now).event
        else:
            mine = job is not None and any(event is item for item in job.turn.items)
            self._register(event, turn=job.turn if job is not None and mine else None)
        self._effects.append(Send(event))

    def linked(self) -> None:
        """The link is up. Most servers speak first."""

    def _session_created(self, event: Any) -> None:
        self._take_session(event)
        if not self._set_up() and not self.outlives:
            log.warning("a second session.created on one link; its session is taken over")

    def _set_up(self) -> bool:
        """Tell a new session what it is to know; False: it has heard it already."""
        said = self.recovery.created()
        for client_event in said or ():
            self._register(client_event, setup=True)
            self._effects.append(Send(client_event))
        self._check_ready()
        return said is not None

    def _check_ready(self) -> None:
        # a new link does not wait for MCP servers
        if not (self.recovery.linked and self.calls.listings.missing):
            self.recovery.check_ready(self._input_rate)

    def _take_session(self, event: Any) -> None:
        self.session = held_after(event, self.session)
        self.calls.listings.expect(self.session)
        self.running.output_format = self.audio_format("output")
        self.buffer.detects = self.speech.detects
        # four characters of base64 for three bytes
        self.conversation.kept.limit = self._replay_audio * 1000 * self._input_rate * 4 / 3

    def _session_updated(self, event: Any) -> None:
        self._take_session(event)
        request: Any = self.answered(event)
        if request is not None and request.event.session is not None:
            fields = contradicted(request.event.session, event.session)
            if fields:
                log.warning("the server does not do as it was asked to: %s", ", ".join(fields))

    def answered(self, event: Any) -> Request | None:
        """What this event answers; whoever waits for it has his answer."""
        request = self.requests.answered(event)
        if request is not None:
            self._effects.extend(Settle(key, event) for key in request.keys)
            if request.turn is not None:
                request.turn.unheard -= 1
                request.turn.heard = getattr(event, "item_id", None)
            self.replay.confirmed(request)
            if request.setup:  # before there is a session, nothing of ours makes one
                self._check_ready()
        return request

    def _error(self, event: Any) -> None:
        error = refusal(event)
        key = error.event_id
        if key is None and error.code == ALREADY_ACTIVE:  # it can only mean a create
            key = create.key if (create := self.creates.oldest()) is not None else None
        if key is None and error.code == NOT_ACTIVE:  # likewise, a cancel
            key = next(iter(self.running.cancels), None)
        if key is not None and self._refused(key, error):
            return
        self._effects.append(Unclaimed(event))
        self.recovery.refuse_open(error)

    def _refused(self, key: str, error: RealtimeError) -> bool:
        """Whether the error's client event was one of ours that we still had in mind."""
        create = self.creates.pop(key)
        if create is not None:
            if create.job is not None:
                self.sequencer.refused(create.job, error)
            else:
                self._effects.append(Reject(key, error))
                self.sequencer.loose.pop(key, None)
                self.sequencer.advance()
            return True
        if key in self.running.cancels:
            self.running.uncancelled(key, error)
            return True
        request = self.requests.refused(key)
        if request is None:
            return False
        self.buffer.size += request.audio  # the server still holds it
        turn = request.turn
        if request.setup:
            self.recovery.refused(request, error)
            self._check_ready()
        elif turn is None or turn.done:
            self._effects.extend(Reject(*each) for each in request.refusals(error))
        else:  # its asker hears of it
            self.sequencer.fail(turn, error)
        return True

    def _unknown(self, event: UnknownEvent) -> None:
        self._strange.heard(event, self.running.now)
        kind, told = meant(event)
        if kind == "session.created":  # what it holds is not told, but it is there
            self._set_up()
        elif kind == "response.done":
            self.running.unreadable_end(told)
        elif kind in BY_ORDER:  # or every later one would be taken for the answer before it
            self.answered(event.model_copy(update={"type": kind}))

    def _listed(self, event: Any) -> None:
        self.calls.listings.over(event)
        self._check_ready()

    def _committed(self, event: Any) -> None:
        if self.answered(event) is None:  # the server's turn detection
            self.buffer.committed(self._input_rate)
        self.speech.committed()

    def _cleared(self, event: Any) -> None:
        self.answered(event)
        self.speech.unanswered()

    def audio_format(self, side: str) -> str:
        """The session's "input" or "output" format, e.g. "audio/pcm"."""
        audio = getattr(self.session.audio, side, None)
        return (audio.format.type if audio and audio.format else None) or "audio/pcm"

    @property
    def _input_rate(self) -> int:
        return bytes_per_ms(self.audio_format("input"))


#: Server event -> what it changes.
_ACTS: dict[str, Callable[[SessionState, Any], Any]] = {
    **ITEM_ACTS,
    "session.created": SessionState._session_created,
    "session.updated": SessionState._session_updated,
    "error": SessionState._error,
    "conversation.item.retrieved": SessionState.answered,
    "mcp_list_tools.completed": SessionState._listed,
    "mcp_list_tools.failed": SessionState._listed,
    "response.mcp_call.completed": lambda state, event: state.calls.call_over(event),
    "response.mcp_call.failed": lambda state, event: state.calls.call_over(event),
    "input_audio_buffer.speech_started": lambda state, event: state.speech.started(event),
    "input_audio_buffer.speech_stopped": lambda state, event: state.speech.stopped(event),
    "input_audio_buffer.committed": SessionState._committed,
    "input_audio_buffer.cleared": SessionState._cleared,
}
