"""All responses of a session: begun, growing, over. No thread, no socket, no clock."""

from __future__ import annotations

import logging
from collections.abc import Callable
from itertools import takewhile
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from ..errors import BudgetExceeded, RealtimeError, copy_of
from ..events.base import ClientEvent, one_line
from ..events.local import ResponseMetrics
from ..events.output import ResponseObject
from .creates import Create, is_default
from .effects import Effect, Emit, End, Reject, Retry, Settle
from .growing import Growing
from .responses import ResponseRecord, bytes_per_ms, failure_of, text_reply
from .stats import Tally
from .usage import RateLimit, SessionUsage

if TYPE_CHECKING:
    from .state import SessionState

__all__ = ["NOT_ACTIVE", "RESPONSE_ACTS", "Running"]

log = logging.getLogger(__name__)

#: Seconds after the end of a response that might have been ours, until we take it for ours.
ADOPT_DELAY = 1.0
#: How a server refuses to cancel what does not run. Source: wire.md (g).
NOT_ACTIVE = "response_cancel_not_active"
#: Seconds without a word of a response that does not run, until we take its end for lost.
LOST_DELAY = 2.0
#: Ids of responses that are over, which are kept in mind: events of theirs may come late, or twice.
REMEMBERED = 200


class Running(Growing):
    """What the server tells about its responses."""

    def __init__(
        self, state: SessionState, effects: list[Effect], send: Callable[[ClientEvent], None]
    ) -> None:
        self._effects = effects  # shared with the state: what is to be done
        self._conversation = state.conversation
        self._creates = state.creates
        self._sequencer = state.sequencer
        self._calls = state.calls
        self._speech = state.speech
        self._send = send  # registers what answers an event, and queues it
        self.responses: dict[str, ResponseRecord] = {}  # running, in the order they began
        # over; alive as long as somebody holds them, and the last one by us
        self.finished: WeakValueDictionary[str, ResponseRecord] = WeakValueDictionary()
        self.last: ResponseRecord | None = None
        self.usage = SessionUsage()
        self.tally = Tally()
        self.max_tokens: int | None = None  # that the session may use; None: as many as it likes
        self.spent: BudgetExceeded | None = None  # it has used them
        self.retry_text_reply = False  # text where audio was to come: asked for once more
        self.rate_limits: dict[str, RateLimit] = {}  # by name
        self.output_format = "audio/pcm"  # of the session
        self.cancels: dict[str, str | None] = {}  # event id -> response id; None: whichever runs
        self.unguarded: set[str] = set()  # keys of creates out of band, asked for by guardrails
        self.silent = False  # nobody wants the event that was received last
        self.speech_ended: float | None = None  # the user's, that no response has followed yet
        self.spoken = False  # the model has been heard, so that its voice cannot change any more
        self.now = 0.0  # the moment, in seconds of the connection's monotonic clock
        self._over: dict[str, None] = {}  # ids of finished ones, oldest first
        self._orphan: ResponseRecord | None = None  # over, and whose it was is not clear yet
        # said not to run, with the events that they had then, and until when others may come
        self._doubted: list[tuple[ResponseRecord, int, float]] = []

    def retry(self) -> None:
        """Time has passed: who has not claimed a response will not; what has not ended, neither."""
        self._end_doubted()
        orphan, self._orphan = self._orphan, None
        create = self._claimant(orphan)
        if orphan is not None and create is not None:
            self._creates.echoed = False
            self._adopt(orphan, create)

    def _claimant(self, record: ResponseRecord | None) -> Create | None:
        """The create that a response may yet turn out to answer."""
        create = record.claimant if record is not None else None
        # an echo seen since, an answer or a refusal: the response was the server's own
        if create is None or self._creates.echoed or self._creates.get(create.key) is not create:
            return None
        return create

    def uncancelled(self, key: str, error: RealtimeError) -> None:
        """A cancel is refused. If as nothing runs, a response that runs to us has ended unheard.

        It may have crossed the end, and be answered first: so the response has a moment for that.
        """
        record = self.find(self.cancels.pop(key))
        self._effects.append(Reject(key, error))
        if record is not None and getattr(error, "code", None) == NOT_ACTIVE:
            self._doubted.append((record, len(record.events), self.now + LOST_DELAY))
            self._effects.append(Retry(LOST_DELAY))

    def _end_doubted(self) -> None:
        doubted, self._doubted = self._doubted, []
        for record, events, due in doubted:
            if self.now < due:
                self._doubted.append((record, events, due))
            elif self.responses.get(record.id) is record and len(record.events) == events:
                log.warning("response %s never ended, and does not run", one_line(record.id, 64))
                self.over(record, "incomplete")

    def lost(self, record: ResponseRecord, error: RealtimeError) -> None:
        """The response cannot end any more."""
        self._orphan = None
        self._finish(record, "lost", error=error)

    def unlinked(self, error: Callable[[ResponseRecord | None], RealtimeError]) -> None:
        """The link is gone: what was running is lost, and nobody's cancel is answered any more.

        Args:
            error: Makes the error for one waiter, given the response it was waiting for.
        """
        active = self._sequencer.active
        for key, wanted in self.cancels.items():
            record = self.responses.get(wanted) if wanted is not None else active
            self._effects.append(
                Settle(key, record) if record is not None else Reject(key, error(None))
            )
        self.cancels.clear()
        self._doubted.clear()
        self.spoken = False  # the next session's voice may be another
        for record in list(self.responses.values()):
            for known in record.outputs.values():
                known.interrupt()
                self._conversation.changed(known)
            afterwards, record.afterwards = record.afterwards, []
            for event in afterwards:
                self._send(event)
            self.lost(record, error(record))
            if record.default:
                self._calls.lost(record)

    def forget(self) -> None:
        """The session of these responses is over: the next may use an id once more."""
        self._over.clear()

    def created(self, event: Any) -> None:
        """A response has begun."""
        told: ResponseObject = event.response
        if not told.id or told.id in self.responses or told.id in self._over:
            return
        create = self._creates.match(told)
        default = create.default if create is not None else is_default(told)
        record = ResponseRecord(told.id, default=default)
        record.object = told
        fmt = told.audio.output.format if told.audio and told.audio.output else None
        record.bytes_per_ms = bytes_per_ms((fmt and fmt.type) or self.output_format)
        record.events.append(event)
        record.timings.created = self.now
        self.responses[told.id] = record
        job = None
        if create is not None:
            record.timings.asked = create.at
            job = create.job
            record.unguarded = create.key in self.unguarded if job is None else job.turn.unguarded
            if job is None:
                self._begun_loose(record, create)
            elif not job.first:
                record.timings.tools = job.turn.tools_seconds
        else:
            record.claimant = self._creates.unclear(default=default)
        if default:
            record.timings.speech, self.speech_ended = self.speech_ended, None
            if create is None:
                self._speech.answered()
            self._sequencer.created(record, job)

    def _begun_loose(self, record: ResponseRecord, create: Create) -> None:
        """The answer to a create that went past the sequencer."""
        self.unguarded.discard(create.key)
        unwanted = self._sequencer.loose.pop(create.key, False)
        record.muted = create.abandoned
        if not create.abandoned:
            self._effects.append(Settle(create.key, record))
        if unwanted or create.abandoned:
            self._sequencer.cancel(record)

    def _adopt(self, record: ResponseRecord, create: Create) -> None:
        """A response that ended was ours after all: this server echoes no metadata."""
        self._creates.pop(create.key)
        record.timings.asked = create.at
        job, own = create.job, record.turn
        if job is None:
            self._begun_loose(record, create)
            self._sequencer.advance()
            return
        self._sequencer.adopted(record, job)
        if own is None:
            self._conclude(record)
        if own is not None:
            self._calls.moved(own, job.turn)

    def maker(self, item_id: str) -> ResponseRecord | None:
        """The running response that makes this item."""
        for record in self.responses.values():
            if any(known.id == item_id for known in record.outputs.values()):
                return record
        return None

    def find(self, response_id: Any) -> ResponseRecord | None:
        """The running response of that id; without one, the default conversation's."""
        if isinstance(response_id, str) and response_id:
            return self.responses.get(response_id)
        return self._sequencer.active

    def known(self, response_id: str) -> ResponseRecord | None:
        """The response of that id, running or over; None: forgotten, or never heard of."""
        return self.responses.get(response_id) or self.finished.get(response_id)

    def done(self, event: Any) -> None:
        """A response has ended."""
        told: ResponseObject = event.response
        if self._creates.tells(told):
            self.created(event)  # its response.created was lost on us
        record = self.find(told.id)
        if record is None:
            return  # doubled, or begun before we were listening
        if record.events[-1] is not event:
            record.events.append(event)
        record.take(told)
        for index, item in enumerate(told.output or ()):
            known = self._output(record, index, item.id, item)
            known.update(item, final=True)
            self._conversation.changed(known)
        self.over(record, told.status or "completed")

    def unreadable_end(self, raw: dict[str, Any]) -> None:
        """A `response.done` that is malformed: nobody may wait for its response for ever."""
        told = raw.get("response")
        told = told if isinstance(told, dict) else {}
        record, status = self.find(told.get("id")), told.get("status")
        if record is not None:
            self.over(record, status if isinstance(status, str) else "failed")

    def over(self, record: ResponseRecord, status: str) -> None:
        """It ended, and this follows."""
        if record.default:
            self._overtake(record)
        self.spend(self.usage.plus_response(record.object.usage))
        self._finish(record, status)
        for key, wanted in list(self.cancels.items()):
            if wanted == record.id or (wanted is None and record.default):
                del self.cancels[key]
                self._effects.append(Settle(key, record))
        timed = self.tally.last
        self._effects.append(Emit(ResponseMetrics(response_id=record.id, metrics=timed)))
        if self._claimant(record) is not None and self._orphan is None:
            self._orphan = record
            self._effects.append(Retry(ADOPT_DELAY))
        if record.default:
            self._conclude(record)

    def spend(self, usage: SessionUsage) -> None:
        """The session has used so much in all; the end of its budget is the end of it."""
        self.usage = usage
        used = usage.total_tokens + usage.transcription_tokens
        if self.max_tokens is None or used < self.max_tokens or self.spent is not None:
            return
        self.spent = BudgetExceeded(
            f"the session has used {used} tokens; max_tokens={self.max_tokens} ended it",
            limit="max_tokens",
        )
        self._sequencer.over = True
        self._effects.append(End(self.spent))

    def _overtake(self, record: ResponseRecord) -> None:
        """One at a time: those that began before this one are over, though we missed their end."""
        for older in list(takewhile(lambda other: other is not record, self.responses.values())):
            if older.default:
                log.debug("response %s never ended; the next one has", older.id)
                self.over(older, "incomplete")

    def _conclude(self, record: ResponseRecord) -> None:
        """What follows a response: its tool calls, or the end of its turn."""
        waiting, answers = self._calls.of(record, begins=self.spent is None)
        turn = record.turn
        failure: RealtimeError | None = failure_of(record)
        if self.spent is not None:  # no tool runs for an answer that nobody will ask for
            if waiting:
                failure = copy_of(self.spent, record)
            waiting = []
        again = self.retry_text_reply and not waiting and self.spent is None
        told = text_reply(record, retry=again)
        if told is not None:
            self._effects.append(Emit(told))
        instead_of: tuple[str, ...] = ()
        if turn is not None and told is not None and told.retried:
            turn.retried, instead_of = True, told.item_ids
        calls = {key: answers.get(key) for key in waiting}
        self._sequencer.ended(record, calls, failure=failure, instead_of=instead_of)
        if turn is not None and waiting:
            self._speech.called(turn)
            self._calls.commit(turn, answers)

    def _finish(
        self, record: ResponseRecord, status: str, *, error: RealtimeError | None = None
    ) -> None:
        record.timings.done = self.now
        record.finish(status, error=error)
        self.tally.add(record)
        self.responses.pop(record.id, None)
        self.finished[record.id] = record
        self.last = record
        self._over[record.id] = None
        if len(self._over) > REMEMBERED:
            del self._over[next(iter(self._over))]
        self._conversation.forget_unplaced([known.id for known in record.outputs.values()])
        self._send_afterwards(record)
        record.waiters += record.enders
        record.enders = []
        self._wake(record)

    def _send_afterwards(self, record: ResponseRecord) -> None:
        """What was to wait for its end; a link that is lost takes nothing any more."""
        for event in record.afterwards:
            if record.error is None:
                self._send(event)
            else:
                self._effects.append(Reject(event.event_id or "", copy_of(record.error)))
        record.afterwards.clear()

    def limited(self, event: Any) -> None:
        """What is left of the account's limits; those that the server leaves out stay."""
        told = [RateLimit.of(limit) for limit in event.rate_limits]
        self.rate_limits = self.rate_limits | {limit.name: limit for limit in told}


#: Server event -> what it changes of a response: nearly all of the traffic.
RESPONSE_ACTS: dict[str, Callable[[Running, Any], Any]] = {
    "response.created": Running.created,
    "response.done": Running.done,
    "rate_limits.updated": Running.limited,
    "response.output_item.added": Running.output_item,
    "response.output_item.done": Running.output_item,
    "response.content_part.added": Running.output,
    "response.content_part.done": Running.output,
    "response.output_text.delta": Running.text_delta,
    "response.output_text.done": Running.text_done,
    "response.output_audio_transcript.delta": Running.text_delta,
    "response.output_audio_transcript.done": Running.text_done,
    "response.output_audio.delta": Running.audio_delta,
    "response.output_audio.done": Running.output,
    "response.function_call_arguments.delta": Running.arguments_delta,
    "response.function_call_arguments.done": Running.arguments_done,
    "response.mcp_call_arguments.delta": Running.arguments_delta,
    "response.mcp_call_arguments.done": Running.arguments_done,
}
