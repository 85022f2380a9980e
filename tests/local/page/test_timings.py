"""How long turns took, from the events alone."""

from __future__ import annotations

from typing import Any

from realtime_sync.local.page.timings import Timings

Wire = dict[str, Any]

QUESTION = {"type": "conversation.item.create", "item": {"type": "message", "role": "user"}}
CREATE = {"type": "response.create"}


def created(name: str) -> Wire:
    return {"type": "response.created", "response": {"id": name}}


def done(name: str, *calls: str, status: str = "completed", tokens: int = 5) -> Wire:
    output = [{"type": "function_call", "call_id": call} for call in calls]
    usage = {"total_tokens": tokens}
    response = {"id": name, "status": status, "output": output, "usage": usage}
    return {"type": "response.done", "response": response}


def delta(name: str, kind: str = "output_text") -> Wire:
    return {"type": f"response.{kind}.delta", "response_id": name, "delta": "x"}


def output(call: str) -> Wire:
    item = {"type": "function_call_output", "call_id": call}
    return {"type": "conversation.item.create", "item": item}


def played(*events: tuple[float, str, Wire]) -> list[Wire]:
    """The turns after these events: when, by whom, what."""
    timings = Timings()
    for at, who, event in events:
        (timings.heard if who == "client" else timings.told)(event, at, 1)
    return timings.since(0)


def test_a_turn() -> None:
    """Times count from the client's response.create."""
    (turn,) = played(
        (90, "client", QUESTION),
        (100, "client", CREATE),
        (130, "server", created("r")),
        (180, "server", delta("r", "output_audio_transcript")),
        (200, "server", delta("r", "output_audio")),
        (250, "server", delta("r")),
        (400, "server", done("r")),
    )
    assert (turn["at"], turn["first_token"], turn["first_audio"]) == (100, 80, 100)
    assert (turn["response_ms"], turn["total_ms"], turn["tool_ms"]) == (270, 300, 0)
    assert (turn["status"], turn["tokens"], turn["responses"]) == ("completed", 5, 1)


def test_a_spoken_turn() -> None:
    """Where the server answers by itself they count from the end of the user's speech."""
    (turn,) = played(
        (500, "server", {"type": "input_audio_buffer.speech_stopped"}),
        (501, "server", {"type": "input_audio_buffer.committed"}),
        (510, "server", created("r")),
        (700, "server", delta("r", "output_audio")),
    )
    assert (turn["at"], turn["first_audio"], turn["status"]) == (500, 200, "in_progress")


def test_speech_without_an_answer() -> None:
    """Time counts from the speech that is answered, not from one before."""
    (turn,) = played(
        (500, "server", {"type": "input_audio_buffer.speech_stopped"}),
        (9000, "server", {"type": "input_audio_buffer.speech_stopped"}),
        (9100, "server", created("r")),
    )
    assert turn["at"] == 9000


def test_a_response_beside_the_conversation() -> None:
    """It is a turn of its own, and takes nothing from the one that waits for its tools."""
    first, beside = played(
        (0, "client", CREATE),
        (1, "server", created("a")),
        (10, "server", done("a", "c1")),
        (11, "client", CREATE),
        (12, "server", created("b")),
        (20, "server", done("b")),
        (30, "client", output("c1")),
        (31, "client", CREATE),
        (32, "server", created("c")),
        (40, "server", done("c")),
    )
    assert (first["responses"], beside["responses"]) == (2, 1)
    assert (first["total_ms"], beside["total_ms"]) == (40, 9)


def test_tools_belong_to_their_turn() -> None:
    """Tool time is from the calls to the last of their outputs; what follows is the same turn."""
    first, second = played(
        (0, "client", CREATE),
        (10, "server", created("a")),
        (100, "server", done("a", "c1", "c2")),
        (150, "client", output("c1")),
        (180, "client", output("c2")),
        (181, "client", CREATE),
        (190, "server", created("b")),
        (250, "server", delta("b")),
        (300, "server", done("b")),
        (400, "client", QUESTION),
        (401, "client", CREATE),
        (402, "server", created("c")),
        (500, "server", done("c", status="cancelled")),
    )
    assert (first["tool_ms"], first["responses"], first["response_ms"]) == (80, 2, 200)
    assert (first["first_token"], first["total_ms"], first["tokens"]) == (250, 300, 10)
    assert (second["n"], second["at"], second["status"]) == (2, 401, "cancelled")


def test_a_call_that_nothing_follows() -> None:
    """A turn that ends with its calls' outputs takes no later response."""
    first, second, third = played(
        (0, "server", created("a")),
        (10, "server", done("a", "c1")),
        (20, "client", output("c1")),
        (30, "client", QUESTION),
        (31, "client", CREATE),
        (32, "server", created("b")),
        (40, "server", done("b")),
        (50, "client", CREATE),
        (51, "server", created("c")),
    )
    assert [one["responses"] for one in (first, second, third)] == [1, 1, 1]


def test_two_rounds_of_tools() -> None:
    """Each round of calls adds its time."""
    (turn,) = played(
        (0, "client", CREATE),
        (0, "server", created("a")),
        (10, "server", done("a", "c1")),
        (30, "client", output("c1")),
        (30, "client", CREATE),
        (30, "server", created("b")),
        (40, "server", done("b", "c2")),
        (45, "client", output("c2")),
    )
    assert (turn["tool_ms"], turn["waiting"]) == (25, 0)


def test_a_call_that_waits() -> None:
    """A call without its output is shown as such."""
    (turn,) = played((0, "server", created("a")), (10, "server", done("a", "c1")))
    assert turn["waiting"] == 1


def test_tools_of_mcp_servers() -> None:
    """What an MCP server takes counts as tool time."""
    (turn,) = played(
        (0, "client", CREATE),
        (1, "server", created("a")),
        (5, "server", {"type": "response.mcp_call.in_progress", "item_id": "m"}),
        (9, "server", done("a")),
        (45, "server", {"type": "response.mcp_call.completed", "item_id": "m"}),
        (46, "client", CREATE),
        (47, "server", created("b")),
        (50, "server", done("b")),
    )
    assert (turn["tool_ms"], turn["responses"]) == (40, 2)


def test_a_create_that_is_refused() -> None:
    """It is nobody's beginning."""
    (turn,) = played(
        (0, "client", {**CREATE, "event_id": "e1"}),
        (1, "server", {"type": "error", "error": {"event_id": "e1"}}),
        (50, "client", {**CREATE, "event_id": "e2"}),
        (60, "server", created("a")),
    )
    assert turn["at"] == 50


def test_bounded() -> None:
    """A session without end keeps its last 200 turns, and forgets what is never answered."""
    timings = Timings()
    for n in range(1000):
        timings.heard(QUESTION, n, n)
        timings.told(created(f"r{n}"), n, n)
        timings.told(done(f"r{n}", f"c{n}"), n, n)
    assert [turn["n"] for turn in timings.since(0)] == list(range(801, 1001))
    assert len(timings._calls) <= 100
