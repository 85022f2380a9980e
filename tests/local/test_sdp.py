"""Answers to WebRTC offers."""

from __future__ import annotations

import pytest

from realtime_sync.local.refusal import Refusal
from realtime_sync.local.sdp import answered

OFFER = "\r\n".join(
    [
        "v=0",
        "o=- 1 1 IN IP4 0.0.0.0",
        "s=-",
        "t=0 0",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111 0",
        "a=mid:a",
        "a=rtpmap:111 opus/48000/2",
        "a=rtpmap:0 PCMU/8000",
        "m=video 9 UDP/TLS/RTP/SAVPF 96",
        "a=mid:v",
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
        "",
    ]
)


def test_each_medium_is_answered_in_its_place() -> None:
    """Audio and the data channel are taken, by their mid; video is refused with port 0."""
    lines = answered(OFFER).split("\r\n")
    assert lines[0] == "v=0"
    assert lines[-1] == ""
    assert [line for line in lines if line.startswith("m=")] == [
        "m=audio 9 UDP/TLS/RTP/SAVPF 111",
        "m=video 0 UDP/TLS/RTP/SAVPF 96",
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
    ]
    assert "a=group:BUNDLE a 2" in lines
    assert "a=rtpmap:111 opus/48000/2" in lines
    assert [line for line in lines if line.startswith("a=mid:")] == ["a=mid:a", "a=mid:2"]


def test_without_opus() -> None:
    """A peer without Opus is answered in G.711; line ends may be bare."""
    answer = answered("v=0\nm=audio 9 RTP/AVP 0\n")
    assert "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n" in answer
    assert "a=rtpmap:0 PCMU/8000\r\n" in answer


@pytest.mark.parametrize(
    "offer",
    ["", "hello", "v=0", "v=0\nm=video 9 x 1", "m=audio 9 x 0", "v=0\n" + "m=audio 9 x 0\n" * 17],
)
def test_no_offer(offer: str) -> None:
    """What is no offer with audio is refused."""
    with pytest.raises(Refusal) as caught:
        answered(offer)
    assert caught.value.code == "invalid_offer"
