"""What is told of responses and errors, by the names of the conventions. Watches nothing."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from ..runtime.clock import monotonic

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from ..core.usage import Metrics
    from ..response import Response

__all__ = [
    "Attributes",
    "end",
    "epoch",
    "facts",
    "failure_of",
    "first_word",
    "kind_of",
    "messages",
]

_REASONS = {"completed": "stop", "failed": "error"}
_INCOMPLETE = {"max_output_tokens": "length"}

Attributes = dict[str, Any]


def epoch(moment: float | None) -> int:
    """A moment of the monotonic clock in nanoseconds since 1970; None: now."""
    now = time.time_ns()
    return now if moment is None else now - int((monotonic() - moment) * 1e9)


def end(span: Span, attributes: Attributes, error: Any, ended: int | None = None) -> None:
    from opentelemetry.trace import Status, StatusCode

    span.set_attributes(attributes)
    if error:
        named = isinstance(error, (str, BaseException))
        said = str(error) if named else attributes.get("error.type")
        span.set_status(Status(StatusCode.ERROR, said))
    span.end(ended)


def kind_of(error: Any) -> str:
    """What kind of error it is: the server's code, where it has a name, or its class."""
    if isinstance(error, str):  # of a tool: the kind, and why
        return error.partition(":")[0]
    code = getattr(error, "code", None)
    return code if isinstance(code, str) else type(error).__name__


def failure_of(response: Response, error: Any) -> Attributes:
    if error is not None or response.status == "lost":
        return {"error.type": "ConnectionLost" if error is None else kind_of(error)}
    if response.status != "failed":
        return {}
    details = response.status_details
    told = details.error if details is not None else None
    return {"error.type": (told and (told.code or told.type)) or "ResponseFailed"}


def facts(response: Response, timed: Metrics | None) -> Attributes:
    """What there is to say of a response that has ended, without its words."""
    wire, usage = response._record.object, response.usage
    details = usage.input_token_details if usage is not None else None
    modalities = wire.output_modalities or ()
    limit = wire.max_output_tokens
    known = {
        "gen_ai.response.id": response.id,
        "gen_ai.response.finish_reasons": (_reason(response),),
        "gen_ai.response.time_to_first_chunk": first_word(timed),
        "gen_ai.output.type": modalities and ("speech" if "audio" in modalities else "text"),
        "gen_ai.request.stream": True,
        "gen_ai.request.max_tokens": limit if isinstance(limit, int) else None,
        "gen_ai.usage.input_tokens": usage and usage.input_tokens,
        "gen_ai.usage.output_tokens": usage and usage.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": details and details.cached_tokens,
    }
    return {name: value for name, value in known.items() if value not in (None, ())}


def _reason(response: Response) -> str:
    if response.function_calls and response.status == "completed":
        return "tool_calls"
    details = response.status_details
    reason = details.reason if details is not None and response.status == "incomplete" else None
    known = _REASONS.get(response.status, response.status)
    return _INCOMPLETE.get(reason, reason) if reason else known


def first_word(timed: Metrics | None) -> float | None:
    """Seconds to the first text or audio."""
    told = (timed.first_text, timed.first_audio) if timed is not None else ()
    return min((moment for moment in told if moment is not None), default=None)


def messages(response: Response) -> str:
    parts: list[Attributes] = []
    if response.text:
        parts.append({"type": "text", "content": response.text})
    for call in response.function_calls:
        given = {"id": call.call_id, "name": call.name, "arguments": call.arguments}
        parts.append({"type": "tool_call", **given})
    message = {"role": "assistant", "parts": parts, "finish_reason": _reason(response)}
    return json.dumps([message], ensure_ascii=False)
