from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pipe import LIMIT, Line, Task, arrived

from realtime_sync.core.frames import Frames
from realtime_sync.errors import SessionClosed
from realtime_sync.local import LocalServer

from .conftest import Opener

JPEG = b"\xff\xd8\xff\xe0" + bytes(8)
FAST = 1e9  # frames a second: none comes too soon


def test_only_the_last_frames_stay(make: Opener, server: LocalServer) -> None:
    """All but the last N are deleted, here and there; other items stay."""
    with make(history=["look"]) as session:
        sent = [session.send_frame(JPEG, max_fps=FAST, keep=3, detail="low") for _ in range(7)]
        response = session.ask("what is it?")
        shown = [item.id for item in session.conversation.items]
        assert shown[1:4] == sent[4:]
        assert len(shown) == 6
        (part,) = session.conversation.items[1].content
        assert (part.type, part.detail) == ("input_image", "low")
        assert part.image_url.startswith("data:image/jpeg;base64,")
        assert response.status == "completed"


def test_too_soon(make: Opener, server: LocalServer) -> None:
    """Within 1 / max_fps seconds of the last one a frame is left out, and not even encoded."""
    with make() as session:
        assert session.send_frame(JPEG, max_fps=0.001) is not None
        assert session.send_frame(JPEG, max_fps=0.001) is None
        assert session.send_frame("no/such/file.png", max_fps=0.001) is None
        assert session.send_frame(JPEG, max_fps=FAST) is not None
        wait_for_items(session, 2)
        kinds = [event["type"] for event in server.received]
        assert kinds.count("conversation.item.create") == 2


def test_arrays_and_images(make: Opener) -> None:
    """A camera's array and a Pillow image are JPEGs with Pillow, images in any case."""
    picture = np.zeros((4, 6, 3), np.uint8)
    with make() as session:
        session.send_frame(picture)
        (item,) = wait_for_items(session, 1)
        assert item.content[0].image_url.startswith("data:image/")
        pillow = pytest.importorskip("PIL.Image", reason="needs Pillow: pip install pillow")
        session.send_frame(pillow.fromarray(picture), max_fps=FAST)
        for item in wait_for_items(session, 2):
            assert item.content[0].image_url.startswith("data:image/jpeg;base64,")


def wait_for_items(session: Any, count: int) -> Any:
    """What was sent is in order with what is asked: a refused request is behind all of it."""
    with pytest.raises(Exception, match="does not exist"):
        session.conversation.retrieve("nowhere", timeout=LIMIT)
    assert len(session.conversation.items) == count
    return session.conversation.items


def test_frames_that_are_gone(line: Line, caplog: pytest.LogCaptureFixture) -> None:
    """One that was refused, or deleted by somebody else, is not deleted again."""
    session, pipe = line.open()
    first, second = (session.send_frame(JPEG, max_fps=FAST, keep=2) for _ in range(2))
    events = [pipe.expect("conversation.item.create") for _ in range(2)]
    pipe.refuse(events[0])
    pipe.confirm(events[1])
    arrived(session, pipe)
    third = session.send_frame(JPEG, max_fps=FAST, keep=2)
    pipe.confirm(pipe.expect("conversation.item.create"))
    arrived(session, pipe)
    assert pipe.no_more(), "the refused one needs no delete"
    assert [item.id for item in session.conversation.items] == [second, third] != [first]
    deleting = Task(session.conversation.delete, second)
    pipe.confirm(pipe.expect("conversation.item.delete"))
    deleting.result()
    session.send_frame(JPEG, max_fps=FAST, keep=1)
    pipe.expect("conversation.item.create")
    assert pipe.expect("conversation.item.delete")["item_id"] == third


def test_a_frame_that_is_still_on_its_way(line: Line) -> None:
    """It is deleted too: the server takes events in order."""
    session, pipe = line.open()
    first = session.send_frame(JPEG, max_fps=FAST, keep=1)
    session.send_frame(JPEG, max_fps=FAST, keep=1)
    pipe.expect("conversation.item.create")
    pipe.expect("conversation.item.create")
    assert pipe.expect("conversation.item.delete")["item_id"] == first


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"max_fps": 0}, ValueError),
        ({"max_fps": -1}, ValueError),
        ({"max_fps": float("nan")}, ValueError),
        ({"max_fps": "1"}, TypeError),
        ({"max_fps": True}, TypeError),
        ({"keep": 0}, ValueError),
        ({"keep": 1.5}, TypeError),
        ({"detail": "best"}, ValueError),
        ({"image": b"GIF89a"}, ValueError),
        ({"image": 5}, TypeError),
    ],
)
def test_bad_frames(arguments: dict[str, Any], error: type[Exception], line: Line) -> None:
    """What cannot be is refused, nothing is sent, and the next frame is not too soon."""
    session, pipe = line.open()
    with pytest.raises(error):
        session.send_frame(**{"image": JPEG, **arguments})
    assert pipe.no_more()
    assert session.send_frame(JPEG) is not None
    session.close()
    with pytest.raises(SessionClosed):
        session.send_frame(JPEG)


def test_pace() -> None:
    """The time between is that since the last one that was sent."""
    frames = Frames()
    assert frames.due(0.0, 1.0)
    assert frames.add("a", 0.0, 2) == []
    assert not frames.due(0.9, 1.0)
    assert frames.due(1.0, 1.0)
    assert frames.add("b", 1.0, 2) == []
    assert frames.add("c", 2.0, 1) == ["a", "b"]
