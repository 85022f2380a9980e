"""`realtime-sync say` through a loudspeaker, without one."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import CliRunner

from realtime_sync.cli.group import group
from realtime_sync.errors import DeviceNotFound
from realtime_sync.local import LocalServer
from realtime_sync.local.speech import tones
from realtime_sync.runtime.clock import Event

SAID = "dinner is ready"


class Loudspeaker:
    """Takes its time over the first sound, and knows what had come when it was waited for."""

    def __init__(self) -> None:
        self.came = bytearray()
        self.heard: bytes | None = None
        self._waited = Event()

    def __call__(self, _device: Any) -> Loudspeaker:
        return self

    def __enter__(self) -> Loudspeaker:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def play(self, pcm: bytes, _item_id: str) -> None:
        if not self.came:
            self._waited.wait(0.3)
        self.came += pcm

    def finish(self, item_id: str) -> None:
        """It was all."""

    def wait_playback(self) -> None:
        self.heard = bytes(self.came)
        self._waited.set()


def test_all_of_it_is_heard(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command ends once all is played, also where sound is taken up late."""
    loudspeaker = Loudspeaker()
    monkeypatch.setattr("realtime_sync.audio.Speaker", loudspeaker)
    server.reply(SAID)
    done = CliRunner().invoke(group, ["say", SAID, "--url", server.url, "--api-key", "any"])
    assert done.exit_code == 0, done.output
    assert loudspeaker.heard == tones(SAID)


def test_without_a_loudspeaker(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line that says so, and that a file will do; nothing was asked."""

    def none(_device: Any) -> Any:
        raise DeviceNotFound("there is none")

    monkeypatch.setattr("realtime_sync.audio.Speaker", none)
    done = CliRunner().invoke(group, ["say", SAID, "--url", server.url, "--api-key", "any"])
    assert done.exit_code == 1
    assert done.output == "Error: there is none; a file will do: --save SAID.WAV\n"
    assert "response.create" not in [event["type"] for event in server.received]
