"""A session with a microphone and a loudspeaker. Knows the session; the devices are `audio`'s.

talk        hands-free: `Talk`
pushtotalk  while a key is held: `PushToTalk`
line        what both have in common: two ends, and the session between them
output      what the model says, on its way to the speaker
input       what the user says, on its way to the server
echo        what keeps the one out of the other
cancelling  echo taken out, by WebRTC's audio processing
ends        what a caller gives as microphone and speaker
live        the conversation as it grows, item by item: `LiveItem`

Three threads: `realtime-mic` and `realtime-speaker` have their devices, `realtime-talk` takes from
the one what goes to the server. The I/O thread tells of what the model says, and only ever appends
to the speaker's buffer, or empties it.
"""

from __future__ import annotations

from .live import LiveItem
from .pushtotalk import PushToTalk
from .talk import Talk

__all__ = ["LiveItem", "PushToTalk", "Talk"]
