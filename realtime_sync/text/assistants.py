"""The Assistants API as a text model: a thread, kept like the conversation, and its runs.

OpenAI has retired this API; compatible servers still have it.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import re
import threading
import uuid
import weakref
from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import NotFound, RealtimeError, RequestRefused
from ..events.items import Item
from ..runtime.clock import Deadline, Signal
from .model import Changed, Model, Request, Run
from .options import Create, Load
from .runs import ACTIVE, RunStatus, ThreadRun
from .service import Service
from .threadapi import ThreadApi
from .threads import Plan, Saying, item_id_of, item_of, message_of, plan, sayings
from .uploads import Uploads

__all__ = ["Assistants"]

log = logging.getLogger(__name__)

Wire = dict[str, Any]

_PAGE = 100  # messages, as many as the API gives at a time
_PATIENCE = 60.0  # seconds that somebody else's run of our thread is waited for
_CANCELLING = 5.0  # seconds that the API has to take a cancel; nobody asks for it twice
_POLL = 0.25  # seconds between two looks at it
_MARK = "realtime_sync"
#: How the API says that a run has the thread.
_ACTIVE_RUN = re.compile(r"\brun (run_[\w-]+)")


class _Gates:
    """One gate for each thread of the API, whichever session has it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards the table
        self._gates: weakref.WeakValueDictionary[str, _Gate] = weakref.WeakValueDictionary()

    def of(self, thread_id: str) -> _Gate:
        with self._lock:
            return self._gates.setdefault(thread_id, _Gate())


class _Gate:
    """Held while a thread is being written and its run begun.

    From then on the API refuses whoever comes in between.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


_gates = _Gates()


class Assistants(Model):
    """An assistant and its thread.

    Args:
        service: Where they are.
        assistant: Which.
        uploads: The images of messages.

    Attributes:
        wanted: Which assistant.
        given: Ids of items that the conversation begins with.
        assistant: As the API has it; None until it is made or loaded.
        thread_id: None until it is made.
        last: The run that was begun last.
    """

    def __init__(self, service: Service, assistant: Create | Load, uploads: Uploads) -> None:
        self._service = service
        self._api = ThreadApi(service)
        self.wanted = assistant
        self._uploads = uploads
        self.given: frozenset[str] = frozenset()
        self.assistant: Wire | None = None
        self.thread_id = assistant.thread_id if isinstance(assistant, Load) else None
        self.last: RunStatus | None = None
        self.history: tuple[Item, ...] = ()
        self._running: ThreadRun | None = None  # the run of the thread that is under way
        self._known: set[str] = set()  # ids of items that have a message, or had
        self._told: set[str] = set()  # ids of calls that a run was told the output of
        self._calls: set[str] = set()  # ids of all calls, as we have named them
        self._runs: set[str] = set()  # ids of our runs
        self._others: set[str] = set()  # ids of runs of others
        self._mark = uuid.uuid4().hex  # in the metadata of our runs
        self._closed = Signal()

    def open(self) -> None:
        """See `Model`."""
        self._service.open()
        if self.assistant is None:
            self.assistant = self._made() if isinstance(self.wanted, Create) else self._loaded()
        if self.thread_id is None:
            self.thread_id = str(self._api.post("/threads", {})["id"])
            return
        there = {item_id_of(one): one for one in self._messages() if one.get("content")}
        pulled = [one for item_id, one in there.items() if item_id not in self.given]
        self.history = tuple(map(item_of, pulled))

    def begin(self, request: Request) -> Run:
        """See `Model`."""
        if request.apart:
            return self._apart(request)
        before, self._running = self._running, None
        if before is not None and before.waits and request.tool_choice != "none":
            outputs = before.outputs(request.items)
            if outputs is not None:
                return self._go_on(before, outputs)
        if before is not None:
            before.cancel()
        return self._begun(request)

    def check(self, tools: Iterable[Wire]) -> None:
        """See `Model`."""
        own = ("code_interpreter", "file_search")
        super().check(tool for tool in tools if tool.get("type") not in own)

    def shut(self) -> None:
        """See `Model`."""
        self._closed.set()  # the client is needed once more: see `leave`

    def leave(self) -> None:
        """Ends what is under way, and gives back the client. Blocks; after `shut`."""
        if self._running is not None:
            self._running.abandon()
        self._service.close()

    @property
    def running(self) -> ThreadRun | None:
        """The run that was begun last, while it may be under way."""
        return self._running

    # --- runs

    def _go_on(self, run: ThreadRun, outputs: list[Wire]) -> ThreadRun:
        """All outputs together: the API takes no fewer, and streams what the model says then."""
        self._running = run
        path = f"/threads/{run.thread_id}/runs/{run.status.id}/submit_tool_outputs"
        try:
            stream = self._api.stream(path, {"tool_outputs": outputs})
        except RequestRefused:
            # the run has ended meanwhile, as a run does that waits for too long: it says how
            run.update(self._api.get(f"/threads/{run.thread_id}/runs/{run.status.id}"))
            if run.status.status in ACTIVE:
                raise
            stream = None
        self._told.update(run.answered)
        run.go_on(stream)
        return run

    def _begun(self, request: Request) -> ThreadRun:
        deadline, thread_id = Deadline(_PATIENCE), str(self.thread_id)
        while True:
            try:
                with _gates.of(thread_id):
                    changed, system = self._sync(request)
                    body = self._run_body(request, system)
                    stream = self._api.stream(f"/threads/{thread_id}/runs", body)
            except RequestRefused as refused:
                match = _ACTIVE_RUN.search(str(refused))
                if match is None or deadline.passed:
                    raise
                self._await_run(match[1], deadline)
            else:
                return self._started(stream, changed)

    def _started(self, stream: Any, changed: Changed | None) -> ThreadRun:
        run = ThreadRun(
            stream,
            str(self.thread_id),
            service=self._service,
            cancel=self._cancel,
            name_call=self._name_call,
            told=self._note,
            changed=changed,
        )
        self._running = run
        return run

    def _note(self, run: ThreadRun) -> None:
        """What a run has made known of itself. By the thread that reads it."""
        self.last = run.status
        if run.status.id:
            self._runs.add(run.status.id)

    def _name_call(self, call_id: str) -> str:
        """The id of a call, unlike those of all others: some servers count from 0 in each run."""
        name = call_id
        for number in itertools.count(2):
            if name not in self._calls:
                break
            name = f"{call_id}.{number}"
        self._calls.add(name)
        return name

    def _await_run(self, run_id: str, deadline: Deadline) -> None:
        """Waits for somebody's run to end; one of ours that nobody follows is cancelled."""
        place = f"/threads/{self.thread_id}/runs/{run_id}"
        if self._is_ours(run_id):
            self._cancel(str(self.thread_id), run_id)
        while not deadline.passed and not self._closed.wait(Deadline(_POLL)):
            if self._api.get(place)["status"] not in ACTIVE:
                return

    def _is_ours(self, run_id: str) -> bool:
        """Whether we have begun a run, also one whose beginning we were never told of."""
        if run_id not in self._runs and run_id not in self._others:
            try:
                told = self._api.get(f"/threads/{self.thread_id}/runs/{run_id}").get("metadata")
            except NotFound:
                told = None
            ours = (told or {}).get(_MARK) == self._mark
            (self._runs if ours else self._others).add(run_id)
        return run_id in self._runs

    def _cancel(self, thread_id: str, run_id: str) -> None:
        try:
            place = f"/threads/{thread_id}/runs/{run_id}/cancel"
            self._api.post(place, {}, patience=_CANCELLING)
        except RealtimeError as exc:
            # it may have ended by now, and the API ends it by itself in ten minutes
            log.debug("run %s could not be cancelled: %s", run_id, exc)

    def _apart(self, request: Request) -> ThreadRun:
        """A run beside the conversation, in a thread of its own that goes with it."""
        said, system = sayings(request.items, ())
        messages = [message_of(saying, self._uploads.file_id) for saying in said]
        body = self._run_body(request, system)
        thread_id = str(self._api.post("/threads", {"messages": messages})["id"])
        stream = self._api.stream(f"/threads/{thread_id}/runs", body)
        return ThreadRun(
            stream,
            thread_id,
            service=self._service,
            cancel=self._cancel,
            name_call=self._name_call,
            told=lambda _: None,
            over=lambda: self._forget(thread_id),
        )

    def _forget(self, thread_id: str) -> None:
        try:
            self._api.delete(f"/threads/{thread_id}")
        except RealtimeError as exc:
            log.debug("thread %s could not be deleted: %s", thread_id, exc)

    # --- the thread

    def _sync(self, request: Request) -> tuple[Changed | None, list[str]]:
        """Makes thread and conversation alike; what of the latter is to change, system's words."""
        said, system = sayings(request.items, self._told)
        here, messages = {one.id for one in said}, self._messages()
        for message in messages:
            if message.get("run_id") and item_id_of(message) not in here:
                self._is_ours(message["run_id"])
        planned = plan(said, messages, known=self._known, runs=self._runs)
        place = f"/threads/{self.thread_id}/messages"
        for message_id in planned.delete:
            with contextlib.suppress(NotFound):  # somebody was quicker
                self._api.delete(f"{place}/{message_id}")
        self._known |= planned.common
        for one in planned.create:
            self._api.post(place, message_of(one, self._uploads.file_id))
            if isinstance(one, Saying):
                self._known.add(one.id)
        self._known &= here
        return _changed(planned), system

    def _messages(self) -> list[Wire]:
        """All of the thread, oldest first."""
        found: list[Wire] = []
        query: Wire = {"order": "asc", "limit": _PAGE}
        while True:
            page = self._api.get(f"/threads/{self.thread_id}/messages", **query)
            found += page["data"]
            if not page.get("has_more") or not page["data"]:
                return found
            query["after"] = page["data"][-1]["id"]

    # --- the assistant

    def _made(self) -> Wire:
        assert isinstance(self.wanted, Create)
        return self._api.post("/assistants", {"model": self.wanted.model, **self.wanted.fields})

    def _loaded(self) -> Wire:
        assert isinstance(self.wanted, Load)
        return self._api.get(f"/assistants/{self.wanted.assistant_id}")

    @property
    def instructions(self) -> str | None:
        """What the assistant itself is told; None: nothing, or nobody knows yet."""
        known: Mapping[str, Any] = self.assistant or (
            self.wanted.fields if isinstance(self.wanted, Create) else {}
        )
        return known.get("instructions")

    @property
    def _assistant_id(self) -> str:
        assert self.assistant is not None
        return str(self.assistant["id"])

    def _run_body(self, request: Request, system: list[str]) -> Wire:
        assert self.assistant is not None
        options = dict(request.options)
        if "max_output_tokens" in options:
            options.setdefault("max_completion_tokens", options.pop("max_output_tokens"))
        body: Wire = {"assistant_id": self._assistant_id}
        if request.instructions:
            body["instructions"] = request.instructions
        if system:
            body["additional_instructions"] = "\n\n".join(system)
        if request.tools:
            own = [t for t in self.assistant.get("tools") or () if t.get("type") != "function"]
            body["tools"] = [*own, *map(_tool, request.tools)]
        if request.tool_choice is not None:
            body["tool_choice"] = _choice(request.tool_choice)
        body["metadata"] = {_MARK: self._mark, **request.metadata}
        return {**body, **options}


def _changed(planned: Plan) -> Changed | None:
    """What of the conversation is to change; None: nothing."""
    pulled = tuple((before, item_of(message)) for before, message in planned.pull)
    if not pulled and not planned.drop:
        return None
    return Changed(pulled, tuple(planned.drop))


def _tool(tool: Wire) -> Wire:
    if tool.get("type") != "function":
        return tool
    return {"type": "function", "function": {k: v for k, v in tool.items() if k != "type"}}


def _choice(choice: Any) -> Any:
    if isinstance(choice, dict) and "name" in choice:
        return {"type": "function", "function": {"name": choice["name"]}}
    return choice
