from __future__ import annotations

from typing import Any

from realtime_sync import RealtimeSession, events

from .peers import Peer

LIMIT = 15.0
WHERE = {"response_id": "r1", "item_id": "i1", "output_index": 0}


def test_a_server_with_beta_names(bare: RealtimeSession, peer: Peer) -> None:
    """A server that answers with beta names is understood; callbacks see GA's, taps the wire's."""
    link = peer.link()
    seen: list[str] = []
    wire: list[Any] = []
    bare.tap(lambda direction, event: wire.append(event["type"]) if direction == "received" else 0)
    turn = bare.submit("hi")
    item = link.hear("conversation.item.create")["item"]
    create = link.hear("response.create")
    response = link.response(create, "r1")
    with bare.events("response.*", "conversation.*", timeout=LIMIT) as watch:
        part = {"type": "text", "text": "Hello"}
        answer = {"id": "i1", "type": "message", "role": "assistant", "content": []}
        link.say("conversation.item.created", item=item)
        link.say("response.created", response={**response, "modalities": ["text"]})
        link.say("response.output_item.added", **WHERE, item=answer)
        link.say("response.text.delta", **WHERE, content_index=0, delta="Hel")
        link.say("response.text.delta", **WHERE, content_index=0, delta="lo")
        link.say("response.text.done", **WHERE, content_index=0, text="Hello")
        done = {**answer, "status": "completed", "content": [part]}
        link.say("response.done", response={**response, "status": "completed", "output": [done]})
        for event in watch:
            seen.append(event.type)
            if isinstance(event, events.ResponseDone):
                break
    assert turn.result(LIMIT).text == "Hello"
    assert [part.type for part in turn.result().output[0].content or ()] == ["output_text"]
    assert "response.output_text.delta" in seen
    assert "response.text.delta" not in seen
    assert "response.text.delta" in wire
