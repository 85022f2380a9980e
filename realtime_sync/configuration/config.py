"""What a file says of a session, checked; and the session that it makes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..errors import ConfigurationError
from ..tables import Faults, read

if TYPE_CHECKING:
    from ..session import RealtimeSession

__all__ = ["Config", "load_config"]

#: Arguments that say where to; where one is given, the file's do not count.
_PLACES = ("endpoint", "api_key", "base_url")
#: Tables and lists within each other; a schema of a tool has a dozen.
_DEPTH: Final = 100


@dataclass(frozen=True, slots=True, repr=False)
class Config:
    """What `load_config` has read: the arguments of `RealtimeSession`, as a file says them.

    ::

        config = load_config("agent.toml")
        with config.session() as session:  # or RealtimeSession(**config)
            ...

    A value: frozen, equal by content, not hashable; it pickles, and holds no key. Each session has
    tools, a router and an endpoint of its own; environment variables are read when it is made.
    `config["voice"]` is that argument; `**config` gives all of them.

    Attributes:
        source: The file; "config" where a dict was given.
        folder: What paths in it are relative to; None: the current one.
        table: What it says, as it stands there.
    """

    # no Mapping: whoever takes one apart would find keys in it
    source: str = field(compare=False)
    folder: Path | None = field(compare=False)
    table: dict[str, Any]

    __hash__ = None  # type: ignore[assignment]

    def session(self, **changes: Any) -> RealtimeSession:
        """A session with these arguments, unopened.

        Args:
            changes: Arguments of `RealtimeSession` that beat the file's.

        Raises:
            ConfigurationError: An environment variable that the file names is not set; or as
                `RealtimeSession`.
            TypeError: There is no such argument.
        """
        from ..session import RealtimeSession

        return RealtimeSession(**self._changed(changes))

    @property
    def talk(self) -> dict[str, Any]:
        """The table `talk`: arguments for `session.talk`, or `push_to_talk`; {}: there is none."""
        return dict(self._read("talk")) if "talk" in self.table else {}

    def keys(self) -> tuple[str, ...]:
        """Names of the arguments that the file says, in its order; `talk` is none of them."""
        from .arguments import NAMES

        return tuple(NAMES.get(key, key) for key in self.table if key != "talk")

    def __getitem__(self, name: str) -> Any:
        """An argument, made anew.

        Raises:
            KeyError: The file does not say it.
            ConfigurationError: An environment variable that it names is not set; a file that it
                names, or a tool, is not there any more.
        """
        from .arguments import NAMES

        for key in self.table:
            if key != "talk" and NAMES.get(key, key) == name:
                return self._read(key)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self.keys())

    def __repr__(self) -> str:
        return f"<Config {self.source}: {', '.join(self.keys()) or 'empty'}>"

    # --- for our own use

    def _changed(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments, with changes; a place that is given beats the file's."""
        left_out = set(changes)
        if "endpoint" in changes:
            left_out |= {*_PLACES}
        elif left_out & {*_PLACES}:
            left_out.add("endpoint")
        return {**{name: self[name] for name in self if name not in left_out}, **changes}

    def _link(self) -> dict[str, Any]:
        """The arguments that say where to connect to, and how: of sessions of every kind."""
        from .arguments import LINK, NAMES

        return {NAMES.get(key, key): self._read(key) for key in LINK if key in self.table}

    def _read(self, key: str) -> Any:
        from .arguments import Reader

        faults = Faults(self.source)
        # a copy: what is done to one session's argument must not reach the next one's
        table = _copied(self.table, self.source)
        value = Reader(table, self.folder, faults, dry=False).read(key)
        faults.check()
        return value


def load_config(source: Mapping[str, Any] | str | os.PathLike[str]) -> Config:
    """The configuration of a session, from a TOML or JSON file, or a dict of that shape.

    Keys are the arguments of `RealtimeSession`, but for `ssl_context`, which a file cannot say.
    Where those take what is neither text nor number: `tools` is a list of dotted paths,
    "package.module:name", and of wire tables; `approver` a dotted path; `router` a table of stages,
    or the path of a file of them; `history` a list of items, or the path of a JSON file with what
    `conversation.export()` gave; `endpoint` a table with `type` ("openai", "azure", "compatible")
    and its arguments, or a list of them; `reconnect` a table of `ReconnectPolicy`'s. Paths are
    relative to the file's folder. false says None, where the argument knows None: TOML has no
    null. API keys do not stand in files: `api_key_env` names the environment variable that has one;
    so do `authorization_env`, `headers_env`, `query_env` and `proxy_env`. The table `talk` has
    arguments of `session.talk`. On Python 3.10 TOML needs pip install tomli.

    Modules that it names are imported, so it is to be trusted as a program is. No link is opened,
    and no environment variable read, before a session is made of it. From any thread.

    Args:
        source: The path of a .toml or .json file, in UTF-8; or a dict of that shape, in which a
            tool may be the function itself.

    Raises:
        ConfigurationError: Everything that is wrong with it, each fault with the file and its key:
            no such file, a line that is no TOML, an unknown key, a value of the wrong kind, a tool
            that cannot be imported, a key of an API.
    """
    if isinstance(source, Mapping):
        config = Config("config", None, _copied(source, "config"))
    elif isinstance(source, (str, os.PathLike)):
        path = Path(source)
        config = Config(str(path), path.absolute().parent, _copied(read(path), path))
    else:
        raise ConfigurationError(
            f"config: a dict, or the path of a .toml or .json file, not {type(source).__name__}"
        )
    from .arguments import Reader

    faults = Faults(config.source)
    Reader(config.table, config.folder, faults, dry=True).check()
    faults.check()
    return config


def _copied(table: Mapping[str, Any], source: str | Path) -> dict[str, Any]:
    """A copy, but for functions and their like.

    Raises:
        ConfigurationError: It is nested too deep, or in itself.
    """

    def copy(value: Any, left: int) -> Any:
        if not isinstance(value, (Mapping, list, tuple)):
            return value
        if not left:
            raise ConfigurationError(f"{source}: it is nested more than {_DEPTH} deep; flatten it")
        if isinstance(value, Mapping):
            return {name: copy(one, left - 1) for name, one in value.items()}
        return [copy(one, left - 1) for one in value]

    copied: dict[str, Any] = copy(table, _DEPTH)
    return copied
