"""The words: every event and object of the wire, as frozen pydantic models.

Imports nothing of the package but its errors. `parse(text)` and `dump(event)` are the two ways
over the border. Classes are named after the wire ("response.output_text.delta" is
`ResponseOutputTextDelta`) and come in on first use, so that importing this room is cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .base import *  # noqa: F403
    from .client import *  # noqa: F403
    from .codec import *  # noqa: F403
    from .config import *  # noqa: F403
    from .items import *  # noqa: F403
    from .local import *  # noqa: F403
    from .options import *  # noqa: F403
    from .output import *  # noqa: F403
    from .server import *  # noqa: F403
    from .tools import *  # noqa: F403

_MODULES = (
    "base",
    "server",
    "output",
    "client",
    "local",
    "items",
    "config",
    "options",
    "tools",
    "codec",
)


def __getattr__(name: str) -> Any:
    if not name.startswith("_"):
        for module in _MODULES:
            found = getattr(import_module(f"{__name__}.{module}"), name, None)
            if found is not None:
                globals()[name] = found
                return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
