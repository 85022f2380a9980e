from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from realtime_sync import Tool, ToolContext
from realtime_sync.events.base import LocalEvent
from realtime_sync.routing import Router, Step

Call = Callable[..., Any]


class Driver:
    """Drives a router as a session does, but for the server."""

    def __init__(self, router: Router) -> None:
        self._routing = self
        self.router = router
        self.events: list[LocalEvent] = []

    def move(self, plan: Callable[[], Step], context: ToolContext) -> Any:
        step = plan()
        self.router.setting(step)
        self.router.take(step)
        self.events.append(step.event)
        return step.output

    def call(self, name: str, **arguments: Any) -> Any:
        """A call of the model's: the value, or the error it reads."""
        tool = next(t for t in self.router.setting().tools if t.name == name)
        assert isinstance(tool, Tool)
        context = ToolContext("call_1", name, self)
        return json.loads(tool.invoke(json.dumps(arguments), context).output)


@pytest.fixture
def drive() -> Callable[[Router], Driver]:
    """Makes a driver of a router that needs no tools of a session."""

    def new(router: Router) -> Driver:
        router.bind(())
        return Driver(router)

    return new


@pytest.fixture
def bakery() -> dict[str, Any]:
    """A table without faults."""
    return {
        "background": "You are the voice of a bakery.",
        "stages": {
            "order": {
                "accessible_from": "_start_",
                "goal": "Find out what the customer wants.",
                "outcomes": {
                    "ordered": {"description": "The order is clear.", "move_to": "payment"},
                    "nothing": {"description": "They want nothing.", "move_to": "_end_"},
                },
            },
            "payment": {
                "goal": "Have it paid.",
                "outcomes": {"paid": {"move_to": "_end_"}, "changed": {"move_to": "order"}},
            },
            "question": {
                "accessible_from": "_all_",
                "goal": "Answer a question.",
                "description": "The customer asks something about the bakery.",
                "outcomes": {"answered": {"move_to": "_backtrack_"}},
            },
            "complaint": {
                "accessible_from": ["payment", "question"],
                "goal": "Calm them down.",
                "outcomes": {"calm": {"move_to": "_backtrack_"}},
            },
        },
    }
