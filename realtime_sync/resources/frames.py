"""Camera and screen frames: images that come often, and soon go again."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from ..events.client import ConversationItemCreate
from ..images import DETAILS, ImageLike, frame_uri
from ..runtime.clock import monotonic

if TYPE_CHECKING:
    from ..core.state import SessionState
    from ..listening import Listening

__all__ = ["send_frame"]


def send_frame(
    session: Listening, image: ImageLike, max_fps: float, keep: int, detail: str | None
) -> str | None:
    """See `RealtimeSession.send_frame`."""
    if isinstance(max_fps, bool) or not isinstance(max_fps, (int, float)):
        raise TypeError(f"max_fps: a number, not {type(max_fps).__name__}")
    if not isfinite(max_fps) or max_fps <= 0:
        raise ValueError(f"max_fps: a number above 0, not {max_fps!r}")
    if isinstance(keep, bool) or not isinstance(keep, int):
        raise TypeError(f"keep: a number of frames, not {type(keep).__name__}")
    if keep < 1:
        raise ValueError(f"keep: 1 or more, not {keep}")
    if detail is not None and detail not in DETAILS:
        raise ValueError(f"detail: {', '.join(DETAILS)}; not {detail!r}")
    session._check_open()
    gap = 1 / max_fps
    if not session._look(lambda s: s.edits.frames.due(monotonic(), gap)):
        return None  # before the work of encoding
    part: dict[str, Any] = {"type": "input_image", "image_url": frame_uri(image)}
    if detail is not None:
        part["detail"] = detail
    item_id = session.new_id("item")
    item = {"id": item_id, "type": "message", "role": "user", "content": [part]}
    event = ConversationItemCreate.model_validate(
        {"type": "conversation.item.create", "event_id": session.new_id("event"), "item": item}
    )
    session._connection.check(event)
    sent: list[bool] = []

    def act(state: SessionState) -> None:
        now = state.running.now
        new_key = lambda: session.new_id("event")  # noqa: E731
        sent.append(state.edits.frame(event, gap=gap, keep=keep, now=now, new_key=new_key))

    session._connection.do(act)
    return item_id if sent[0] else None
