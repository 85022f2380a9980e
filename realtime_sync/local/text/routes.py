"""Which REST call of text is answered by what: paths, methods, and what is wrong with them.

A request in, a reply out; no sockets, no threads.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from urllib.parse import parse_qs

from realtime_sync.local.body import Received, fields_of, object_of
from realtime_sync.local.http import Reply, Request, failure
from realtime_sync.local.reception import Reception, Rejection
from realtime_sync.local.refusal import Refusal
from realtime_sync.local.schedule import Flow
from realtime_sync.local.sessions import Sessions
from realtime_sync.local.text.answering import Answers
from realtime_sync.local.text.completions import Completions
from realtime_sync.local.text.files import Files
from realtime_sync.local.text.responses import Responses
from realtime_sync.local.text.runs import Runs
from realtime_sync.local.text.speech import Speech
from realtime_sync.local.text.threads import Assistants, Threads

__all__ = ["Routes"]

Wire = dict[str, Any]
Answer = Reply | Flow | Wire
Route = tuple[str, re.Pattern[str], Callable[..., Answer]]

STATUS = {"not_found": 404}


class Routes:
    """Answers the calls of text.

    Args:
        reception: Lets clients in.
        sessions: Their script, clocks and names.
        lock: Guards what calls share.
        heard: Called with every call that was let in.
    """

    def __init__(
        self,
        *,
        reception: Reception,
        sessions: Sessions,
        lock: AbstractContextManager[Any],
        heard: Callable[[Received], None],
    ) -> None:
        self._reception = reception
        self._script = sessions.script
        self._heard = heard
        self._lock = lock
        answers = Answers(sessions.script, sessions.clock)

        def new_id(prefix: str) -> str:
            return f"{prefix}{sessions.new_identity()}"

        completions = Completions(
            answers,
            new_id=new_id,
            epoch=sessions.epoch,
            interleaved=lambda: sessions.script.interleaved,
        )
        responses = Responses(answers, new_id=new_id, epoch=sessions.epoch)
        self._runs = Runs(
            answers,
            script=sessions.script,
            speed=sessions.speed,
            lock=lock,
            new_id=new_id,
            epoch=sessions.epoch,
        )
        self._files = Files(new_id=new_id, epoch=sessions.epoch)
        self._runs.assistants = Assistants(new_id=new_id, epoch=sessions.epoch)
        self._runs.threads = Threads(
            files=self._files,
            new_id=new_id,
            epoch=sessions.epoch,
            check_idle=self._runs.check_idle,
        )
        self._routes = [
            _route("POST", "/chat/completions", completions.create),
            _route("POST", "/audio/transcriptions", Speech(sessions.script).transcribe),
            _route("POST", "/responses", responses.create),
            _route("GET", "/responses/ID", responses.retrieve),
            _route("DELETE", "/responses/ID", responses.delete),
            _route("GET", "/responses/ID/input_items", responses.input_items),
            *_of_files(self._files),
            *_of_assistants(self._runs.assistants),
            # before those of threads, one of which might have the id "runs"
            *_of_runs(self._runs),
            *_of_threads(self._runs.threads),
        ]

    def answer(self, request: Request, now: float) -> Reply | Flow:
        """The reply to any request."""
        path = self._reception.reader(request.target, request.headers, now)
        if isinstance(path, Rejection):
            return failure(path.status, path.message, path.code)
        refused = self._script.next_refusal()
        if refused is not None:
            return failure(refused.status, refused.message, headers=refused.headers)
        try:
            return self._answered(request, path, now)
        except Refusal as wrong:
            status = STATUS.get(wrong.code, 400)
            return failure(status, wrong.message, wrong.code, type=wrong.type, param=wrong.param)
        except RecursionError:
            return failure(400, "The body is nested too deeply.", "invalid_value")

    def _answered(self, request: Request, path: str, now: float) -> Reply | Flow:
        found: dict[str, tuple[Callable[..., Answer], tuple[str, ...]]] = {}
        for method, pattern, route in self._routes:
            match = pattern.fullmatch(path)
            if match is not None:
                found.setdefault(method, (route, match.groups()))
        if not found:
            return failure(404, f"Invalid URL ({request.method} {path[:200]})", "unknown_url")
        if request.method not in found:
            message = f"Not allowed to {request.method[:20]} here."
            return failure(405, message, headers=(("Allow", ", ".join(found)),))
        if path.startswith(("/assistants", "/threads")):
            _check_beta(request)
        given = self._given(request, path)
        route, names = found[request.method]
        with self._lock:
            self._runs.advance(now)
            answer = route(given, *names)
            # here, for the object may change as soon as the lock is given back
            return Reply(200, json.dumps(answer).encode()) if isinstance(answer, dict) else answer

    def _given(self, request: Request, path: str) -> Any:
        """What the call gives: the body of a POST, else the query."""
        if request.content_type == "multipart/form-data":
            form = fields_of(request)
            shown = {
                name: f"{len(data)} bytes" if filename else data.decode("utf-8", "replace")
                for name, (data, filename) in form.items()
            }
            self._heard(Received(request.method, path, shown))
            return form
        body = object_of(request)
        self._heard(Received(request.method, path, body))
        query = parse_qs(request.target.partition("?")[2])
        return body if request.method == "POST" else {k: v[-1] for k, v in query.items()}


def _check_beta(request: Request) -> None:
    wanted = [one.strip() for one in request.headers.get("openai-beta", "").split(",")]
    if "assistants=v2" not in wanted:
        raise Refusal(
            "invalid_beta",
            "You must provide the 'OpenAI-Beta' header to access the Assistants API. Please try "
            "again by setting the header 'OpenAI-Beta: assistants=v2'.",
        )


def _route(method: str, pattern: str, route: Callable[..., Answer]) -> Route:
    return method, re.compile(pattern.replace("ID", r"([\w-]+)")), route


def _of_files(files: Files) -> list[Route]:
    return [
        _route("POST", "/files", files.upload),
        _route("GET", "/files", files.list),
        _route("GET", "/files/ID", files.retrieve),
        _route("GET", "/files/ID/content", files.content),
        _route("DELETE", "/files/ID", files.delete),
    ]


def _of_assistants(assistants: Assistants) -> list[Route]:
    return [
        _route("POST", "/assistants", assistants.create),
        _route("GET", "/assistants", assistants.list),
        _route("GET", "/assistants/ID", assistants.retrieve),
        _route("POST", "/assistants/ID", assistants.update),
        _route("DELETE", "/assistants/ID", assistants.delete),
    ]


def _of_threads(threads: Threads) -> list[Route]:
    return [
        _route("POST", "/threads", threads.create),
        _route("GET", "/threads/ID", threads.retrieve),
        _route("POST", "/threads/ID", threads.update),
        _route("DELETE", "/threads/ID", threads.delete),
        _route("POST", "/threads/ID/messages", threads.create_message),
        _route("GET", "/threads/ID/messages", threads.list_messages),
        _route("GET", "/threads/ID/messages/ID", threads.retrieve_message),
        _route("POST", "/threads/ID/messages/ID", threads.update_message),
        _route("DELETE", "/threads/ID/messages/ID", threads.delete_message),
    ]


def _of_runs(runs: Runs) -> list[Route]:
    return [
        _route("POST", "/threads/runs", runs.create_with_thread),
        _route("POST", "/threads/ID/runs", runs.create),
        _route("GET", "/threads/ID/runs", runs.list),
        _route("GET", "/threads/ID/runs/ID", runs.retrieve),
        _route("POST", "/threads/ID/runs/ID", runs.update),
        _route("POST", "/threads/ID/runs/ID/cancel", runs.cancel),
        _route("POST", "/threads/ID/runs/ID/submit_tool_outputs", runs.submit),
        _route("GET", "/threads/ID/runs/ID/steps", runs.list_steps),
        _route("GET", "/threads/ID/runs/ID/steps/ID", runs.retrieve_step),
    ]
