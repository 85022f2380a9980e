"""The session's configuration: short forms, flat fields, what is refused."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from realtime_sync.errors import ConfigurationError
from realtime_sync.events.config import (
    FLAT_FIELDS,
    NOT_GIVEN,
    RESPONSE_FIELDS,
    AudioConfig,
    OutputAudioConfig,
    SessionConfig,
    nest,
    session_config,
)


@pytest.mark.parametrize(
    ("fields", "wire"),
    [
        (
            {"turn_detection": "semantic_vad"},
            {"input": {"turn_detection": {"type": "semantic_vad"}}},
        ),
        ({"turn_detection": None}, {"input": {"turn_detection": None}}),
        ({"transcription": "whisper-1"}, {"input": {"transcription": {"model": "whisper-1"}}}),
        ({"noise_reduction": "far_field"}, {"input": {"noise_reduction": {"type": "far_field"}}}),
        (
            {"input_format": "audio/pcm"},
            {"input": {"format": {"type": "audio/pcm", "rate": 24000}}},
        ),
        ({"output_format": "audio/pcmu"}, {"output": {"format": {"type": "audio/pcmu"}}}),
        (
            {"voice": {"id": "voice_1"}, "speed": 1.5},
            {"output": {"voice": {"id": "voice_1"}, "speed": 1.5}},
        ),
        (
            {"turn_detection": {"type": "server_vad", "threshold": 0.5, "new": 1}},
            {"input": {"turn_detection": {"type": "server_vad", "threshold": 0.5, "new": 1}}},
        ),
    ],
)
def test_short_forms(fields: dict[str, Any], wire: dict[str, Any]) -> None:
    """Each goes to its place on the wire, in the wire's shape."""
    assert session_config(None, fields).wire() == {"audio": wire}


def test_flat_fields_beat_the_config() -> None:
    """Only the fields given; the rest of the config stays, whatever it was made of."""
    rest = {"instructions": "a", "audio": {"output": {"voice": "cedar", "speed": 1}}}
    expected = {"instructions": "a", "audio": {"output": {"voice": "marin", "speed": 1}}}
    before = copy.deepcopy(rest)
    values: list[Any] = [
        rest,
        SessionConfig.model_validate(rest),
        {"instructions": "a", "audio": AudioConfig.model_validate(rest["audio"])},
        {"instructions": "a", "audio": {"output": OutputAudioConfig(voice="cedar", speed=1)}},
    ]
    for config in values:
        assert session_config(config, {"voice": "marin", "speed": NOT_GIVEN}).wire() == expected
    assert rest == before
    assert session_config({"audio": None}, {"voice": "marin"}).wire()["audio"] == {
        "output": {"voice": "marin"}
    }


def test_every_flat_field_exists() -> None:
    """No flat spelling leads to an unknown field."""
    for table, model in ((FLAT_FIELDS, SessionConfig),):
        for path in table.values():
            assert path[0] in model.model_fields
    assert RESPONSE_FIELDS["voice"] == FLAT_FIELDS["voice"]


@pytest.mark.parametrize(
    ("config", "fields", "names"),
    [
        (None, {"instructions": None}, "instructions"),
        (None, {"speed": 2}, "audio.output.speed"),
        (None, {"speed": float("nan")}, "audio.output.speed"),
        (None, {"turn_detection": {"threshold": 2}}, "threshold"),
        (None, {"turn_detection": {"idle_timeout_ms": 5}}, "idle_timeout_ms"),
        (None, {"max_output_tokens": 0}, "max_output_tokens"),
        (
            None,
            {"truncation": {"type": "retention_ratio", "retention_ratio": 7}},
            "truncation.retention_ratio",
        ),
        (None, {"max_output_tokens": True}, "max_output_tokens"),
        (None, {"max_output_tokens": "all"}, "max_output_tokens"),
        ({"audio": "loud"}, {}, "audio"),
        ({"audio": "loud"}, {"voice": "marin"}, "voice"),
        ({"tools": {}}, {}, "tools"),
    ],
)
def test_refused(config: Any, fields: dict[str, Any], names: str) -> None:
    """What the wire has no place for; the message names the field."""
    with pytest.raises(ConfigurationError, match=names):
        session_config(config, fields)


def test_wrong_kinds() -> None:
    """A config that is none, and a name that there is not."""
    with pytest.raises(TypeError, match="config"):
        session_config(5, {})  # type: ignore[arg-type]  # the point of it
    with pytest.raises(TypeError, match="temperature"):
        nest({}, {"temperature": 1}, FLAT_FIELDS)


@pytest.mark.parametrize("value", [1, 4096, "inf"])
def test_max_output_tokens(value: int | str) -> None:
    """A number from 1 to 4096, or "inf"; sent as given."""
    assert session_config(None, {"max_output_tokens": value}).wire() == {"max_output_tokens": value}


def test_not_given() -> None:
    """One object, false, and itself after a pickle."""
    assert not NOT_GIVEN
    assert pickle.loads(pickle.dumps(NOT_GIVEN)) is NOT_GIVEN
    assert repr(NOT_GIVEN) == "NOT_GIVEN"
