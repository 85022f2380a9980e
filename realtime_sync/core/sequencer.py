"""One response at a time: decides when a create may go out, and what follows each response.

A *job* is one `response.create` of the default conversation that has not been created yet. Jobs
of a running turn go first; a new turn waits until no other runs, or two askers' items would both
stand in the conversation before the first answer. A turn begun inside a tool is nested: it does
not wait for the turn that runs the tool, which waits for it, nor for one whose tools may have to
wait for that tool (`waits`). No thread, no socket, no clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from ..errors import RealtimeError, ResponseActive, ServerError, copy_of
from ..events.base import ClientEvent
from ..events.client import ResponseCancel, ResponseCreate
from ..events.items import Item
from .begun import Begun
from .effects import Effect, Reject, Retry, Settle
from .responses import ResponseRecord
from .turns import Job, Turn
from .waits import Waits

__all__ = ["ALREADY_ACTIVE", "Sequencer"]

#: The server's code where a response runs already. Source: wire.md (g).
ALREADY_ACTIVE = "conversation_already_has_active_response"
#: Seconds until a refused create is tried again where we see nothing that runs.
RETRY_DELAYS = (0.05, 0.1, 0.2, 0.5, 1.0)


class Sequencer(Begun):
    """Decides when a create may go out, and what happens after each response."""

    def __init__(
        self,
        effects: list[Effect],
        send: Callable[[ClientEvent], None],
        new_key: Callable[[], str],
    ) -> None:
        super().__init__(effects)
        self._send = send  # registers what answers an event, and queues it
        self._new_key = new_key  # makes event ids
        self.queue: deque[Job] = deque()
        self.asked: Job | None = None  # sent, neither created nor refused nor given up
        self.active: ResponseRecord | None = None
        # creates that went past us, neither created nor refused: event id -> is to be cancelled
        self.loose: dict[str, bool] = {}
        self.held = False  # refused though nothing runs: wait for the retry
        self.serial: set[str] = set()  # tools that run one call at a time, or have
        self.threads = 1  # calls that run at a time, at each depth of nesting
        self.over = False  # the session is about to end: nothing more is asked for
        self.linked = True  # False while there is no link: creates stay queued
        self.speaking = False  # the user speaks, or has, and the server's reply is to come

    @property
    def jobs(self) -> list[Job]:
        """Creates that wait, and the one that was sent."""
        return [*self.queue, *([self.asked] if self.asked else [])]

    @property
    def waits(self) -> Waits:
        """Who waits for whom now."""
        return Waits(self.turns, (job.turn for job in self.queue), self.serial, self.threads)

    # --- what callers ask for

    def begin(self, turn: Turn) -> None:
        """A turn is to run once its time has come."""
        self.queue.append(turn.job(self._new_key(), first=True))
        self.advance()

    def create(self, create: ResponseCreate, turn: Turn, *, on_active: str) -> bool:
        """A response is to be made; False: skipped.

        Raises:
            ResponseActive: Another one is running or queued, and `on_active` is "raise".
        """
        busy = self._busy(turn.parent)
        if busy and on_active == "raise":
            raise ResponseActive(
                "a response is running or queued; wait for it, or use another on_active",
                response=self.active,
            )
        if busy and on_active == "skip":
            return False
        job = Job(create, turn, first=True, handle=True)
        if on_active == "cancel":
            job.urgent = True
            self.queue.appendleft(job)
            self._cancel_all()
        else:
            self.queue.append(job)
        self.advance()
        return True

    def cancel(self, record: ResponseRecord) -> None:
        """Ask the server to end a response."""
        if not record.done:
            self._send(ResponseCancel(event_id=self._new_key(), response_id=record.id))

    def give_up(self, key: str) -> None:
        """The caller who waits under `key` has gone: nothing may speak or cost after him."""
        turn = self._turn(key)
        if turn is None:
            return
        turn.abandoned = True
        self._withdraw(turn)
        if self.asked is not None and self.asked.turn is turn:
            self.asked = None  # should it be created after all, it is cancelled then
        if self.active is not None and self.active.turn is turn:
            self._silence(self.active)  # its end is the turn's
        else:
            self._end(turn, None)
        self.advance()

    def fail(self, turn: Turn, error: RealtimeError | None) -> None:
        """The turn cannot go on, e.g. since its item was refused."""
        self._withdraw(turn)
        if self.active is not None and self.active.turn is turn:
            self._silence(self.active)
        self._end(turn, error)
        self.advance()

    # --- what the server says

    def created(self, record: ResponseRecord, job: Job | None) -> None:
        """A response of the default conversation has begun: the job's, or somebody else's."""
        self.active = record
        self.held = False
        if self.asked is job:
            self.asked = None
        turn = job.turn if job is not None else Turn()
        turn.abandoned = turn.abandoned or record.muted
        if job is not None:
            record.muted = turn.done
            if job.handle and not turn.done:
                self._effects.append(Settle(job.key, record))
            if turn.done or job.cancelled:
                self.cancel(record)
        if not turn.done:
            self._join(record, turn)

    def refused(self, job: Job, error: RealtimeError) -> None:
        """The job's response was not created, and will not be."""
        if self.asked is job:
            self.asked = None
        if not job.turn.done:
            if isinstance(error, ServerError) and error.code == ALREADY_ACTIVE:
                self._requeue(job)
            else:
                self._reject(job, error)
        self.advance()

    def ended(
        self,
        record: ResponseRecord,
        calls: dict[str, str | None],
        *,
        failure: RealtimeError | None,
        instead_of: tuple[str, ...] = (),
    ) -> None:
        """A response of the default conversation is over.

        Args:
            record: The response; `done` is set.
            calls: Ids of its calls that we answer, in order, and the outputs that are there.
            failure: Why its turn fails with it, if so.
            instead_of: Ids of items; they are deleted, and another response is asked for.
        """
        if self.active is record:
            self.active = None
        self.held = False
        turn = record.turn
        if turn is not None:
            over = failure is not None or turn.abandoned
            # with calls it waits for their outputs, which belong right behind them
            first = (
                () if over or calls else turn.replacing(instead_of, self._new_key, self.speaking)
            )
            for event in first:
                self._send(event)
            if over or not (calls or first):
                self._end(turn, failure)
            elif not calls:
                self.queue.appendleft(turn.job(self._new_key(), first=not turn.rounds))
            else:
                turn.calls = calls
                turn.reply = False
                turn.interrupted = False
                turn.tools_began = record.timings.done
                turn.rounds += 1
        self.advance()

    def adopted(self, record: ResponseRecord, job: Job) -> None:
        """A response that is over, and was taken for somebody else's, was the job's.

        What has followed it since (calls, their outputs, a reply that waits) goes to the job's
        turn.
        """
        if self.asked is job:
            self.asked = None
        turn, own = job.turn, record.turn
        replying = any(waiting.turn is own for waiting in self.queue)
        if own is not None:
            if not turn.done:
                own.announced, turn.announced = 2, 1  # the one has begun as the other
            self._withdraw(own)
            self._end(own, None)
            own.parent, own.part = turn, True  # what its tools have begun is nested in the job's
            turn.calls, turn.reply, turn.rounds = own.calls, own.reply, own.rounds
        else:
            turn.announced = 2
        if not turn.done:  # else it was given up meanwhile
            if job.handle:
                self._effects.append(Settle(job.key, record))
            self._join(record, turn)
            if replying:
                self.queue.appendleft(turn.job(self._new_key(), first=False))
        self.advance()

    def tool_finished(self, turn: Turn, call_id: str, output: str, *, respond: bool) -> list[str]:
        """A call has its output; the ids of the outputs that may be sent now, in call order."""
        turn.calls[call_id] = output
        turn.reply = turn.reply or respond
        ready = []
        for known, text in turn.calls.items():
            if text is None:
                break
            ready.append(known)
        return ready

    def outputs_sent(self, turn: Turn, call_ids: list[str], outputs: list[Item]) -> None:
        """These calls are over, their outputs queued; after the last, one response answers all."""
        for call_id in call_ids:
            del turn.calls[call_id]
        if turn.records:  # else nobody asked any more for the response that made the calls
            turn.records[-1].complete += [(None, output) for output in outputs]
            self._wake(turn)
        if turn.calls or turn.done:
            return
        corrected = turn.replacing((), self._new_key, self.speaking or turn.superseded)
        for event in corrected:
            self._send(event)
        if corrected or (
            turn.reply and not turn.superseded and not self._answered_by_another(turn)
        ):
            self.queue.appendleft(turn.job(self._new_key(), first=False))
        else:
            self._end(turn, None)
        self.advance()

    def advance(self) -> None:
        """Send the next create if nothing stands in its way."""
        stuck = self.asked or self.active or self.loose or self.held
        if stuck or self.over or not self.linked or not self.queue:
            return
        waits = self.waits
        job = next((job for job in self.queue if self._may_start(job, waits)), None)
        if job is None:
            return
        self.queue.remove(job)
        self.asked = job
        if job.turn not in self.turns:
            self.turns.append(job.turn)
        for item in job.turn.items:
            self._send(item)
        job.turn.items = ()  # later rounds, and a create that is refused, go without them
        self._send(job.create)

    def lost(self, error: Callable[[ResponseRecord | None], RealtimeError]) -> None:
        """The link is gone for good: everybody who waits hears of it, by an error of his own."""
        jobs = self.jobs
        self.queue.clear()
        self.loose.clear()
        self.asked = self.active = None
        self.held = False
        for job in jobs:
            if job.handle:
                self._effects.append(Reject(job.key, error(None)))
        for turn in dict.fromkeys([*self.turns, *(job.turn for job in jobs)]):
            self._end(turn, error(turn.records[-1] if turn.records else None))

    def unlinked(self, error: Callable[[ResponseRecord | None], RealtimeError]) -> None:
        """The link is gone, another will be made: what had begun fails, the rest waits for it."""
        asked, self.asked = self.asked, None
        self.active = None
        self.loose.clear()
        self.held = self.speaking = False
        if asked is not None and not asked.turn.done:
            if asked.again:
                self._reject(asked, error(None))
            else:
                asked.again = True
                self.queue.appendleft(asked)
        for turn in list(self.turns):
            if turn.records and turn.records[-1].status == "lost":
                self._withdraw(turn)
                self._end(turn, error(turn.records[-1]))

    def restart(self, error: RealtimeError) -> None:
        """The conversation begins again: turns that wait for tools, or for the reply, are over."""
        for turn in list(self.turns):
            if turn.records and turn.records[-1].done:
                self._withdraw(turn)
                self._end(turn, copy_of(error, turn.records[-1]))

    def retry(self) -> None:
        """The delay of a `Retry` has passed."""
        self.held = False
        self.advance()

    # --- inside

    def _reject(self, job: Job, error: RealtimeError) -> None:
        """The response will not be created."""
        if job.handle:
            self._effects.append(Reject(job.key, error))
        self._end(job.turn, error)

    def _busy(self, parent: Turn | None) -> bool:
        """Whether a response is running or queued, but for the turn whose tool asks."""
        others = [turn for turn in self.turns if parent is None or not parent.within(turn)]
        return bool(self.active or self.asked or self.loose or self.queue or others)

    def _may_start(self, job: Job, waits: Waits) -> bool:
        turn = job.turn
        if not job.first:
            return not (self.speaking and turn.overtaken)
        if turn in self.turns:
            return True
        nested = turn.parent is not None
        if nested and waits.is_behind(turn):
            return False
        return all(
            turn.within(other)
            or (nested and other.calls and waits.may(other, turn))
            or (job.urgent and not other.records)
            for other in self.turns
        )

    def _turn(self, key: str) -> Turn | None:
        """The turn, or the create that begins one, that somebody waits for under `key`."""
        jobs = self.jobs
        named = [job.turn for job in jobs if job.key == key]
        turns = [*self.turns, *(job.turn for job in jobs)]
        return next(iter(named), None) or next((t for t in turns if t.key == key), None)

    def _cancel_all(self) -> None:
        """End what runs, and what is about to."""
        if self.active is not None:
            self.cancel(self.active)
        elif self.asked is not None:
            self.asked.cancelled = True
        for key in self.loose:
            self.loose[key] = True

    def _silence(self, record: ResponseRecord) -> None:
        record.muted = True
        self.cancel(record)

    def _withdraw(self, turn: Turn) -> None:
        self.queue = deque(job for job in self.queue if job.turn is not turn)

    def _requeue(self, job: Job) -> None:
        if job.turn.superseded:
            self._end(job.turn, None)
            return
        # one that was to make room for another goes after it
        self.queue.insert(1 if job.cancelled else 0, job)
        job.cancelled = False
        if self.active is None:
            # a response that we do not see, or one that ended while our create was on its way
            self.held = True
            delay = RETRY_DELAYS[min(job.refusals, len(RETRY_DELAYS) - 1)]
            self._effects.append(Retry(delay))
        job.refusals += 1

    def _answered_by_another(self, turn: Turn) -> bool:
        """Whether an automatic reply that is queued already will answer this turn's outputs too."""
        return turn.key is None and any(
            not job.first and job.turn.key is None and job.turn.params == turn.params
            for job in self.queue
        )
