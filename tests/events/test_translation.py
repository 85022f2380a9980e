"""What a translation's server says."""

from __future__ import annotations

import json

from realtime_sync.events import translation
from realtime_sync.events.codec import client_event, dump, parse
from realtime_sync.events.server import SERVER_EVENTS, SessionUpdated


def test_all_four() -> None:
    """Each in the table of all server events."""
    ours = {getattr(translation, name) for name in translation.__all__}
    assert ours <= {*SERVER_EVENTS.values()}
    assert len(ours) == 4


def test_audio_is_decoded() -> None:
    """As that of a response is: bytes beside the base64."""
    event = parse('{"type":"session.output_audio.delta","delta":"AAEC","sample_rate":24000}')
    assert isinstance(event, translation.SessionOutputAudioDelta)
    assert (event.audio, event.sample_rate, event.format) == (b"\x00\x01\x02", 24000, None)


def test_its_session_is_a_session() -> None:
    """Of its own type, with the language to translate into."""
    session = {"type": "translation", "audio": {"output": {"language": "es"}}}
    event = parse(json.dumps({"type": "session.updated", "session": session}))
    assert isinstance(event, SessionUpdated)
    assert event.session.audio is not None
    assert event.session.audio.output is not None
    assert event.session.audio.output.language == "es"
    update = client_event({"type": "session.update", "session": {"audio": session["audio"]}})
    assert json.loads(dump(update))["session"] == {"audio": session["audio"]}
