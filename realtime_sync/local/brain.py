"""The GA server's behaviour for one realtime session: client events in, server events out.

No sockets, no threads, no clock: whoever calls says what time it is.

::

    brain = Brain("gpt-realtime-2.1", ...)
    brain.hello()                     -> [session.created]
    brain.received(event, now)        -> what is answered at once
    brain.due, brain.advance(now)     -> when the next event is due; what is due by now
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, ClassVar

from realtime_sync.local import settings
from realtime_sync.local.answers import McpCall, Part
from realtime_sync.local.conversation import Conversation, Entry
from realtime_sync.local.hearing import Hearing
from realtime_sync.local.mcp import McpServer, Remote, ending, labels, needs_approval
from realtime_sync.local.plan import Plan, Voice
from realtime_sync.local.refusal import Refusal
from realtime_sync.local.respondent import Respondent
from realtime_sync.local.responses import Running
from realtime_sync.local.script import Script
from realtime_sync.local.sound import Sound
from realtime_sync.local.thoughts import Thinker, Thinking, ThoughtResponse
from realtime_sync.local.vocabulary import SHAPES

__all__ = ["Brain"]

Wire = dict[str, Any]

_RATE_LIMITS = {"requests": 1000, "tokens": 50_000}


class Brain(Hearing):
    """What the server knows about one realtime session.

    Args:
        model: The model that the client asked for; any name.
        script: What to answer, faults included; shared by all connections of a server.
        voice: Speaks, and converts between audio formats.
        identity: Unique part of all ids of this session, at most 16 characters.
        expires_at: Epoch seconds, reported only.
        clock: The time of day, for those who ask.
        speed: Multiplies the pace of the service; None sends everything at once.
        ends: When the session expires, by the clock of `received`.
        preset: A session update that holds from the beginning, checked already.
        thinker: A language model; None: answers come from the rules.
    """

    def __init__(
        self,
        model: str,
        *,
        script: Script,
        voice: Voice,
        identity: str,
        expires_at: int,
        clock: Callable[[], datetime],
        speed: float | None = 1.0,
        ends: float = math.inf,
        preset: Wire | None = None,
        thinker: Thinker | None = None,
    ) -> None:
        super().__init__(script=script, identity=identity, ends=ends, speed=speed)
        self._voice = voice
        self._respondent = Respondent(
            thinker,
            clock=clock,
            schedule=self._schedule,
            transcripts=self._transcripts,
            convert=voice.convert,
        )
        fresh = settings.default_session(self._new_id("sess"), model, expires_at)
        self.session = settings.merged(fresh, {**(preset or {}), "model": model})
        self._running: dict[str, ThoughtResponse] = {}
        self._listed: set[str] = set()  # labels of the MCP servers that were asked for their tools
        self._approved: set[str] = set()  # MCP approval requests that have been answered
        self._remaining = dict(_RATE_LIMITS)
        self._began: dict[str, float] = {}  # response id -> when it did
        self._idle: Callable[[], list[Wire]] | None = None  # what follows if nobody says anything
        self._spoken = False  # the voice cannot change once there was assistant audio

    SHAPES = SHAPES

    def _checked(self, wanted: Wire) -> Wire:
        current = self.session
        if wanted.get("model", current["model"]) != current["model"]:
            raise Refusal(
                "invalid_parameter", "The model cannot be changed.", param="session.model"
            )
        if current["tracing"] and wanted.get("tracing", current["tracing"]) != current["tracing"]:
            raise Refusal(
                "invalid_parameter",
                "Tracing cannot be modified once it is enabled.",
                param="session.tracing",
            )
        updated = super()._checked(wanted)
        voice = current["audio"]["output"]["voice"]
        if self._spoken and updated["audio"]["output"]["voice"] != voice:
            raise Refusal(
                "cannot_update_voice",
                "Cannot update a conversation's voice if assistant audio is present.",
                param="session.audio.output.voice",
            )
        return updated

    def _update(self, event: Wire, now: float) -> list[Wire]:
        updated = super()._update(event, now)
        before, after = self._listings(self.session["tools"])
        return [*before, *updated, *after]

    def _listings(self, tools: list[Wire]) -> tuple[list[Wire], list[Wire]]:
        """MCP servers that are new list their tools: what begins it, and what ends it."""
        began: list[Wire] = []
        ended: list[Wire] = []
        for label in labels(tools):
            if label in self._listed:
                continue
            self._listed.add(label)
            listed = self._mcp_server(label).listed()
            item = {"type": "mcp_list_tools", "server_label": label, "tools": listed or []}
            entry = Entry({"id": self._new_id("mcpl"), **item})
            began.append(self._event("mcp_list_tools.in_progress", item_id=entry.id))
            ended += self._added(entry, None) if listed is not None else []
            kind = "failed" if listed is None else "completed"
            ended.append(self._event(f"mcp_list_tools.{kind}", item_id=entry.id))
        return began, ended

    def _mcp_server(self, label: str) -> McpServer:
        unknown = McpServer(ConnectionError(f"no MCP server {label} is played"))
        return self._script.mcp_servers.get(label, unknown)

    def _create_item(self, event: Wire, now: float) -> list[Wire]:
        item = event["item"]
        if item["type"] != "mcp_approval_response":
            return super()._create_item(event, now)
        request = self.conversation.get(item["approval_request_id"])
        if request is None or request.item["type"] != "mcp_approval_request":
            raise Refusal(
                "invalid_value",
                f"Approval request '{item['approval_request_id']}' does not exist.",
                param="item.approval_request_id",
            )
        if request.id in self._approved:
            raise Refusal(
                "invalid_value",
                f"Approval request '{request.id}' has been answered already.",
                param="item.approval_request_id",
            )
        added = super()._create_item(event, now)
        self._approved.add(request.id)
        # a request that the client has put there itself is history: nothing waits for it
        ours = request.id.startswith(f"mcpr_{self._identity}")
        return [*added, *(self._approved_call(request) if ours and item["approve"] else [])]

    def _approved_call(self, request: Entry) -> list[Wire]:
        """The call that has been waiting for its approval; it belongs to no response any more."""
        wanted = {name: request.item[name] for name in ("server_label", "name", "arguments")}
        call = {"id": self._new_id("mcp"), "type": "mcp_call", **wanted}
        entry = Entry({**call, "approval_request_id": request.id})
        added, done = self._added(entry, None)
        outcome = self._mcp_server(wanted["server_label"]).call(wanted["name"], wanted["arguments"])
        entry.item.update(outcome)
        done["item"] = entry.reported()
        place = {"item_id": entry.id, "output_index": 0}
        running = self._event("response.mcp_call.in_progress", **place)
        return [added, running, self._event(ending(outcome), **place), done]

    def _respond(self, event: Wire, now: float) -> list[Wire]:
        wanted = event.get("response") or {}
        beside = wanted.get("conversation") == "none"
        active = None if beside else self._active
        if active is not None or (not beside and self._script.is_busy()):
            other = active.plan.id if active is not None else self._new_id("resp")
            raise Refusal(
                "conversation_already_has_active_response",
                f"Conversation already has an active response in progress: {other}. "
                "Wait until the response is finished before creating a new one.",
            )
        context = self._context(wanted.get("input"))
        options = settings.merged(self.session, _settings_of(wanted))
        plan = self._plan(options, None if beside else self.conversation, context, wanted)
        scripted = self._script.next_answer()
        parts = self._respondent.answers(options, context, now) if scripted is None else scripted
        before, after = self._listings(options["tools"])
        return [*before, *after, *self._begun(plan, self._remote(parts, options["tools"]), now)]

    def _transcribe(self, entry: Entry, now: float) -> None:
        wanted = self.session["audio"]["input"]["transcription"]
        scripted = wanted is not None and self._script.has_transcripts
        if scripted or not self._respondent.listens:
            super()._transcribe(entry, now)
        else:
            self._respondent.hear(entry, wanted, now)

    def _remote(
        self, parts: Sequence[Part | Thinking], tools: list[Wire]
    ) -> list[Part | Thinking | Remote]:
        """The same, the calls of MCP servers as the session's tools have them."""
        known = labels(tools)
        return [
            self._call_of(part, known.get(part.label, {})) if isinstance(part, McpCall) else part
            for part in parts
        ]

    def _call_of(self, call: McpCall, tool: Wire) -> Remote:
        server = self._mcp_server(call.label)
        asks = needs_approval(tool, call.name)
        outcome = {} if asks else server.call(call.name, call.arguments)
        return Remote(call, asks, outcome, server.late)

    def _begun(self, plan: Plan, parts: list[Part | Thinking | Remote], now: float) -> list[Wire]:
        running = ThoughtResponse(
            plan, parts, event=self._event, new_id=self._new_id, voice=self._voice
        )
        self._running[plan.id] = running
        self._began[plan.id] = now
        if plan.conversation is not None:
            self._idle = None
        self._schedule.add(now, running.steps, running)
        return [running.created()]

    def leave(self) -> None:
        """The connection has ended: nothing is heard or thought of any more."""
        self._respondent.leave()
        for running in self._running.values():
            running.steps.close()

    def _cancel(self, event: Wire, now: float) -> list[Wire]:
        wanted = event.get("response_id")
        running = self._active if wanted is None else self._running.get(wanted)
        if running is None:
            raise Refusal(
                "response_cancel_not_active", "Cancellation failed: no active response found"
            )
        return [*running.interrupt("client_cancelled"), *self._ended(running, now)]

    def _interrupted(self, now: float) -> list[Wire]:
        self._idle = None
        running, detection = self._active, self._detection or {}
        if running is None or not detection.get("interrupt_response"):
            return []
        return [*running.interrupt("turn_detected"), *self._ended(running, now)]

    def _turn_ended(self, now: float) -> list[Wire]:
        # as on the service: no response where one runs that was not to be interrupted
        if not (self._detection or {}).get("create_response") or self._active is not None:
            return []
        return self._answered(now)

    def _answered(self, now: float) -> list[Wire]:
        try:
            return self._respond({}, now)
        except Refusal as refusal:
            return self.refused(refusal)

    def _await_speech(self, running: Running, now: float) -> None:
        """The user has until then to say something; it counts from the end of what is played."""
        seconds = (self._detection or {}).get("idle_timeout_ms")
        if seconds is None or running.plan.conversation is None:
            return
        played = self._began.get(running.plan.id, now) + running.audio_ms / 1000
        due = max(now, played) + seconds / 1000
        idle = self._idle = partial(self._timed_out, self._attention.heard_ms, due)
        # stale once anything has happened: then it comes to nothing
        self._schedule.add(due, iter([(0.0, lambda: idle() if self._idle is idle else [])]))

    def _timed_out(self, since_ms: int, now: float) -> list[Wire]:
        self._idle = None
        if (self._detection or {}).get("idle_timeout_ms") is None:
            return []  # switched off meanwhile
        item_id = self._new_id("item")
        triggered = self._event(
            "input_audio_buffer.timeout_triggered",
            audio_start_ms=since_ms,
            audio_end_ms=self._attention.heard_ms,
            item_id=item_id,
        )
        self._attention.take()
        return [triggered, *self._committed(item_id, Sound(), now), *self._turn_ended(now)]

    def _ended(self, running: Running, now: float) -> list[Wire]:
        """What follows `response.done`."""
        self._await_speech(running, now)
        self._began.pop(running.plan.id, None)
        calls = self._running[running.plan.id].endings()
        del self._running[running.plan.id]
        self._spoken = self._spoken or running.spoken
        self._remaining["requests"] = max(0, self._remaining["requests"] - 1)
        self._remaining["tokens"] = max(0, self._remaining["tokens"] - running.tokens)
        limits = [
            {"name": name, "limit": limit, "remaining": self._remaining[name], "reset_seconds": 60}
            for name, limit in _RATE_LIMITS.items()
        ]
        return [self._event("rate_limits.updated", rate_limits=limits), *calls]

    def _context(self, wanted: list[Wire] | None) -> list[Entry]:
        """What a response answers: the conversation, or the input given in its place."""
        if wanted is None:
            return self.conversation.entries()
        return [self._referred(item, n) for n, item in enumerate(wanted)]

    def _referred(self, item: Wire, index: int) -> Entry:
        if item["type"] != "item_reference":
            return self._entry(item)
        entry = self.conversation.get(item["id"])
        if entry is None:
            raise Refusal(
                "invalid_value",
                f"Item with id '{item['id']}' does not exist.",
                param=f"response.input[{index}].id",
            )
        return entry

    def _plan(
        self, options: Wire, conversation: Conversation | None, context: list[Entry], wanted: Wire
    ) -> Plan:
        output, limit = options["audio"]["output"], options["max_output_tokens"]
        return Plan(
            id=self._new_id("resp"),
            conversation=conversation,
            context=context,
            instructions=options["instructions"],
            modality=options["output_modalities"][0],
            format=output["format"],
            voice=output["voice"],
            max_tokens=None if limit == "inf" else limit,
            metadata=wanted.get("metadata"),
            hold=self._script.next_hold(),
        )

    @property
    def _active(self) -> Running | None:
        """The response that writes the default conversation."""
        running = self._running.values()
        return next((one for one in running if one.plan.conversation is not None), None)

    ANSWERS: ClassVar[Mapping[str, Callable[..., list[Wire]]]] = {
        **Hearing.ANSWERS,
        "session.update": _update,
        "conversation.item.create": _create_item,
        "response.create": _respond,
        "response.cancel": _cancel,
    }


def _settings_of(response: Wire) -> Wire:
    """The fields of a `response.create` that stand for the session's; null means: the session's."""
    names = (*settings.RESPONSE_SETTINGS, "audio")
    return {name: response[name] for name in names if response.get(name) is not None}
