"""What a worker was told of its sessions, and where they connect to. Read where it runs."""

from __future__ import annotations

import os
from typing import Any, Final

from ..configuration import Config, load_config
from ..errors import ConfigurationError

__all__ = ["config_of", "link_of", "said"]

_PLACES: Final = ("endpoint", "base_url", "api_key")
_LINK: Final = (*_PLACES, "proxy", "reconnect", "ping_interval", "max_message_size")
#: Arguments that a text model's session has, too.
_SHARED: Final = (
    *("instructions", "tools", "router", "history", "approver"),
    *("approval_timeout", "tool_threads"),
)


def config_of(given: Any) -> Config | None:
    """What a worker was given as `config`.

    Raises:
        ConfigurationError: As `load_config`.
    """
    return given if given is None or isinstance(given, Config) else load_config(given)


def said(config: Config | None, *, chat: bool = False) -> dict[str, Any]:
    """What a file says of a session, but for its model and its link; with `chat` of a text's."""
    if config is None:
        return {}
    left_out = {*_LINK, "model"}
    wanted = _SHARED if chat else tuple(one for one in config if one not in left_out)
    return {name: config[name] for name in wanted if name in config}


def link_of(
    config: Config | None, url: str | None, key_env: str | None, *, chat: bool = False
) -> dict[str, Any]:
    """Where to, and how, made where the worker runs: keys do not travel.

    Args:
        url, key_env: Beat the file's place.
        chat: For a text model, whose requests are links of their own: the place alone, the first.

    Raises:
        ConfigurationError: A variable holds no key.
    """
    given = _endpoint(url, key_env)
    names = tuple(one for one in _LINK if given is None or one not in _PLACES)
    link = {} if config is None else {name: config[name] for name in names if name in config}
    if given is not None:
        link["endpoint"] = given
    if not chat:
        return link
    place: dict[str, Any] = {name: link[name] for name in _PLACES if name in link}
    if isinstance(place.get("endpoint"), list):
        place["endpoint"] = place["endpoint"][0]
    return place


def _endpoint(url: str | None, key_env: str | None) -> Any:
    from ..runtime.endpoints import Compatible, OpenAI

    key = None if key_env is None else os.environ.get(key_env, "").strip()
    if key == "":
        raise ConfigurationError(f"key_env: the environment has no {key_env}, where this runs")
    if url is not None:
        return Compatible(url, key)
    return None if key is None else OpenAI(key)
