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


@pytest.fixture(scope="module")
def connections() -> Iterator[openai.OpenAI]:
    """Its making takes longer than most tests."""
    with openai.OpenAI(base_url="http://127.0.0.1", api_key="x", max_retries=0, timeout=30) as made:
        yield made


@pytest.fixture
def client(server: LocalServer, connections: openai.OpenAI) -> openai.OpenAI:
    """The openai package's own, which asks once."""
    return connections.with_options(base_url=server.url)
