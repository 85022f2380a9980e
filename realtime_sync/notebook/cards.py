"""Responses, items, conversations, sessions and figures, as a person reads them in a notebook.

Each is HTML of what it was when it was asked for; nothing here changes anything, or waits. From any
thread.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from ..runtime.clock import monotonic
from .markup import FAINT, Markup, box, element, lines, table
from .sound import player

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..core.stats import SessionStats
    from ..core.usage import Metrics, SessionUsage
    from ..events.items import Item
    from ..living import Living
    from ..resources.conversation import Conversation
    from ..response import Response

__all__ = [
    "conversation_card",
    "item_card",
    "response_card",
    "session_card",
    "stats_card",
    "transcript",
    "usage_card",
]

_GREEN, _AMBER, _RED, _GREY = "#2da44e", "#bf8700", "#d1424d", "#8c8c8c"
#: Those that are read on white and on black.
_COLOURS = {
    **dict.fromkeys(("open", "completed"), _GREEN),
    **dict.fromkeys(("connecting", "reconnecting", "in_progress"), _AMBER),
    **dict.fromkeys(("failed", "lost", "incomplete", "cancelled"), _RED),
}
_CODE = "font-family:monospace;font-size:.9em;min-width:0"
_NEWEST = 100  # items of a conversation that are shown
_LONG = 4_000  # characters of an item that are; calls and outputs bring whatever a tool returns


# --- what was said


def response_card(response: Response, audio_format: str) -> str:
    """A response: its words, its sound, its calls; its status, timings and tokens.

    Args:
        response: Running or done.
        audio_format: Of its audio: "audio/pcm", "audio/pcmu" or "audio/pcma".
    """
    said = response.text
    parts = [lines(said)] if said else []
    if audio := response.audio:
        parts.append(player(audio, audio_format, instead="response.audio has it"))
    parts += [_call(item) for item in response.output if item.type.endswith("_call")]
    return box(*parts, element("div", *_ended(response), style=FAINT))


def _ended(response: Response) -> list[str]:
    words: list[str] = [_state(response.status, _reason(response))]
    if response.metrics is not None:
        words += _timings(response.metrics)
    if response.usage is not None and response.usage.total_tokens:
        words.append(f"{response.usage.total_tokens} tokens")
    return [words[0], "".join(f" · {word}" for word in words[1:])]


def _reason(response: Response) -> str:
    details = response.status_details
    if details is None or response.status == "completed":
        return ""
    if details.error is not None:
        error = details.error
        return ": ".join(one for one in (error.code or error.type, error.message) if one)
    return details.reason or ""


def _state(word: str, why: str = "") -> Markup:
    colour = _COLOURS.get(word, _GREY)
    dot = element("span", "● ", style=f"color:{colour}")
    shown = word.replace("_", " ")
    return element("span", dot, f"{shown}: {why}" if why else shown, dir="auto")


def _timings(metrics: Metrics) -> list[str]:
    told = {
        "first audio": metrics.first_audio,
        "first text": metrics.first_text if metrics.first_audio is None else None,
        "done": metrics.done,
    }
    return [f"{what} after {_seconds(at)}" for what, at in told.items() if at is not None]


def _seconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _cut(text: str) -> str:
    return text if len(text) <= _LONG else f"{text[:_LONG]} … ({len(text)} characters)"


def _call(item: Item) -> Markup:
    words = f"{item.name or item.type}({_cut(item.arguments or '')})"
    return lines(f"→ {words}", _CODE)


# --- items


def item_card(item: Item) -> str:
    """One item, by itself."""
    return box(_entry(item))


def conversation_card(conversation: Conversation) -> str:
    """A conversation, as a transcript; with sound where the session keeps it."""
    formats: dict[str, str] = conversation._session._look(
        lambda s: {role: s.audio_format(way) for role, way in _DIRECTIONS.items()}
    )
    return box(*transcript(conversation.items, formats))


#: Whose audio goes which way.
_DIRECTIONS = {"user": "input", "assistant": "output"}


def transcript(items: Iterable[Item], formats: dict[str, str] | None = None) -> list[str]:
    """The newest hundred items, one below the other, and how many there were before them.

    Args:
        items: In order.
        formats: Role -> the format of its audio, as of `response_card`; None: none of it is played.

    Returns:
        HTML, a part for each item or player.
    """
    known = list(items)
    shown = known[-_NEWEST:]
    parts: list[str] = []
    if len(known) > len(shown):
        parts.append(element("div", f"… {len(known) - len(shown)} earlier items", style=FAINT))
    for item in shown:
        parts.append(_entry(item))
        audio = item.audio if formats is not None and item.role in formats else None
        if formats is not None and audio:
            parts.append(player(audio, formats[item.role or ""], instead="item.audio has it"))
    return parts or [element("div", "nothing was said yet", style=FAINT)]


def _entry(item: Item) -> Markup:
    if item.type != "message":
        return _row(_call(item) if item.output is None else _output(item))
    mark = "" if item.status in (None, "completed") else f" ({item.status.replace('_', ' ')})"
    who = element("b", item.role or "message")
    return _row(lines(_cut(item.text or "") or _unwritten(item), "min-width:0"), who, mark)


def _row(said: Markup, *who: str) -> Markup:
    name = element("span", *who, style=f"{FAINT};flex:none;width:6.5em")
    style = "display:flex;align-items:baseline;gap:.6em;margin:.15em 0"
    return element("div", name, said, style=style)


def _unwritten(item: Item) -> str:
    kinds = {(part.type or "").rpartition("_")[2] for part in item.content or ()} - {"", "text"}
    return f"[{', '.join(sorted(kinds)) or 'no words'}]"


def _output(item: Item) -> Markup:
    name = f"{item.name}: " if item.name else ""
    return lines(f"← {name}{_cut(item.output or '')}", _CODE)


# --- sessions


def session_card(session: Living) -> str:
    """How a session stands: state, model, place, what it has done, what it is about to do."""
    config, stats = session.config, session.stats()
    error = session._connection.error
    head = element(
        "div",
        _state(stats.state, str(error) if error is not None and stats.state == "closed" else ""),
        element("span", f"  {type(session).__name__}", style=FAINT),
    )
    voice = config.audio.output.voice if config.audio and config.audio.output else None
    model = config.model or session._setup.asked_model
    done = ", ".join(f"{count} {status}" for status, count in stats.responses.items())
    items = len(session._look(lambda s: s.conversation.items()))
    median = stats.timings.get("first_audio") or stats.timings.get("first_text")
    rows = {
        "model": model or "",
        "voice": voice if isinstance(voice, str) else "" if voice is None else "custom",
        "server": session._setup.where,
        # of one that is closed, when it was opened: how long it was open is not known any more
        "opened" if stats.state == "closed" else "since": _since(session, stats.state),
        "conversation": _count(items, "item") if items else "",
        "turns": str(session._look(lambda s: s.sequencer.finished) or ""),
        "responses": done,
        "answers after": f"{_seconds(median.p50)} (median)" if median is not None else "",
        "tokens": _tokens(stats.usage),
        "pending": ", ".join(_pending(session, stats)),
    }
    return box(head, table([(name, value) for name, value in rows.items() if value]))


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" + "s" * (number != 1)


def _since(session: Living, state: str) -> str:
    opened = session._connection.opened
    if opened is None or state == "new":
        return ""
    age = monotonic() - opened
    began = f"{datetime.now() - timedelta(seconds=age):%H:%M:%S}"
    return began if state == "closed" else f"{began} ({_age(age)})"


def _age(seconds: float) -> str:
    minutes = int(seconds) // 60
    if not minutes:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _tokens(usage: SessionUsage) -> str:
    if not usage.total_tokens:
        return ""
    cached = f", {usage.cached_tokens} of them cached" if usage.cached_tokens else ""
    return f"{usage.total_tokens}: {usage.input_tokens} in{cached}, {usage.output_tokens} out"


def _pending(session: Living, stats: SessionStats) -> list[str]:
    """What is under way, or waits."""

    def look(state: Any) -> tuple[int, int, int]:
        calls = [out for turn in state.sequencer.turns for out in turn.calls.values()]
        return len(state.running.responses), len(state.sequencer.jobs), calls.count(None)

    if stats.state in ("new", "closed"):
        return []
    running, queued, tools = session._look(look)
    counts = {"response": running, "queued response": queued, "tool call": tools}
    words = [_count(number, thing) for thing, number in counts.items() if number]
    return words + ([f"{stats.queued_bytes} bytes to send"] if stats.queued_bytes else [])


# --- figures


def usage_card(usage: SessionUsage) -> str:
    """Tokens and seconds that were used, by kind; without those that are 0."""
    from dataclasses import fields

    rows = [
        (one.name.replace("_", " "), f"{value:g}")
        for one in fields(usage)
        if (value := getattr(usage, one.name))
    ]
    return box(table(rows or [("responses", "0")]))


def stats_card(stats: SessionStats) -> str:
    """Responses and their timings, then what else is counted and is not 0."""
    done = ", ".join(f"{count} {status}" for status, count in stats.responses.items())
    points = ("p50", "p90", "p95", "max")
    timings = [
        (name.replace("_", " "), *(_figure(name, getattr(spread, p)) for p in points))
        for name, spread in stats.timings.items()
    ]
    counted = {
        "events received": stats.events_received,
        "events sent": stats.events_sent,
        "unknown events": stats.unknown_events,
        "dropped deltas": stats.dropped_deltas,
        "bytes to send": stats.queued_bytes,
        "reconnects": stats.reconnects,
        "underruns": stats.underruns,
        "dropped audio, ms": stats.dropped_audio_ms,
    }
    rows = [("responses", done or "none"), ("tokens", _tokens(stats.usage) or "none")]
    rows += [(name, f"{value:g}") for name, value in counted.items() if value]
    head = element("div", _state(stats.state))
    return box(head, table(rows), *([table(timings, ("", *points))] if timings else []))


def _figure(name: str, value: float) -> str:
    return f"{value:.1f}/s" if name == "tokens_per_second" else _seconds(value)
