"""Text models behind the interface of a session: develop in cheap text, then give it a voice.

A text session is a Realtime session whose server, the `host`, sits in this process and asks a model
over HTTP. So turns, tools, approval, stages, events and callbacks are not made anew here: they are
those of `RealtimeSession`.

- `chat`: `ChatSession`, over chat completions or the Responses API.
- `assistant`: `AssistantSession`, over the Assistants API, which OpenAI has retired.
- `session`: what the sessions of text models share; `handover`: from text to voice, and back.
- `host`, `answer`: what a Realtime server is, for a model behind HTTP; `link`: the way to it.
- `state`, `routing`, `setup`: the few things that are otherwise than with a server far away.
- `model`: what a text model is: requests in, pieces out; `completions` and `responses` are two.
- `assistants`: the third one, with `options`, `threads`, what makes a thread and a conversation
  alike, `runs`, `uploads` and `threadapi`, its requests.
- `messages`: messages of chat completions as items.
- `service`: the `openai` client, and its errors as ours.

Names come in on first use; the package `openai` (extra `text`) when a session opens.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .assistant import AssistantSession
    from .chat import ChatSession
    from .options import create, load
    from .runs import RunStatus
    from .uploads import UploadedFile

__all__ = ["AssistantSession", "ChatSession", "RunStatus", "UploadedFile", "create", "load"]

#: Public name -> the module that has it.
_HOMES = {
    "AssistantSession": ".assistant",
    "ChatSession": ".chat",
    "RunStatus": ".runs",
    "UploadedFile": ".uploads",
    "create": ".options",
    "load": ".options",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name], __name__), name)
    return value
