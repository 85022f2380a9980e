"""What servers are known to refuse, by table."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from realtime_sync.events.config import SessionConfig
from realtime_sync.events.misfits import SETTINGS, fitted

Json = dict[str, Any]


def put(path: str, value: Any) -> Json:
    """An object with a value at a path."""
    for step in reversed(path.split(".")):
        value = {step: value}
    made: Json = value
    return made


def fit(settings: Json, held: Json | None = None, kind: str = "session.update", **more: Any) -> Any:
    """What is left of settings, and the paths of what does not fit."""
    event = {"type": kind, "event_id": "e", SETTINGS[kind]: settings}
    before = copy.deepcopy(event)
    said, misfits = fitted(event, SessionConfig.model_validate(held or {}), **more)
    assert event == before, "changed in place"
    assert (said is event) is (not misfits)
    assert {**said, SETTINGS[kind]: None} == {**event, SETTINGS[kind]: None}
    return said[SETTINGS[kind]], [misfit.path for misfit in misfits]


PLAIN = [
    "gpt-realtime",
    "gpt-realtime-2025-08-28",
    "gpt-realtime-1.5",
    "gpt-realtime-mini-2025-12-15",
    "gpt-4o-realtime-preview-2024-12-17",
    "gpt-4o-mini-realtime-preview",
    "gpt-audio-1.5",
    "gpt-audio-mini",
]
OTHERS = ["gpt-realtime-2", "gpt-realtime-2.1", "gpt-realtime-2.1-mini", "gpt-realtime-3", "qwen"]
REASONING: Json = {"reasoning": {"effort": "low"}, "parallel_tool_calls": True}


@pytest.mark.parametrize("kind", SETTINGS)
@pytest.mark.parametrize("model", PLAIN)
def test_models_that_do_not_reason(model: str, kind: str) -> None:
    """Reasoning and parallel calls are left out for models that are known to have neither."""
    where = SETTINGS[kind]
    left, paths = fit({**REASONING, "instructions": "x"}, {"model": model}, kind)
    assert left == {"instructions": "x"}
    assert paths == [f"{where}.reasoning", f"{where}.parallel_tool_calls"]


@pytest.mark.parametrize("model", [*OTHERS, None])
def test_any_other_model(model: str | None) -> None:
    """Of a model that is not known nothing is left out."""
    transcription = {"model": "parrot-9", **dict.fromkeys(("prompt", "delay", "keywords"), "x")}
    settings = {**REASONING, **put("audio.input.transcription", transcription)}
    assert fit(settings, {"model": model}) == (settings, [])


@pytest.mark.parametrize(
    ("model", "takes"),
    [
        ("whisper-1", {"prompt"}),
        ("gpt-4o-transcribe", {"prompt"}),
        ("gpt-4o-mini-transcribe-2025-12-15", {"prompt"}),
        ("gpt-4o-transcribe-diarize", set()),
        ("gpt-transcribe", {"prompt", "keywords", "languages"}),
        ("gpt-live-transcribe", {"prompt", "keywords", "languages"}),
        ("gpt-realtime-whisper", {"delay"}),
    ],
)
def test_what_a_transcription_takes(model: str, takes: set[str]) -> None:
    """Each known model takes its own fields, named here or held by the server."""
    all_of_it = {"prompt": "p", "keywords": ["k"], "languages": ["en"], "delay": "low"}
    here = put("audio.input.transcription", {"model": model, "language": "en", **all_of_it})
    left, paths = fit(here)
    kept = {name: value for name, value in all_of_it.items() if name in takes}
    assert left == put("audio.input.transcription", {"model": model, "language": "en", **kept})
    assert {path.rpartition(".")[2] for path in paths} == set(all_of_it) - takes
    held = put("audio.input.transcription", {"model": model})
    left, _ = fit(put("audio.input.transcription", {"language": "de", **all_of_it}), held)
    assert left == put("audio.input.transcription", {"language": "de", **kept})


@pytest.mark.parametrize("model", ["gpt-realtime-whisper", "gpt-live-transcribe"])
def test_those_that_detect_no_turns(model: str) -> None:
    """Live transcription has no turn detection; null may be said, and other sessions have it."""
    sound = {"transcription": {"model": model}, "turn_detection": {"type": "server_vad"}}
    settings = {"type": "transcription", "audio": {"input": sound}}
    left, paths = fit(settings)
    assert left["audio"]["input"] == {"transcription": {"model": model}}
    assert paths == ["session.audio.input.turn_detection"]
    off = {"type": "transcription", "audio": {"input": {**sound, "turn_detection": None}}}
    assert fit(off) == (off, [])
    talking = {**settings, "type": "realtime"}
    assert fit(talking) == (talking, [])


@pytest.mark.parametrize(
    ("settings", "left", "path"),
    [
        (
            put("audio.input.turn_detection", {"type": "semantic_vad", "threshold": 0.5}),
            put("audio.input.turn_detection", {"type": "semantic_vad"}),
            "audio.input.turn_detection.threshold",
        ),
        (
            put("audio.input.turn_detection", {"type": "semantic_vad", "idle_timeout_ms": 6000}),
            put("audio.input.turn_detection", {"type": "semantic_vad"}),
            "audio.input.turn_detection.idle_timeout_ms",
        ),
        (
            put("audio.input.turn_detection", {"type": "server_vad", "eagerness": "low"}),
            put("audio.input.turn_detection", {"type": "server_vad"}),
            "audio.input.turn_detection.eagerness",
        ),
        (
            put("audio.input.turn_detection", {"type": "server_vad", "create_response": None}),
            put("audio.input.turn_detection", {"type": "server_vad"}),
            "audio.input.turn_detection.create_response",
        ),
        (
            put("audio.input.format", {"type": "audio/pcmu", "rate": 8000}),
            put("audio.input.format", {"type": "audio/pcmu"}),
            "audio.input.format.rate",
        ),
        (
            put("audio.output.format", {"type": "audio/pcma", "rate": 8000}),
            put("audio.output.format", {"type": "audio/pcma"}),
            "audio.output.format.rate",
        ),
        ({"tools": [], "tool_choice": "required"}, {"tools": []}, "tool_choice"),
        (
            {"output_modalities": ["text", "audio"]},
            {"output_modalities": ["audio"]},
            "output_modalities",
        ),
        ({"type": "transcription", "tools": []}, {"type": "transcription"}, "tools"),
        (
            {"type": "transcription", **put("audio.output.voice", "ash")},
            {"type": "transcription"},
            "audio.output",
        ),
    ],
)
def test_combinations(settings: Json, left: Json, path: str) -> None:
    """What is known to be refused is left out, or said in the form that is taken."""
    assert fit(settings) == (left, [f"session.{path}"])


@pytest.mark.parametrize(
    "settings",
    [
        {"output_modalities": ["text"]},
        {"output_modalities": ["audio", "film"]},
        {"output_modalities": None},
        {"tool_choice": "required"},
        {"tools": [], "tool_choice": "none"},
        put("audio.input.turn_detection", None),
        put("audio.input.turn_detection", {"threshold": 0.5, "eagerness": "low"}),
        put("audio.input.turn_detection", {"type": "other_vad", "threshold": 0.5}),
        put("audio.input.turn_detection", 5),
        put("audio.input.format", {"type": "audio/pcm", "rate": 24000}),
        put("audio.input.transcription", None),
        {"audio": None},
        {"future": {"x": 1}},
        {"temperature": 0.8},  # GA has lost it: whoever still sends it is told so by the server
        {},
    ],
)
def test_what_fits(settings: Json) -> None:
    """Everything else is the server's to judge."""
    for kind in SETTINGS:
        assert fit(settings, kind=kind) == (settings, [])


@pytest.mark.parametrize("settings", [None, 5, []])
def test_no_settings(settings: Any) -> None:
    """Without settings there is nothing to fit."""
    assert fit(settings, kind="response.create") == (settings, [])


def test_what_the_beta_has() -> None:
    """The beta takes both modalities."""
    settings = {"output_modalities": ["text", "audio"]}
    assert fit(settings, beta=True) == (settings, [])
    assert fit({"reasoning": {}}, {"model": "gpt-realtime"}, beta=True)[1] == ["session.reasoning"]


@pytest.mark.parametrize(
    ("detection", "held", "odd"),
    [
        ({"create_response": False}, None, True),
        ({"create_response": False}, True, True),
        ({"create_response": False, "interrupt_response": True}, False, True),
        ({"create_response": False}, False, False),
        ({"create_response": False, "interrupt_response": False}, True, False),
        ({"create_response": True, "interrupt_response": True}, None, False),
        ({}, True, False),
    ],
)
def test_speech_that_only_interrupts(detection: Json, held: bool | None, odd: bool) -> None:
    """No responses by themselves, but interruptions: that is sent, and named."""
    settings = put("audio.input.turn_detection", {"type": "server_vad", **detection})
    before = put("audio.input.turn_detection", {"type": "server_vad", "interrupt_response": held})
    said = fit(settings, before if held is not None else None)
    assert said == (settings, ["session.audio.input.turn_detection"] if odd else [])
