"""What hangs on a session: `conversation`, `response`, `input_audio_buffer`, `tools`.

Each knows the session only; none knows another.
"""

from __future__ import annotations

from .buffer import InputAudioBuffer
from .conversation import Conversation
from .responses import Responses
from .sync import SyncReport
from .tools import Tools

__all__ = ["Conversation", "InputAudioBuffer", "Responses", "SyncReport", "Tools"]
