"""The page's place on the server: its files, its stream, who is let in. No threads, no sockets."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib import resources
from typing import Any
from urllib.parse import parse_qs

import realtime_sync
from realtime_sync.local.http import Reply, Request, sse
from realtime_sync.local.page.gate import HEADERS, refused, stranger
from realtime_sync.local.page.ledger import Ledger
from realtime_sync.local.page.news import News
from realtime_sync.local.page.sheet import Sheet
from realtime_sync.local.page.viewing import Viewing
from realtime_sync.local.serving import Line

__all__ = ["PATH", "Site"]

PATH = "/ui"

_FILES = {
    "": "page.html",
    "page.css": "page.css",
    "icon.svg": "icon.svg",
    **{
        f"{name}.js": f"{name}.js"
        for name in ("page", "sessions", "events", "waveform", "turns", "words")
    },
}
_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_VIEWERS = 32


class Site:
    """Everything under `/ui`.

    Args:
        host: Where the server listens.
        identity: A name that no other server has: a page that lives on knows a new one by it.
        lock: Guards what is shown, see `Ledger`; nothing else.
        clock, epoch: As of `Ledger`.
    """

    def __init__(
        self,
        *,
        host: str,
        identity: str,
        lock: AbstractContextManager[Any],
        clock: Callable[[], float],
        epoch: Callable[[], float],
    ) -> None:
        self.ledger = Ledger(lock=lock, clock=clock, epoch=epoch)
        self._host = host
        self._viewers = 0  # guarded by the lock, too
        # what a viewer is told first
        self._greeting = json.dumps({"server": identity, "version": realtime_sync.__version__})
        folder = resources.files(__package__)
        self._files = {name: (folder / file).read_bytes() for name, file in _FILES.items()}

    def has(self, target: str) -> bool:
        """Whether a request is for the page."""
        path = target.partition("?")[0]
        return path == PATH or path.startswith(f"{PATH}/")

    def viewing(self, line: Line) -> Viewing:
        """Somebody who asks for it over a connection. Runs on its thread."""
        return Viewing(line, answer=self.answer, left=self._left, greeting=self._greeting)

    def begin(self, kind: str, model: str, dialect: str, call_id: str) -> Sheet:
        """What is shown of a session that begins; arguments as of `Sheet`."""
        return self.ledger.begin(kind=kind, model=model, dialect=dialect, call_id=call_id)

    def answer(self, request: Request) -> Reply | News:
        """The reply to a request; or what a viewer is to be told, on and on.

        A viewer who gets `News` counts until `left` of his `Viewing` is called. From any thread.
        """
        path, _, query = request.target.partition("?")
        unwanted = stranger(request.headers, self._host, visit=path in (PATH, f"{PATH}/"))
        if unwanted is not None:
            return unwanted
        if request.method != "GET":
            return refused(405, "This page is only to be read.", ("Allow", "GET"))
        if path == PATH:
            # relative to where it was asked for, under whatever name
            return refused(308, f"It is at {PATH}/.", ("Location", f"{PATH}/"))
        name = path.removeprefix(f"{PATH}/")
        if name == "stream":
            return self._stream(query)
        if name not in _FILES:
            return refused(404, "There is no such page.")
        kind = _TYPES[_FILES[name].rpartition(".")[2]]
        return Reply(200, self._files[name], f"{kind}; charset=utf-8", HEADERS)

    def _stream(self, query: str) -> Reply | News:
        with self.ledger.lock:
            if self._viewers >= _VIEWERS:
                # in a stream: a browser does not tell its page why it was refused one
                full = sse({"data": {"full": _VIEWERS}})
                return Reply(200, full, "text/event-stream; charset=utf-8", HEADERS)
            self._viewers += 1
        given = parse_qs(query).get("session", [""])[0][:12]
        chosen = int(given) if given.isascii() and given.isdigit() else None
        return News(self.ledger, chosen)

    def _left(self) -> None:
        """A viewer has gone. From any thread."""
        with self.ledger.lock:
            self._viewers -= 1
