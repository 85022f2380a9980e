"""How a server is reached: name, TCP, proxy and TLS, all under one deadline. No WebSocket, no HTTP.

Runs on the thread that asks and blocks it. Of several addresses the next is tried as soon as one
fails, or beside it when it stays silent for a quarter of a second (RFC 8305 without the sorting).
"""

from __future__ import annotations

import errno
import functools
import importlib.util
import ipaddress
import logging
import os
import re
import selectors
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, TypeVar
from urllib.parse import urlsplit

from ..errors import ConfigurationError, ConnectError
from .clock import monotonic
from .framing import printable
from .wire import ClearText, Wire, said

__all__ = [
    "Deadline",
    "Patience",
    "Peer",
    "check_context",
    "check_proxy",
    "default_context",
    "reach",
]

log = logging.getLogger(__name__)

T = TypeVar("T")
Address = tuple[Any, ...]  # what getaddrinfo lists

_STAGGER = 0.25  # seconds after which the next address is tried beside the one that is silent
_SLICE = 0.1  # seconds between two looks at the deadline, which its owner may cut short
_USER_TIMEOUT_MS = 20_000  # unacknowledged bytes after which a dead network is noticed


_CLOCK = "check the clock of this machine; else its owner has to renew it"
_NAME = "check the host name"
_NETWORK = "check the address and the network"
#: Why OpenSSL refuses a certificate (X509_V_ERR_...) -> what to do, but for one of a stranger's.
_CURES = {9: _CLOCK, 10: _CLOCK, 62: _NAME, 64: _NAME}
_PROXIES = frozenset({"http", "socks4", "socks5"})
_NO_SOCKS = 'proxy: it needs python-socks; pip install "realtime_sync[proxy]"'


class Deadline(Protocol):
    """Whoever knows how long one attempt may take; `clock.Deadline` does."""

    def remaining(self) -> float | None: ...


class Peer(NamedTuple):
    """Where the server is. `str()` of it is safe to show."""

    host: str
    port: int
    secure: bool

    @property
    def loopback(self) -> bool:
        """Whether it is this machine, which no proxy can reach."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost" or self.host.endswith(".localhost")

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Patience:
    """The deadline of one attempt, and all waiting under it."""

    def __init__(self, deadline: Deadline, peer: Peer) -> None:
        self.peer = peer
        self.doing = "resolving the name"  # for the message
        self._deadline = deadline
        self._begun = monotonic()
        self._given = deadline.remaining()

    def left(self) -> float | None:
        """Seconds left; None: for ever.

        Raises:
            ConnectError: None are.
        """
        left = self._deadline.remaining()
        if left is not None and left <= 0:
            spent = monotonic() - self._begun
            if self._given is not None:
                spent = min(spent, max(0.0, self._given))
            raise ConnectError(
                f"no WebSocket handshake with {self.peer} within {spent:.3g} s:"
                f" time ran out while {self.doing}"
            )
        return left

    def slice(self) -> float:
        """How long to wait before asking again."""
        left = self.left()
        return _SLICE if left is None else min(left, _SLICE)

    def select(
        self, selector: selectors.BaseSelector, limit: float | None = None
    ) -> list[selectors.SelectorKey]:
        """Wait until something is ready; nothing after `limit` seconds."""
        until = None if limit is None else monotonic() + limit
        while True:
            wait = self.slice()
            if until is not None:
                wait = min(wait, max(0.0, until - monotonic()))
            ready = selector.select(wait)
            if ready or (until is not None and monotonic() >= until):
                return [key for key, _ in ready]

    def wait(self, sock: socket.socket, event: int) -> None:
        """Wait until `sock` is ready for `event`."""
        with selectors.DefaultSelector() as selector:
            selector.register(sock, event)
            self.select(selector)

    def run(self, fn: Callable[[], T], name: str, *, too_late: Callable[[T], None]) -> T:
        """Call `fn`, which may block beyond the deadline, on a thread of its own.

        Args:
            too_late: Gets a result that nobody waits for any more.
        """
        # A thread, because getaddrinfo can be neither interrupted nor given a timeout. Given up,
        # it ends when the system does; daemon, so that it never holds up the exit.
        box: list[Callable[[], T]] = []  # at most one; list.pop decides who gets it
        done, given_up = threading.Event(), threading.Event()

        def work() -> None:
            try:
                result = fn()
            except Exception as exc:
                error = exc
                box.append(lambda: _throw(error))
            else:
                box.append(lambda: result)
            done.set()
            if given_up.is_set():
                _discard(box, too_late)

        threading.Thread(target=work, name=name, daemon=True).start()
        try:
            while not done.wait(self.slice()):
                pass
        except BaseException:  # the deadline, or Ctrl-C
            given_up.set()
            _discard(box, too_late)
            raise
        return box.pop()()


def _throw(error: Exception) -> Any:
    raise error


def _discard(box: list[Callable[[], T]], too_late: Callable[[T], None]) -> None:
    try:
        too_late(box.pop()())
    except Exception:
        pass  # the box is empty or holds an error: there is nothing to give back


def reach(
    peer: Peer, patience: Patience, *, context: ssl.SSLContext | None, proxy: str | None
) -> Wire:
    """Make the connection to `peer`, up to and including TLS.

    Raises:
        ConnectError: It could not be made.
        ConfigurationError: The proxy cannot be used.
    """
    if proxy is None or peer.loopback:
        sock = _connect(peer, patience)
    else:
        sock = _connect_through(proxy, peer, patience)
    try:
        sock.setblocking(False)
        _tune(sock)
        patience.doing = "agreeing on TLS"
        wire = Wire(sock, context, peer.host)
        wire.shake(patience)
    except ssl.SSLCertVerificationError as exc:
        sock.close()
        raise ConnectError(
            f"the certificate of {peer} was refused: {exc.verify_message.rstrip('.')};"
            f" {_CURES.get(exc.verify_code) or _cure(context)}"
        ) from exc
    except ClearText as exc:
        sock.close()
        raise ConnectError(
            f"{peer} answered in clear text, not in TLS; is it http:// or ws://, without the s?"
        ) from exc
    except OSError as exc:
        sock.close()
        if isinstance(exc, ConnectError):
            raise
        raise ConnectError(
            f"no TLS with {peer}: {said(exc)}; is it a TLS server, version 1.2 or later?"
        ) from exc
    except BaseException:  # Ctrl-C, say: the descriptor must not outlive it
        sock.close()
        raise
    return wire


def check_context(context: object) -> None:
    """Complain about what cannot make TLS; warn of what makes it without checking.

    Raises:
        ConfigurationError: It is no `ssl.SSLContext`, or one of a server's.
    """
    if not isinstance(context, ssl.SSLContext):
        raise ConfigurationError(
            f"ssl_context: an ssl.SSLContext is needed, not {type(context).__name__};"
            " ssl.create_default_context(cafile=...) makes one"
        )
    if context.protocol == ssl.PROTOCOL_TLS_SERVER:
        raise ConfigurationError("ssl_context: it is that of a server; take PROTOCOL_TLS_CLIENT")
    if context.verify_mode != ssl.CERT_REQUIRED or not context.check_hostname:
        log.warning(
            "ssl_context does not check the server's certificate and name: whoever answers in its"
            " place gets the key"
        )


def check_proxy(proxy: object) -> None:
    """Complain about what is no proxy. The message does not show it: it may hold a password.

    Raises:
        ConfigurationError: It is no URL of one, or the package for it is not there.
    """
    if not isinstance(proxy, str):
        raise ConfigurationError(f"proxy: a URL is needed, not {type(proxy).__name__}")
    try:
        parts = urlsplit(proxy)
        known = parts.scheme in _PROXIES and parts.hostname and parts.port
    except ValueError:
        known = None
    if not known or re.search(r"[\x00-\x20\x7f]", proxy):
        raise ConfigurationError('proxy: a URL like "http://host:port" or "socks5://host:port"')
    if importlib.util.find_spec("python_socks") is None:
        raise ConfigurationError(_NO_SOCKS)


@functools.cache
def default_context() -> ssl.SSLContext:
    """The one TLS context of the process: each costs 20 ms and 0.9 MB."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _cure(context: ssl.SSLContext | None) -> str:
    """What to do about a certificate whose issuer is not trusted."""
    places = ssl.get_default_verify_paths()
    known = context is not None and any(context.cert_store_stats().values())
    if not (known or places.cafile or places.capath):
        return (
            "this process knows no certificate authority: have SSL_CERT_FILE name a file of them,"
            " or give an ssl_context"
        )
    return "give an ssl_context that trusts its issuer"


def _tune(sock: socket.socket) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # pragma: no branch
        # keep-alive is off while data is unacknowledged: without it a dead link is noticed after
        # a quarter of an hour
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _USER_TIMEOUT_MS)


def _connect(peer: Peer, patience: Patience) -> socket.socket:
    addresses = _resolve(peer, patience)
    patience.doing = "connecting"
    try:
        return _race(addresses, patience)
    except ConnectError:
        raise
    except ConnectionRefusedError as exc:
        raise ConnectError(
            f"the connection to {peer} was refused; is the server running, and the port right?"
        ) from exc
    except OSError as exc:
        full = exc.errno in (errno.EMFILE, errno.ENFILE)
        cure = "close what is open, or have the limit raised" if full else _NETWORK
        raise ConnectError(f"no connection to {peer}: {said(exc)}; {cure}") from exc


def _resolve(peer: Peer, patience: Patience) -> list[Address]:
    def look_up(flags: int = 0) -> list[Address]:
        return list(socket.getaddrinfo(peer.host, peer.port, type=socket.SOCK_STREAM, flags=flags))

    try:
        if _is_address(peer.host):
            return look_up(socket.AI_NUMERICHOST)
        return patience.run(look_up, "realtime-resolve", too_late=lambda _: None)
    except (socket.gaierror, UnicodeError) as exc:
        raise ConnectError(
            f"the name of {peer} could not be resolved: {said(exc)};"
            " check the host name and the network"
        ) from exc


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _race(addresses: list[Address], patience: Patience) -> socket.socket:
    """The first address that answers."""
    left = addresses[::-1]
    error = OSError("no address")
    with selectors.DefaultSelector() as racing:
        try:
            while left or racing.get_map():
                if left:
                    try:
                        racing.register(_begin(left.pop()), selectors.EVENT_WRITE)
                    except OSError as exc:
                        error = exc
                        continue
                for key in patience.select(racing, _STAGGER if left else None):
                    sock: Any = key.fileobj
                    racing.unregister(sock)
                    code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                    if not code:
                        return sock  # type: ignore[no-any-return]  # selectors types it as Any
                    sock.close()
                    error = OSError(code, os.strerror(code))
        finally:
            for key in racing.get_map().values():
                key.fileobj.close()  # type: ignore[union-attr]  # the others; all are sockets
    raise error


def _begin(address: Address) -> socket.socket:
    sock = socket.socket(*address[:3])
    try:
        sock.setblocking(False)
        sock.connect(address[4])
    except BlockingIOError:
        pass  # under way
    except BaseException:  # it must not be left to the garbage collector, which would complain
        sock.close()
        raise
    return sock


def _connect_through(proxy: str, peer: Peer, patience: Patience) -> socket.socket:
    try:
        from python_socks import ProxyError
        from python_socks.sync import Proxy
    except ImportError as exc:
        raise ConfigurationError(_NO_SOCKS) from exc
    patience.doing = "connecting through the proxy"
    try:
        through = Proxy.from_url(proxy)
    except ValueError:
        through = None  # raised below: the library's words, and its frames, hold the password
    if through is None:
        raise ConfigurationError('proxy= is not a URL like "http://host:port" or "socks5://…"')

    def connect() -> socket.socket:
        return through.connect(peer.host, peer.port, timeout=patience.left())

    reason = ""
    try:
        return patience.run(connect, "realtime-proxy", too_late=socket.socket.close)
    except ConnectError:
        raise
    except (ProxyError, OSError) as exc:
        reason = printable(said(exc))
    raise ConnectError(f"no connection to {peer} through the proxy: {reason}; check the proxy")
