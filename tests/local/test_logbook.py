"""What the log of the embedded server says of sessions."""

from __future__ import annotations

import logging

import pytest

from realtime_sync import McpTool, RealtimeSession
from realtime_sync.local import LocalServer
from realtime_sync.local.answers import McpCall


@pytest.mark.parametrize("late", [False, True])
def test_a_turn_with_mcp_calls_has_one_line(late: bool, caplog: pytest.LogCaptureFixture) -> None:
    """The response that calls and the one that tells of the result are one turn."""
    docs = McpTool("docs", server_url="https://x/mcp", require_approval="never")
    with (
        caplog.at_level(logging.INFO, "realtime_sync.local.logbook"),
        LocalServer(speed=None, voice="tones") as server,
    ):
        server.script.mcp("docs", {"search": "a page"}, late=late)
        server.reply(McpCall("docs", "search", '{"q":"x"}'), "found")
        with RealtimeSession(
            endpoint=server.endpoint, output_modalities=["text"], tools=[docs]
        ) as session:
            session.ask("look for x")
            session.ask("hello")
    # by now the server has ended, and all of its threads
    turns = [line for line in caplog.messages if " turn " in line]
    assert [line.partition(" turn ")[2].partition(":")[0] for line in turns] == ["1", "2"]
    assert turns[0].endswith(
        ': user look for x | mcp_call search {"q":"x"} a page | assistant found'
    )
