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

from realtime_sync.local.body import Received, object_of
from realtime_sync.local.http import Reply, Request, failure
from realtime_sync.local.reception import Reception, Rejection
from realtime_sync.local.refusal import Refusal
from realtime_sync.local.schedule import Flow
from realtime_sync.local.sessions import Sessions
from realtime_sync.local.text.answering import Answers
from realtime_sync.local.text.completions import Completions
from realtime_sync.local.text.responses import Responses

__all__ = ["Routes"]

Wire = dict[str, Any]
Answer = Reply | Flow | Wire

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
        self._routes: list[tuple[str, re.Pattern[str], Callable[..., Answer]]] = [
            ("POST", _path("/chat/completions"), completions.create),
            ("POST", _path("/responses"), responses.create),
            ("GET", _path("/responses/ID"), responses.retrieve),
            ("DELETE", _path("/responses/ID"), responses.delete),
            ("GET", _path("/responses/ID/input_items"), responses.input_items),
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
            return self._answered(request, path)
        except Refusal as wrong:
            status = STATUS.get(wrong.code, 400)
            return failure(status, wrong.message, wrong.code, type=wrong.type, param=wrong.param)
        except RecursionError:
            return failure(400, "The body is nested too deeply.", "invalid_value")

    def _answered(self, request: Request, path: str) -> Reply | Flow:
        found = {
            method: (route, match.groups())
            for method, pattern, route in self._routes
            if (match := pattern.fullmatch(path))
        }
        if not found:
            return failure(404, f"Invalid URL ({request.method} {path[:200]})", "unknown_url")
        if request.method not in found:
            message = f"Not allowed to {request.method[:20]} here."
            return failure(405, message, headers=(("Allow", ", ".join(found)),))
        route, names = found[request.method]
        body = object_of(request)
        self._heard(Received(request.method, path, body))
        query = parse_qs(request.target.partition("?")[2])
        given = body if request.method == "POST" else {k: v[-1] for k, v in query.items()}
        with self._lock:
            answer = route(given, *names)
        return Reply(200, json.dumps(answer).encode()) if isinstance(answer, dict) else answer


def _path(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern.replace("ID", r"([\w-]+)"))
