"""What a link keeps secret, and what takes it out of whatever a server says. No socket.

A server that repeats a key seldom does so letter by letter: within a URL it is percent-encoded,
within JSON there are backslashes before some of its signs, or numbers for them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

__all__ = ["HIDDEN", "Secrets"]

#: Stands for a key.
HIDDEN = "…"
#: Less is no secret, and replacing it would garble any text.
LENGTH = 6

#: Signs that no encoding changes.
_PLAIN = re.compile(r"[A-Za-z0-9_.~-]+")


class Secrets:
    """Keys, in whatever form a text has them. They are shown nowhere.

    Attributes:
        clues: Bytes of which one at least is in every text that has a key. To look for these is
            cheap; a key without signs that have other forms is its own clue.
    """

    def __init__(self, values: Iterable[str] = ()) -> None:
        known = sorted({one for one in values if len(one) >= LENGTH}, key=len, reverse=True)
        self._values = known
        patterns = ["".join(map(_forms, one)) for one in known]
        self._text = [re.compile(one) for one in patterns]
        self._bytes = [re.compile(one.encode()) for one in patterns]
        runs = {max(_PLAIN.findall(one), key=len, default="") for one in known}
        # "Bearer sk-…" is nowhere where its second word is not
        self.clues = tuple(
            one.encode() for one in runs if not any(other in one for other in runs - {one})
        )

    def __iter__(self) -> Iterator[str]:
        """The keys, longest first."""
        return iter(self._values)

    def redact(self, text: str) -> str:
        """The same without any of them."""
        for one in self._text:
            text = one.sub(HIDDEN, text)
        return text

    def hidden(self, text: bytes) -> bytes:
        """The same without any of them."""
        for one in self._bytes:
            text = one.sub(HIDDEN.encode(), text)
        return text

    def __repr__(self) -> str:
        return f"<Secrets, {len(self._text)}>"


def _forms(sign: str) -> str:
    """A pattern of all that may stand for a sign of a key."""
    if _PLAIN.fullmatch(sign):
        return re.escape(sign)
    percent = "".join(f"%{byte:02x}" for byte in sign.encode(errors="replace"))
    # the longest first: a percent sign begins its own form
    return rf"(?:(?i:{percent})|\\*(?:(?i:u{ord(sign):04x})|{re.escape(sign)}))"
