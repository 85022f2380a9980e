from __future__ import annotations

from collections.abc import Iterator

import openai
import pytest

from realtime_sync.local import LocalServer


@pytest.fixture
def server() -> Iterator[LocalServer]:
    """A running server without pacing."""
    with LocalServer(speed=None, voice="tones") as running:
        yield running


@pytest.fixture
def client(server: LocalServer) -> Iterator[openai.OpenAI]:
    """The openai package's own, which asks once."""
    with openai.OpenAI(base_url=server.url, api_key="x", max_retries=0, timeout=10) as made:
        yield made
