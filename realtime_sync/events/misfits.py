"""What servers are known to refuse, by table: it is left out, so that a session need not fail.

Any model's name is accepted, and of one that is not known nothing is left out. Decoded JSON in and
out: no model, no socket, no state; nothing is changed in place. Source: wire.md (b), (c), (g), (j).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from .beta import NOTHING, Json, Path, kind_of, look, take
from .config import SessionConfig

__all__ = ["SETTINGS", "Misfit", "fitted"]

#: Client events with settings, and where those are.
SETTINGS = {"session.update": "session", "response.create": "response"}

_DATE = re.compile(r"-\d{4}-\d{2}-\d{2}$")

#: Realtime models that are known not to reason; dates aside.
_PLAIN_MODELS = frozenset({
    "gpt-realtime", "gpt-realtime-1.5", "gpt-realtime-mini", "gpt-4o-realtime-preview",
    "gpt-4o-mini-realtime-preview", "gpt-audio", "gpt-audio-1.5", "gpt-audio-mini",
})  # fmt: skip

#: Transcription model -> what it takes of the fields that not all take; dates aside.
_TAKES: dict[str, frozenset[str]] = {
    "whisper-1": frozenset({"prompt"}),
    "gpt-4o-transcribe": frozenset({"prompt"}),
    "gpt-4o-mini-transcribe": frozenset({"prompt"}),
    "gpt-4o-transcribe-diarize": frozenset(),
    "gpt-transcribe": frozenset({"prompt", "keywords", "languages"}),
    "gpt-live-transcribe": frozenset({"prompt", "keywords", "languages"}),
    "gpt-realtime-whisper": frozenset({"delay"}),
}
#: Those that write down while it is said, where the client commits by itself.
_LIVE = frozenset({"gpt-live-transcribe", "gpt-realtime-whisper"})

_DETECTION: Path = ("audio", "input", "turn_detection")
_TRANSCRIPTION: Path = ("audio", "input", "transcription")


class Misfit(NamedTuple):
    """A setting that does not fit, by its path, e.g. "session.reasoning"; and what about it."""

    path: str
    said: str


class _Around(NamedTuple):
    """What stands around a setting."""

    settings: Json  # all of this event
    kind: str  # "realtime" or "transcription"; "response" of `response.create`
    model: str  # without its date; "" where it is not known
    transcriber: str  # the same of the transcription
    interrupts: Any  # what the server holds of `interrupt_response`


class _Rule(NamedTuple):
    """When a setting does not fit, and what it becomes."""

    path: Path
    why: Callable[[Any, _Around], str | None]  # None: it fits
    becomes: Any = NOTHING  # left out
    beta: bool = True  # also in the beta dialect


def _reasons(_: Any, around: _Around) -> str | None:
    return f"{around.model} does not reason" if around.model in _PLAIN_MODELS else None


def _takes(field: str) -> Callable[[Any, _Around], str | None]:
    def why(_: Any, around: _Around) -> str | None:
        takes = _TAKES.get(around.transcriber)
        fits = takes is None or field in takes
        return None if fits else f"{around.transcriber} does not take it"

    return why


def _live(value: Any, around: _Around) -> str | None:
    if value is None or around.kind != "transcription" or around.transcriber not in _LIVE:
        return None
    return f"{around.transcriber} detects no turns: commit by input_audio_buffer.commit()"


def _only_of(kind: str) -> Callable[[Any, _Around], str | None]:
    """A field of one kind of turn detection."""

    def why(_: Any, around: _Around) -> str | None:
        detection = kind_of(look(around.settings, _DETECTION))
        other = detection in ("server_vad", "semantic_vad") and detection != kind
        return f"{detection} does not have it" if other else None

    return why


def _no_bool(value: Any, _: _Around) -> str | None:
    return "the wire has no null here, only true and false" if value is None else None


def _rate(side: str) -> Callable[[Any, _Around], str | None]:
    def why(_: Any, around: _Around) -> str | None:
        form = kind_of(look(around.settings, ("audio", side, "format")))
        telephone = form in ("audio/pcmu", "audio/pcma")
        return f"{form} has no rate on the wire: it is always 8000" if telephone else None

    return why


def _both(value: Any, _: _Around) -> str | None:
    both = isinstance(value, list) and sorted(map(str, value)) == ["audio", "text"]
    return 'it is one of the two: ["audio"], which brings its transcript along' if both else None


def _no_tools(value: Any, around: _Around) -> str | None:
    nothing = value == "required" and around.settings.get("tools") == []
    return "there are no tools to choose from" if nothing else None


def _of_responses(_: Any, around: _Around) -> str | None:
    return "a transcription session has no responses" if around.kind == "transcription" else None


_RULES: tuple[_Rule, ...] = (
    _Rule(("reasoning",), _reasons),
    _Rule(("parallel_tool_calls",), _reasons),
    _Rule(("output_modalities",), _both, ["audio"], beta=False),
    _Rule(("tool_choice",), _no_tools),
    *(
        _Rule((*_TRANSCRIPTION, name), _takes(name))
        for name in ("delay", "keywords", "languages", "prompt")
    ),
    *(
        _Rule((*_DETECTION, name), _only_of("server_vad"))
        for name in ("threshold", "prefix_padding_ms", "silence_duration_ms", "idle_timeout_ms")
    ),
    _Rule((*_DETECTION, "eagerness"), _only_of("semantic_vad")),
    _Rule((*_DETECTION, "create_response"), _no_bool),
    _Rule((*_DETECTION, "interrupt_response"), _no_bool),
    _Rule(_DETECTION, _live),
    _Rule(("audio", "input", "format", "rate"), _rate("input")),
    _Rule(("audio", "output", "format", "rate"), _rate("output")),
    *(
        _Rule(path, _of_responses)
        for path in (
            ("audio", "output"),
            *((name,) for name in (
                "instructions", "max_output_tokens", "output_modalities", "parallel_tool_calls",
                "prompt", "reasoning", "tool_choice", "tools", "tracing", "truncation",
            )),
        )
    ),
)  # fmt: skip


def _still_interrupts(value: Any, around: _Around) -> str | None:
    interrupts = value.get("interrupt_response", around.interrupts) if type(value) is dict else None
    if interrupts is False or kind_of(value) == "" or value.get("create_response") is not False:
        return None
    return (
        "with create_response off, interrupt_response still lets speech cancel a response, and no "
        "other follows by itself; set it to False, or leave create_response on"
    )


#: What is sent, but hardly meant so.
_ODD: tuple[_Rule, ...] = (_Rule(_DETECTION, _still_interrupts),)


#: Settings that one of them is about.
_RULED = frozenset(rule.path[0] for rule in (*_RULES, *_ODD))


def fitted(event: Json, held: SessionConfig, *, beta: bool = False) -> tuple[Json, list[Misfit]]:
    """A `session.update` or `response.create` without what its server is known to refuse.

    Args:
        event: What servers are not known to refuse stays, whatever it is.
        held: The session as the server reports it: its model decides what fits.
        beta: Whether it is to be said in the beta dialect, which has some of it.

    Returns:
        The event, the same object where all fits; and what does not fit. A setting that is only
        odd is named too, and stays.
    """
    where = SETTINGS[event["type"]]
    settings = event.get(where)
    if type(settings) is not dict or _RULED.isdisjoint(settings):
        return event, []
    around = _around(settings, where, held)
    lean, misfits = dict(settings), []
    for rule in _RULES:
        value = look(lean, rule.path)
        if value is NOTHING or (beta and not rule.beta):
            continue
        why = rule.why(value, around)
        if why is not None:
            take(lean, rule.path)
            done = "left out"
            if rule.becomes is not NOTHING:
                lean[rule.path[0]], done = rule.becomes, f"sent as {rule.becomes}"
            misfits.append(Misfit(".".join((where, *rule.path)), f"{done}: {why}"))
    for rule in _ODD:
        why = rule.why(look(lean, rule.path), around)
        if why is not None:
            misfits.append(Misfit(".".join((where, *rule.path)), why))
    return ({**event, where: lean} if misfits else event), misfits


def _around(settings: Json, where: str, held: SessionConfig) -> _Around:
    sound = held.audio.input if held.audio is not None else None
    transcription = sound.transcription if sound is not None else None
    detection = sound.turn_detection if sound is not None else None
    model = look(settings, (*_TRANSCRIPTION, "model"))
    if not isinstance(model, str):
        model = transcription.model if transcription is not None else None
    return _Around(
        settings,
        kind="response" if where == "response" else kind_of(settings) or held.type or "realtime",
        model=_DATE.sub("", held.model or ""),
        transcriber=_DATE.sub("", model or ""),
        interrupts=detection.interrupt_response if detection is not None else None,
    )
