"""Each key of a configuration, read and checked. Makes no session; opens no link."""

from __future__ import annotations

import difflib
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, get_args

from ..errors import ConfigurationError
from ..events.config import FLAT_FIELDS, NULLABLE, SessionConfig, session_config
from ..events.value import Value
from ..history import as_history
from ..opening import Setup, endpoints_of
from ..policy import ReconnectPolicy
from ..runtime.dial import check_proxy
from ..tables import Faults, kind_of
from ..tables import read as table_of
from ..tools import as_tools
from ..tools.paths import resolved
from . import keys, places

__all__ = ["KEYS", "LINK", "NAMES", "POLICY", "TALK", "Reader"]

Check = tuple[str, Callable[[Any], bool]]


def _is_number(value: Any) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and 0 <= value <= sys.float_info.max  # nor NaN


def _is_count(value: Any) -> bool:
    return type(value) is int and value > 0


def _choice(*words: str) -> Check:
    return " or ".join(f'"{word}"' for word in words), lambda value: value in words


_TEXT: Final[Check] = ("a text", lambda value: isinstance(value, str) and bool(value.strip()))
_FLAG: Final[Check] = ("true or false", lambda value: isinstance(value, bool))
_COUNT: Final[Check] = ("a whole number from 1 on", _is_count)
_SECONDS: Final[Check] = ("a number of seconds", _is_number)
_LIMIT: Final[Check] = ("a number of seconds above 0", lambda v: _is_number(v) and v > 0)
_DEVICE: Final[Check] = (
    "a device's number, or a part of its name",
    lambda value: type(value) is int or _TEXT[1](value),
)

#: What stands there as the argument takes it: key -> what is wanted.
_PLAIN: Final[dict[str, Check]] = {
    "model": _TEXT,
    "call_id": _TEXT,
    "pack": _FLAG,
    "dispatcher": _choice("thread", "manual"),
    "ping_interval": _LIMIT,
    "max_message_size": _COUNT,
    "save_audio": _FLAG,
    "retry_text_reply": _FLAG,
    "max_duration": _LIMIT,
    "max_tokens": _COUNT,
    "approval_timeout": _SECONDS,
    "tool_threads": _COUNT,
}
#: Of these false says None, as null does in JSON: TOML has no null.
_NEVER: Final = frozenset(
    {"ping_interval", "max_duration", "max_tokens", "approval_timeout", "reconnect"}
)
POLICY: Final = tuple(ReconnectPolicy.__dataclass_fields__)
TALK: Final[dict[str, Check]] = {
    "microphone": _DEVICE,
    "speaker": _DEVICE,
    "echo": _choice("half_duplex", "none", "aec"),
    "barge_in": _choice("auto", "manual", "off"),
    "local_vad": ("true, false or a table", lambda value: isinstance(value, (bool, Mapping))),
    "tail_ms": ("a number of milliseconds", _is_number),
}

#: What takes a method of its own, in the order in which people look for it.
_OWN: Final = (
    *("api_key_env", "base_url", "endpoint", "proxy", "proxy_env", "config", "tools", "router"),
    *("history", "approver", "reconnect", "talk"),
)
#: All keys.
KEYS: Final = ("model", *FLAT_FIELDS, *_OWN, *(key for key in _PLAIN if key != "model"))
#: Key -> the argument of another name.
NAMES: Final = {"api_key_env": "api_key", "proxy_env": "proxy"}
#: Keys that say where to connect to, and how: of sessions of every kind.
LINK: Final = (
    *("api_key_env", "base_url", "endpoint", "proxy", "proxy_env"),
    *("reconnect", "ping_interval", "max_message_size"),
)


class Reader:
    """Reads a table, and goes on after each fault.

    Args:
        table: What the file says.
        folder: What paths in it are relative to; None: the current one.
        faults: Where they are told.
        dry: Read no environment variable: something stands for each.
    """

    def __init__(
        self, table: Mapping[str, Any], folder: Path | None, faults: Faults, *, dry: bool
    ) -> None:
        self._table = table
        self._folder = folder or Path()
        self._faults = faults
        self._dry = dry

    def check(self) -> None:
        """Read all of it, and complain into the faults."""
        faults = self._faults
        secret: set[str] = set()
        for where, said in keys.found(self._table, ""):
            faults.add(where, said)
            secret.add(where.partition(".")[0].partition("[")[0])
        left = [key for key in self._table if key not in secret and not keys.is_key(key)]
        faults.unknown(left, "", KEYS)
        wanted = [key for key in left if key in KEYS]
        read = {NAMES.get(key, key): self.read(key) for key in wanted}
        if not faults:
            self._check_together(read)

    def _check_together(self, read: dict[str, Any]) -> None:
        """What is right by itself, and wrong beside the rest."""
        try:
            setup = self._setup(read)
        except (ConfigurationError, TypeError) as exc:
            self._faults.add("", str(exc))
            return
        if "router" in read:
            try:
                read["router"].bind(setup.entries)
            except ConfigurationError as exc:
                self._faults.take("router", exc)

    def _setup(self, read: dict[str, Any]) -> Setup:
        plain = {name: read.get(name) for name in ("model", "call_id", "proxy")}
        fields = {name: value for name, value in read.items() if name in FLAT_FIELDS}
        return Setup(
            **plain,
            endpoints=endpoints_of(read.get("endpoint"), read.get("api_key"), read.get("base_url")),
            config=session_config(read.get("config"), fields),
            tools=read.get("tools", ()),
            history=read.get("history", ()),
            pack=read.get("pack", False),
            max_message_size=read.get("max_message_size", 1),
            ssl_context=None,
        )

    def read(self, key: str) -> Any:
        """The argument that a key says; where it has a fault that is told, and this is no use.

        Args:
            key: One of `KEYS`, which the table has.
        """
        value = self._table[key]
        if key in _NEVER and (value is False or value is None):
            return None
        if key in FLAT_FIELDS:
            return self._field(key, value)
        if key in _PLAIN:
            return self._checked(value, key, _PLAIN[key])
        return getattr(self, f"_{key}")(value)

    def _checked(self, value: Any, path: str, wanted: Check) -> Any:
        words, fits = wanted
        if fits(value):
            return value
        but = kind_of(value) if not isinstance(value, (int, float)) else repr(value)
        self._faults.add(path, f"{words} is needed, not {but}")
        return None

    def _mapping(self, value: Any, path: str) -> Mapping[str, Any]:
        if isinstance(value, Mapping):
            return value
        self._faults.add(path, f"a table is needed, not {kind_of(value)}")
        return {}

    # --- fields of the wire

    def _field(self, name: str, value: Any) -> Any:
        if value is False and name in NULLABLE:
            return None
        wire = FLAT_FIELDS[name]
        model: Any = SessionConfig
        for step in wire:
            model = model and _model_of(model, step)
        self._close(model, value, name)
        try:
            session_config(None, {name: value})
        except ConfigurationError as exc:
            self._faults.add("", str(exc).replace(".".join(wire), name))
        return value

    def _config(self, value: Any) -> Any:
        table = self._mapping(value, "config")
        self._close(SessionConfig, table, "config")
        try:
            session_config(dict(table), {})
        except ConfigurationError as exc:
            self._faults.add("", f"config.{exc}")
        return dict(table)

    def _close(self, model: Any, value: Any, path: str) -> None:
        """Keys that nearly are a field's. Others are a newer server's, perhaps, and are sent."""
        if model is None or not isinstance(value, Mapping):
            return
        for name, inner in value.items():
            if name in model.model_fields:
                self._close(_model_of(model, name), inner, f"{path}.{name}")
            elif close := difflib.get_close_matches(str(name), model.model_fields, 1, 0.8):
                self._faults.add(f"{path}.{name}", f"unknown key; do you mean {close[0]!r}?")

    # --- where to

    def _api_key_env(self, value: Any) -> str:
        return keys.variable(value, "api_key_env", self._faults, dry=self._dry)

    def _base_url(self, value: Any) -> Any:
        if "api_key_env" not in self._table:
            self._faults.add("base_url", places.NO_KEY)
        return self._checked(value, "base_url", _TEXT)

    def _endpoint(self, value: Any) -> Any:
        if not isinstance(value, list):
            return places.endpoint(value, "endpoint", self._faults, dry=self._dry)
        if not value:
            self._faults.add("endpoint", "at least one is needed")
        return [
            places.endpoint(one, f"endpoint[{at}]", self._faults, dry=self._dry)
            for at, one in enumerate(value)
        ]

    def _proxy(self, value: Any) -> Any:
        return self._way(value, "proxy")

    def _proxy_env(self, value: Any) -> Any:
        if "proxy" in self._table:
            self._faults.add("proxy_env", "proxy is there, too; leave one out")
        held = keys.variable(value, "proxy_env", self._faults, dry=self._dry)
        return None if self._dry else self._way(held, "proxy_env")

    def _way(self, value: Any, path: str) -> Any:
        try:
            check_proxy(value)
        except ConfigurationError as exc:
            self._faults.add("", path + str(exc).removeprefix("proxy"))
        return value

    def _reconnect(self, value: Any) -> ReconnectPolicy | None:
        given: dict[str, Any] = {}
        table = self._mapping(value, "reconnect")
        self._faults.unknown(table, "reconnect", POLICY)
        for name in (name for name in table if name in POLICY):
            one: Any = None if table[name] is False else table[name]
            if name == "delays" and not isinstance(one, (list, tuple)):
                self._faults.add("reconnect.delays", f"a list is needed, not {kind_of(one)}")
                continue
            try:
                replace(ReconnectPolicy(), **{name: one})
                given[name] = one
            except ConfigurationError as exc:
                self._faults.add("", f"reconnect.{exc}")
        return ReconnectPolicy(**given)

    # --- what it can do

    def _tools(self, value: Any) -> list[Any]:
        if not isinstance(value, (list, tuple)):
            self._faults.add("tools", f"a list is needed, not {kind_of(value)}")
            return []
        made = [self._tool(one, f"tools[{at}]") for at, one in enumerate(value)]
        tools = [one for one in made if one is not None]
        if not self._faults:
            try:
                as_tools(tools)
            except (ConfigurationError, TypeError) as exc:
                self._faults.add("tools", str(exc))
        return tools

    def _tool(self, given: Any, path: str) -> Any:
        try:
            if isinstance(given, Mapping):
                given = self._wire_tool(given, path)
            found = resolved(given)
            as_tools([found])
        except (ConfigurationError, TypeError) as exc:
            self._faults.add(path, str(exc))
            return None
        return found

    def _wire_tool(self, given: Mapping[str, Any], path: str) -> dict[str, Any]:
        """A tool of an MCP server, say, whose keys come from the environment."""
        ours = ("authorization_env", "headers_env")
        wire = {name: value for name, value in given.items() if name not in ours}
        if ours[0] in given:
            wire["authorization"] = keys.variable(
                given[ours[0]], f"{path}.{ours[0]}", self._faults, dry=self._dry
            )
        if ours[1] in given:
            wire["headers"] = places.texts(given, "headers", path, self._faults, dry=self._dry)
        return wire

    def _router(self, value: Any) -> Any:
        from ..routing import StageRouter

        if isinstance(value, str):
            value = self._folder / value
            if self._dry and self._holds_key(value):
                return None
        elif not isinstance(value, Mapping):
            said = f"a table of stages, or the path of a file, is needed, not {kind_of(value)}"
            self._faults.add("router", said)
            return None
        try:
            return StageRouter(value)
        except (ConfigurationError, TypeError) as exc:
            self._faults.take("router", exc)
            return None

    def _holds_key(self, path: Path) -> bool:
        """Whether a key stands in a file of stages; each is told. Other faults are the router's."""
        try:
            found = list(keys.found(table_of(path), ""))
        except ConfigurationError:
            return False
        for where, said in found:
            self._faults.add("router", f"{path}: {where}: {said}")
        return bool(found)

    def _history(self, value: Any) -> Any:
        if isinstance(value, str):
            value = self._exported(self._folder / value)
        try:
            as_history(value, pack=self._table.get("pack") is True)
        except (ConfigurationError, TypeError) as exc:
            self._faults.add("", str(exc) if str(exc).startswith("history") else f"history: {exc}")
        return value

    def _exported(self, path: Path) -> Any:
        """What `conversation.export()` gave, in a file."""
        try:
            return json.loads(path.read_text(encoding="utf-8-sig"))
        except OSError as exc:
            self._faults.add("history", f"{path}: {exc.strerror or exc}")
        except (ValueError, RecursionError) as exc:
            said = "it is not UTF-8" if isinstance(exc, UnicodeError) else str(exc)
            said = "it is nested too deep" if isinstance(exc, RecursionError) else said
            self._faults.add("history", f"{path}: {said}")
        return []

    def _approver(self, value: Any) -> Any:
        try:
            found = resolved(value)
        except ConfigurationError as exc:
            self._faults.add("approver", str(exc))
            return None
        if not callable(found):
            self._faults.add("approver", f"a function is needed, not {kind_of(found)}")
        return found

    def _talk(self, value: Any) -> dict[str, Any]:
        table = self._mapping(value, "talk")
        self._faults.unknown(table, "talk", tuple(TALK))
        return {
            name: self._checked(one, f"talk.{name}", TALK[name])
            for name, one in table.items()
            if name in TALK
        }


def _model_of(model: Any, name: str) -> Any:
    """The model of what a field holds; None where it holds none."""
    field = model.model_fields.get(name)
    found = [field.annotation] if field is not None else []
    while found:
        one = found.pop()
        if isinstance(one, type) and issubclass(one, Value):
            return one
        found += get_args(one)
    return None
