"""The synchronous, thread-based SDK for the OpenAI Realtime API.

::

    from realtime_sync import RealtimeSession

    with RealtimeSession(instructions="Be brief.", output_modalities=["text"]) as session:
        print(session.ask("Hello!").text)

The rooms, each importing only from those above it:

- `errors`: every exception; the tree is its docstring.
- `closing`: what a `with` block closes at its end.
- `tables`: TOML and JSON files that users write, and everything that is wrong with one.
- `events`: the words: typed models of everything on the wire.
- `core`: the brain: server events in, effects out; no thread, socket or clock.
- `runtime`: the hands: the I/O thread, the connection, the dispatcher, endpoints.
- `audio`: sound: codecs, resampling, files; ignorant of sessions.
- `tools`: Python functions, callable by the model.
- `routing`: what the model may do, and when: stages and agents.
- `session`, with `speaking`, `calling`, `asking`, `living`, `listening`, `resources`, `response`,
  `streams`, `items`, `images`, `history`, `opening`, `policy`: what people use.
- `configuration`: a session from a TOML or JSON file.
- `recording`: what went over the wire, in a file.
- `voice`: a session with microphone and loudspeaker: talk, push-to-talk, barge-in.
- `transcription` with `upload`, `translation`: sessions that write down, and that translate.
- `text`: text models behind the same interface: develop in cheap text, then give it a voice.
- `rest`: client secrets and calls, over HTTP.
- `notebook`: what notebooks show: replies that can be heard, sessions, a button to talk.
- `gui`: callbacks in the event loop of Tk or Qt.
- `telemetry`: spans and metrics of sessions, for OpenTelemetry.
- `local`: the other side of the wire: an embedded server, with a brain of its own.
- `plugin`: that server as a fixture of pytest's.
- `batch`: many conversations, on threads, processes or a cluster.
- `cli`: the command line.

Importing this package loads no third party; names come in when they are used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import items
    from .configuration import Config, load_config
    from .core.dictation import ItemTranscript, Transcript
    from .core.stats import SessionStats, percentiles
    from .core.usage import Metrics, SessionUsage
    from .errors import ToolError, ToolRetry
    from .events.config import NOT_GIVEN, SessionConfig
    from .events.items import Item
    from .living import sessions
    from .policy import ReconnectPolicy
    from .resources.sync import SyncReport
    from .response import Response
    from .routing import Agent, StageRouter
    from .runtime.azure import Azure
    from .runtime.endpoints import Compatible, OpenAI
    from .session import RealtimeSession, connect
    from .tools import McpTool, NoReply, Tool, ToolContext, tool
    from .transcription import TranscriptionSession, connect_transcription
    from .translation import Translation, TranslationSession, connect_translation

__version__ = "0.1.0"

#: Public name -> the module that has it; None: it is a module itself.
_HOMES: dict[str, str | None] = {
    "RealtimeSession": "session",
    "connect": "session",
    "load_config": "configuration",
    "Config": "configuration",
    "connect_transcription": "transcription",
    "TranscriptionSession": "transcription",
    "Transcript": "core.dictation",
    "ItemTranscript": "core.dictation",
    "connect_translation": "translation",
    "TranslationSession": "translation",
    "Translation": "translation",
    "sessions": "living",
    "SessionConfig": "events.config",
    "ReconnectPolicy": "policy",
    "OpenAI": "runtime.endpoints",
    "Azure": "runtime.azure",
    "Compatible": "runtime.endpoints",
    "NOT_GIVEN": "events.config",
    "Item": "events.items",
    "items": None,
    "Response": "response",
    "SessionUsage": "core.usage",
    "SessionStats": "core.stats",
    "Metrics": "core.usage",
    "percentiles": "core.stats",
    "SyncReport": "resources.sync",
    "tool": "tools",
    "Tool": "tools",
    "McpTool": "tools",
    "ToolError": "errors",
    "ToolRetry": "errors",
    "NoReply": "tools",
    "ToolContext": "tools",
    "StageRouter": "routing",
    "Agent": "routing",
    "events": None,
    "errors": None,
}

__all__ = [
    "RealtimeSession",
    "connect",
    "load_config",
    "Config",
    "connect_transcription",
    "TranscriptionSession",
    "Transcript",
    "ItemTranscript",
    "connect_translation",
    "TranslationSession",
    "Translation",
    "sessions",
    "SessionConfig",
    "ReconnectPolicy",
    "OpenAI",
    "Azure",
    "Compatible",
    "NOT_GIVEN",
    "Item",
    "items",
    "Response",
    "SessionUsage",
    "SessionStats",
    "Metrics",
    "percentiles",
    "SyncReport",
    "tool",
    "Tool",
    "McpTool",
    "ToolError",
    "ToolRetry",
    "NoReply",
    "ToolContext",
    "StageRouter",
    "Agent",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = _HOMES[name]
    if home is None:
        return import_module(f"{__name__}.{name}")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
