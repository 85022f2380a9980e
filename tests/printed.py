"""Whether anything that the suite prints or logs shows a key, or audio.

Every key that any test sends to any server is noted; what tests print, what is logged meanwhile and
what failures show is searched for them. A run with `--log-level=DEBUG` searches the most.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from realtime_sync.runtime import greeting, transport

__all__ = ["Printed"]

#: As audio stands on the wire; nothing else of ours is so long without a space.
_AUDIO = re.compile(r"[A-Za-z0-9+/]{600,}={0,2}")
#: Less is a word that tests use, "secret" say.
_LEAST = 16


class Printed:
    """Notes keys, and finds them again."""

    def __init__(self) -> None:
        self.keys: set[str] = set()
        self.found: list[str] = []

    def watch(self) -> None:
        """Note the keys of every handshake from now on."""
        note = self.keys.update

        class Noted(greeting.Headers):
            def __init__(self, *args: Any) -> None:
                super().__init__(*args)
                note(key for key in self.secrets if len(key) >= _LEAST)

        greeting.Headers = Noted  # type: ignore[misc]
        assert transport.greeting is greeting

    def search(self, where: str, sections: Iterable[tuple[str, str]]) -> None:
        """Look through what a test has printed."""
        for name, text in sections:
            if any(key in text for key in self.keys):
                self.found.append(f"{where}: a key is in the {name}")
            if "log" in name and _AUDIO.search(text):
                self.found.append(f"{where}: audio is in the {name}")
