"""What a text session is made of before it opens: its model, tools, history. No network."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError, RealtimeError
from ..events.base import ClientEvent
from ..events.codec import dump
from ..events.config import NotGiven, SessionConfig, session_config
from ..opening import Setup
from ..runtime.clock import Deadline
from ..runtime.dialect import Dialect
from .link import Link, Workers
from .messages import as_items
from .model import Model

if TYPE_CHECKING:
    from ..resources.conversation import ItemLike
    from ..tools import ToolEntry

__all__ = ["TextSetup", "check_model", "checked_options", "settings"]

#: Fields of a configuration that a text session has; everything else goes to the API as it is.
_OWN = frozenset({"instructions", "tool_choice"})
#: Fields of a Realtime session that no text model has a use for.
_SOUND = frozenset(
    {
        *("voice", "speed", "turn_detection", "transcription", "noise_reduction"),
        *("input_format", "output_format", "output_modalities", "audio"),
    }
)
#: Arguments of a request that are ours to make.
_MADE = frozenset({"messages", "input", "stream"})


def check_model(model: Any) -> str:
    """A text model's name.

    Raises:
        ConfigurationError: It is none.
    """
    if not isinstance(model, str) or not model.strip():
        raise ConfigurationError("model: a name is needed")
    if "realtime" in model.lower():
        raise ConfigurationError(
            f"model: {model!r} is a realtime model; RealtimeSession({model!r}) talks to it, and "
            "this class to text models"
        )
    return model


def checked_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """What goes to the API as it is.

    Raises:
        ConfigurationError: It is not JSON, a matter of sound, or ours to say; names it.
    """
    given = {name: v for name, v in options.items() if not isinstance(v, NotGiven)}
    for name, value in given.items():
        if name in _SOUND:
            raise ConfigurationError(f"{name}: a text model is not heard; use RealtimeSession")
        if name in _MADE:
            raise ConfigurationError(f"{name}: the session makes that itself; leave it out")
        if name == "model":
            check_model(value)
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError) as exc:
            raise ConfigurationError(f"{name}: it goes to the API as JSON: {exc}") from exc
    return given


def settings(fields: Mapping[str, Any]) -> SessionConfig:
    """A configuration from flat fields: our own, and options of the API.

    Raises:
        ConfigurationError: A wrong value; names the field.
    """
    own = {name: value for name, value in fields.items() if name in _OWN}
    options = checked_options({n: v for n, v in fields.items() if n not in _OWN})
    config: dict[str, Any] = session_config(None, own).wire()
    if options:
        config["options"] = options
    return SessionConfig.model_validate(config)


class TextDialect(Dialect):
    """The host speaks GA, and refuses nothing that fits no server."""

    def dump(self, event: ClientEvent, _: SessionConfig) -> bytes:
        """See `Dialect`."""
        return dump(event)


class TextSetup(Setup):
    """The arguments of a text session, checked."""

    addresses = True
    provider = "openai"
    service = "text"

    def __init__(
        self,
        model: Model,
        name: str,
        *,
        config: SessionConfig,
        tools: Iterable[Any],
        history: Iterable[ItemLike],
    ) -> None:
        super().__init__(
            model=None,
            endpoints=(),
            config=config,
            tools=tools,
            history=as_items(history),
            pack=False,
            max_message_size=1,
            ssl_context=None,
            proxy=None,
        )
        model.check(entry.to_wire() for entry in self.entries)
        self.model = model
        self.name = check_model(name)
        self.workers = Workers()
        self.failures: dict[str, RealtimeError] = {}  # see `Host`
        self.hidden: set[str] = set()  # see `TextRouting`

    @property
    def where(self) -> str:
        """Not known here: the `openai` package has it."""
        return ""

    @property
    def asked_model(self) -> str:
        """See `Setup`."""
        return self.name

    def begin_with(self, entries: tuple[ToolEntry, ...], changes: SessionConfig) -> None:
        """See `Setup`."""
        self.model.check(entry.to_wire() for entry in entries)
        super().begin_with(entries, changes)

    def connect(self, _: Deadline) -> tuple[Any, Dialect]:
        """Make the model ready, and a host for it. May take a while: packages are imported."""
        self.model.open()
        link = Link(self.model, self.name, self.workers, failures=self.failures, hidden=self.hidden)
        return link, TextDialect()
