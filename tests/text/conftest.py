from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from realtime_sync.text import ChatSession

from .api import Api


@pytest.fixture
def api() -> Iterator[Api]:
    """A scripted API."""
    with Api() as running:
        yield running


@pytest.fixture
def chat(api: Api) -> Iterator[Callable[..., ChatSession]]:
    """Makes chats with that API; they are closed at the end."""
    made: list[ChatSession] = []

    def new(**arguments: Any) -> ChatSession:
        arguments.setdefault("base_url", api.url)
        arguments.setdefault("max_retries", 0)
        session = ChatSession("gpt-text", **arguments)
        made.append(session)
        return session

    yield new
    for session in made:
        session.close()
