"""Echo taken out of the microphone: WebRTC's audio processing, by livekit. The home of livekit."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

from ..audio.formats import RATE
from ..errors import AudioUnavailable

__all__ = ["EchoCanceller"]

_FRAME: Final = RATE // 100  # samples; it takes 10 ms at a time
_BYTES: Final = 2 * _FRAME


class EchoCanceller:
    """Learns how the speaker sounds in the microphone, and takes that away.

    The speaker's thread and the microphone's use it at a time.

    Raises:
        AudioUnavailable: livekit is not installed; the message has the line that installs it.
    """

    def __init__(self) -> None:
        try:
            rtc: Any = import_module("livekit.rtc")
            self._module: Any = rtc.AudioProcessingModule(echo_cancellation=True)
        except (ImportError, OSError) as exc:
            raise AudioUnavailable(
                'echo="aec" needs livekit: pip install "realtime_sync[aec]"; or use headphones and '
                'echo="none"'
            ) from exc
        self._frame: Any = rtc.AudioFrame
        self._far = bytearray()  # less than 10 ms that are still to be processed
        self._near = bytearray()

    def far(self, pcm: bytes) -> None:
        """What goes to the speaker, silence included. Runs on the speaker's thread."""
        for piece in self._pieces(self._far, pcm):
            self._module.process_reverse_stream(self._frame(piece, RATE, 1, _FRAME))

    def near(self, pcm: bytes) -> bytes:
        """What of a frame is no echo."""
        cleaned = bytearray()
        for piece in self._pieces(self._near, pcm):
            # the delay is found by itself, wherever the device has its buffers
            self._module.set_stream_delay_ms(0)
            frame = self._frame(piece, RATE, 1, _FRAME)
            self._module.process_stream(frame)
            cleaned += bytes(frame.data)
        return bytes(cleaned)

    def _pieces(self, rest: bytearray, pcm: bytes) -> list[bytearray]:
        rest += pcm
        whole = len(rest) // _BYTES * _BYTES
        pieces = [rest[at : at + _BYTES] for at in range(0, whole, _BYTES)]
        del rest[:whole]
        return pieces
