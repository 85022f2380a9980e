"""How a session update merges."""

from __future__ import annotations

from typing import Any

from realtime_sync.local.settings import SESSION, default_session, merged


def after(*updates: dict[str, Any]) -> dict[str, Any]:
    session = default_session("sess_1", "m", 0)
    for update in updates:
        SESSION({"type": "realtime", **update}, "session")
        session = merged(session, {"type": "realtime", **update})
    return session


def audio_input(**fields: Any) -> dict[str, Any]:
    return {"audio": {"input": fields}}


def test_null_switches_off() -> None:
    """null takes the four switches away."""
    names = ("turn_detection", "transcription", "noise_reduction")
    on = audio_input(transcription={"model": "whisper-1"}, noise_reduction={"type": "far_field"})
    off = after(on, audio_input(**dict.fromkeys(names)), {"tracing": None})
    assert [off["audio"]["input"][name] for name in names] == [None] * 3


def test_turn_detection_keeps_the_rest_of_its_kind() -> None:
    """Fields of the same kind stay; another kind starts from its defaults."""
    first = audio_input(turn_detection={"type": "server_vad", "threshold": 0.9})
    same = audio_input(turn_detection={"type": "server_vad", "create_response": False})
    detection = after(first, same)["audio"]["input"]["turn_detection"]
    assert (detection["threshold"], detection["create_response"]) == (0.9, False)
    assert detection["silence_duration_ms"] == 200
    semantic = audio_input(turn_detection={"type": "semantic_vad"})
    assert after(first, semantic)["audio"]["input"]["turn_detection"] == {
        "type": "semantic_vad",
        "eagerness": "auto",
        "create_response": True,
        "interrupt_response": True,
    }


def test_transcription_is_reported_with_its_defaults() -> None:
    """language and prompt are reported as null."""
    session = after(audio_input(transcription={"model": "gpt-4o-transcribe"}))
    assert session["audio"]["input"]["transcription"] == {
        "model": "gpt-4o-transcribe",
        "language": None,
        "prompt": None,
    }


def test_noise_reduction_keeps_its_strength() -> None:
    """A strength left out of an update stays; the first is 1."""
    first = audio_input(noise_reduction={"type": "far_field"})
    assert after(first)["audio"]["input"]["noise_reduction"] == {"type": "far_field", "strength": 1}
    weaker = audio_input(noise_reduction={"strength": 0.5})
    again = audio_input(noise_reduction={"type": "near_field"})
    assert after(first, weaker, again)["audio"]["input"]["noise_reduction"] == {
        "type": "near_field",
        "strength": 0.5,
    }


def test_formats_are_reported_in_full() -> None:
    """PCM names its rate, G.711 has none, and one does not leave traces in the other."""
    session = after(
        audio_input(format={"type": "audio/pcm"}),
        {"audio": {"output": {"format": {"type": "audio/pcma"}}}},
    )
    assert session["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 24000}
    assert session["audio"]["output"]["format"] == {"type": "audio/pcma"}


def test_objects_at_the_top_are_replaced() -> None:
    """tools and tool_choice are replaced whole."""
    tools = [{"type": "function", "name": "f"}]
    session = after({"tools": tools}, {"tools": [], "tool_choice": "none"})
    assert (session["tools"], session["tool_choice"]) == ([], "none")


def test_nothing_is_shared() -> None:
    """A later change of the update does not reach the session."""
    tools: list[Any] = [{"type": "function", "name": "f"}]
    session = after({"tools": tools})
    tools[0]["name"] = "g"
    assert session["tools"][0]["name"] == "f"
