"""An API of text models that does what a test says, over real HTTP on loopback."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from pipe import LIMIT

Wire = dict[str, Any]

#: One answer: the status, and what is written after it.
Answer = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    server: _Server
    body: Wire

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length", 0))
        body = json.loads(self.rfile.read(length) or b"{}")
        api, self.body = self.server.api, body
        api.requests.append(body)
        api.problems += problems(body)
        api.headers.append({name.lower(): value for name, value in self.headers.items()})
        api.paths.append(self.path)
        with api.changed:
            answer = api.answers.popleft() if api.answers else said("Hello.")
            api.changed.notify_all()
        answer(self)

    def begin(self, status: int = 200, kind: str = "text/event-stream", **headers: str) -> None:
        """Sends the head; what follows comes in chunks."""
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("transfer-encoding", "chunked")
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def write(self, data: str | bytes) -> None:
        """One piece of the body."""
        raw = data.encode() if isinstance(data, str) else data
        self.wfile.write(f"{len(raw):x}\r\n".encode() + raw + b"\r\n")
        self.wfile.flush()

    def event(self, event: Wire | str, name: str | None = None) -> None:
        """One event of a stream."""
        data = event if isinstance(event, str) else json.dumps(event)
        self.write((f"event: {name}\n" if name else "") + f"data: {data}\n\n")

    def end(self) -> None:
        """The body is complete."""
        self.wfile.write(b"0\r\n\r\n")

    def cut(self) -> None:
        """The link breaks."""
        self.close_connection = True
        self.connection.close()

    def log_message(self, *_: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    api: Api

    def handle_error(self, *_: Any) -> None:
        pass  # a client that hangs up is no news


class Api:
    """The server; a context manager."""

    def __init__(self) -> None:
        self.answers: deque[Answer] = deque()
        self.requests: list[Wire] = []
        self.problems: list[str] = []  # what the real API would refuse of them
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.changed = threading.Condition()
        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.api = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def plan(self, *answers: Answer) -> None:
        """What the next requests are answered with; then `said("Hello.")`."""
        self.answers.extend(answers)

    def wait(self, count: int) -> None:
        """Returns once so many requests have come."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.requests) >= count, LIMIT)

    def __enter__(self) -> Api:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self.problems == [], self.problems
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(LIMIT)


def problems(body: Wire) -> list[str]:
    """What the real API refuses of a conversation."""
    if "input" in body:
        return _unpaired(body["input"])
    found: list[str] = []
    waiting: list[str] = []
    for at, message in enumerate(body.get("messages", ())):
        where = f"messages[{at}]"
        if message["role"] == "tool":
            if message["tool_call_id"] not in waiting:
                found.append(f"{where}: an output of {message['tool_call_id']}, which nobody calls")
            else:
                waiting.remove(message["tool_call_id"])
            continue
        if waiting:
            found.append(f"{where}: {waiting} are not answered")
        waiting = [call["id"] for call in message.get("tool_calls", ())]
        if len(set(waiting)) < len(waiting):
            found.append(f"{where}: an id twice")
        if not (message.get("content") or waiting):
            found.append(f"{where}: neither content nor calls")
    return [*found, f"at the end {waiting} are not answered"] if waiting else found


def _unpaired(there: list[Wire]) -> list[str]:
    calls = [one["call_id"] for one in there if one.get("type") == "function_call"]
    outputs = [one["call_id"] for one in there if one.get("type") == "function_call_output"]
    return [] if sorted(calls) == sorted(outputs) else [f"calls {calls}, outputs {outputs}"]


# --- chat completions


def chunk(delta: Wire | None = None, finish: str | None = None, **more: Any) -> Wire:
    """A chunk with one choice."""
    choice = {"index": 0, "delta": delta or {}, "finish_reason": finish}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": "m",
        "choices": [choice],
        **more,
    }


def streamed(*events: Wire | str, done: bool = True) -> Answer:
    """These chunks."""

    def answer(handler: Handler) -> None:
        handler.begin()
        for event in events:
            handler.event(event)
        if done:
            handler.event("[DONE]")
        handler.end()

    return answer


USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}


def said(*pieces: str, finish: str = "stop") -> Answer:
    """A text, piece by piece; its usage in a chunk without choices."""
    deltas = [chunk({"role": "assistant", "content": ""})]
    deltas += [chunk({"content": piece}) for piece in pieces]
    return streamed(*deltas, chunk(finish=finish), {**chunk(), "choices": [], "usage": USAGE})


def tool_call(
    index: int | None, call_id: str | None = None, name: str | None = None, arguments: str = ""
) -> Wire:
    """A piece of a call, as a delta."""
    function: Wire = {"arguments": arguments}
    if name is not None:
        function["name"] = name
    call: Wire = {"function": function}
    if index is not None:
        call["index"] = index
    if call_id is not None:
        call |= {"id": call_id, "type": "function"}
    return {"tool_calls": [call]}


def called(*calls: tuple[str, str, Wire | str], text: str = "") -> Answer:
    """Calls, each (id, name, arguments), their arguments in two pieces, all of them interleaved."""
    written = [(i, n, a if isinstance(a, str) else json.dumps(a)) for i, n, a in calls]
    deltas = [chunk({"content": text})] if text else []
    deltas += [chunk(tool_call(at, i, n)) for at, (i, n, _) in enumerate(written)]
    deltas += [chunk(tool_call(at, None, None, a[:4])) for at, (*_, a) in enumerate(written)]
    deltas += [chunk(tool_call(at, None, None, a[4:])) for at, (*_, a) in enumerate(written)]
    return streamed(*deltas, chunk(finish="tool_calls"))


# --- the Responses API


def events(*told: Wire) -> Answer:
    """These events of the Responses API."""

    def answer(handler: Handler) -> None:
        handler.begin()
        for number, event in enumerate(told):
            handler.event({"sequence_number": number, **event}, event["type"])
        handler.end()

    return answer


def _response(status: str, **more: Any) -> Wire:
    usage = {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}
    return {"id": "resp_api", "object": "response", "status": status, "usage": usage, **more}


def responded(*pieces: str, calls: Iterable[tuple[str, str, Wire]] = ()) -> Answer:
    """A text and calls, in the Responses API's events."""
    told: list[Wire] = [{"type": "response.created", "response": _response("in_progress")}]
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    if pieces:
        item = {"id": "msg_1", "type": "message", "role": "assistant", "content": []}
        told.append({"type": "response.output_item.added", "output_index": 0, "item": item})
        told += [{"type": "response.output_text.delta", **place, "delta": p} for p in pieces]
        told.append({"type": "response.output_text.done", **place, "text": "".join(pieces)})
        told.append({"type": "response.output_item.done", "output_index": 0, "item": item})
    for at, (call_id, name, arguments) in enumerate(calls, start=1):
        item = {"id": f"fc_{at}", "type": "function_call", "call_id": call_id, "name": name}
        item["arguments"] = ""
        told.append({"type": "response.output_item.added", "output_index": at, "item": item})
        text, where = json.dumps(arguments), {"item_id": f"fc_{at}", "output_index": at}
        piece = {"type": "response.function_call_arguments.delta", **where}
        told += [{**piece, "delta": text[:4]}, {**piece, "delta": text[4:]}]
        told.append({**piece, "type": "response.function_call_arguments.done", "arguments": text})
        item = {**item, "arguments": text}
        told.append({"type": "response.output_item.done", "output_index": at, "item": item})
    told.append({"type": "response.completed", "response": _response("completed")})
    return events(*told)


# --- what goes wrong


def refused(status: int, message: str = "no", **headers: str) -> Answer:
    """An HTTP error."""

    def answer(handler: Handler) -> None:
        body = {"error": {"message": message, "type": "some_error", "code": "some_code"}}
        handler.begin(status, "application/json", **headers)
        handler.write(json.dumps(body))
        handler.end()

    return answer


def cut_after(*events: Wire | str) -> Answer:
    """The link breaks after these chunks."""

    def answer(handler: Handler) -> None:
        handler.begin()
        for event in events:
            handler.event(event)
        handler.cut()

    return answer


def by_words(**answers: Answer) -> Answer:
    """Each question its own answer, whichever comes first: by the first word of what was said."""

    def answer(handler: Handler) -> None:
        words = handler.body["messages"][-1]["content"]
        answers[words.split()[0]](handler)

    return answer


def held(gate: Callable[[], object], *before: Wire, then: Answer | None = None) -> Answer:
    """Sends these chunks, then waits at a gate."""

    def answer(handler: Handler) -> None:
        if before:
            handler.begin()
            for event in before:
                handler.event(event)
        gate()
        if then is not None:
            then(handler)
        else:
            handler.close_connection = True

    return answer
