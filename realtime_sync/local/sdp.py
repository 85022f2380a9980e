"""The answer to a WebRTC offer: right in form, with nobody at the other end.

The embedded server has no media: what it answers can be parsed and applied, but no packet comes.
"""

from __future__ import annotations

import secrets

from realtime_sync.local.refusal import Refusal

__all__ = ["answered"]

_MEDIA_MOST = 16
_PROTOCOLS = {"audio": "UDP/TLS/RTP/SAVPF", "application": "UDP/DTLS/SCTP"}


def answered(offer: str) -> str:
    """The answer to an offer.

    Raises:
        Refusal: It is no offer of a connection with audio.
    """
    lines = offer.replace("\r\n", "\n").strip().split("\n")
    media = [number for number, line in enumerate(lines) if line.startswith("m=")]
    if not lines[0].startswith("v=0") or not any(lines[n].startswith("m=audio ") for n in media):
        raise Refusal("invalid_offer", "The SDP offer cannot be parsed, or has no audio.")
    if len(media) > _MEDIA_MOST:
        raise Refusal("invalid_offer", "The SDP offer has too many media sections.")
    ends = [*media[1:], len(lines)]
    sections = [_Section(lines[a:b], n) for n, (a, b) in enumerate(zip(media, ends, strict=True))]
    spoken = [section for section in sections if section.kind in _PROTOCOLS]
    fingerprint = ":".join(f"{byte:02X}" for byte in secrets.token_bytes(32))
    head = [
        "v=0",
        f"o=- {secrets.randbits(62)} 1 IN IP4 0.0.0.0",
        "s=-",
        "t=0 0",
        "a=msid-semantic:WMS *",
        f"a=fingerprint:sha-256 {fingerprint}",
        "a=ice-lite",
        "a=group:BUNDLE " + " ".join(section.mid for section in spoken),
    ]
    ice = [f"a=ice-ufrag:{secrets.token_hex(4)}", f"a=ice-pwd:{secrets.token_hex(16)}"]
    body = [line for section in sections for line in section.answer(ice)]
    return "\r\n".join([*head, *body, ""])


class _Section:
    """One medium of an offer."""

    def __init__(self, lines: list[str], number: int) -> None:
        words = lines[0].removeprefix("m=").split(" ")
        self.kind = words[0]
        self._formats = words[3:]
        self._protocol = words[2] if len(words) > 2 else ""
        mids = [line.removeprefix("a=mid:") for line in lines if line.startswith("a=mid:")]
        self.mid = mids[0] if mids else str(number)
        self._maps = [line for line in lines if line.startswith("a=rtpmap:")]

    def answer(self, ice: list[str]) -> list[str]:
        if self.kind not in _PROTOCOLS:  # refused, as a port of 0 says
            return [
                f"m={self.kind} 0 {self._protocol} {' '.join(self._formats)}",
                "c=IN IP4 0.0.0.0",
            ]
        opus = [line for line in self._maps if " opus/" in line]
        payload = opus[0].removeprefix("a=rtpmap:").split(" ")[0] if opus else "0"
        formats = payload if self.kind == "audio" else "webrtc-datachannel"
        audio = ["a=rtcp-mux", *(opus[:1] or ["a=rtpmap:0 PCMU/8000"]), "a=sendrecv"]
        channel = ["a=sctp-port:5000", "a=max-message-size:262144"]
        return [
            f"m={self.kind} 9 {_PROTOCOLS[self.kind]} {formats}",
            "c=IN IP4 0.0.0.0",
            f"a=mid:{self.mid}",
            "a=setup:active",
            *ice,
            *(audio if self.kind == "audio" else channel),
        ]
