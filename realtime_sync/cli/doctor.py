"""`realtime-sync doctor`: what works here, what does not, and what to do about it."""

from __future__ import annotations

import math
import os
import platform
import ssl
import statistics
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Literal

import click

from ..errors import (
    AudioError,
    AudioUnavailable,
    AuthenticationError,
    NotFound,
    PermissionDenied,
    RateLimited,
    RealtimeError,
    RealtimeTimeout,
)
from .failures import line, reported
from .jsonlines import JsonLines, json_option
from .screen import printable
from .target import Target, server_options

if TYPE_CHECKING:
    from ..session import RealtimeSession

__all__ = ["doctor"]

_NEEDED = ("websocket-client", "pydantic", "numpy", "pybase64")
_EXTRAS = {
    "audio": "pyaudio",
    "aec": "livekit",
    "local": "websockets",
    "voice": "espeakng-loader",
    "image": "pillow",
    "text": "openai",
    "tools": "docstring-parser",
    "proxy": "python-socks",
    "qt": "PySide6-Essentials",
    "notebook": "ipywidgets",
    "otel": "opentelemetry-api",
}
_PROXIES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
_MARKS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "failed": ("✗", "red")}
_ROUNDS = 5  # round trips whose median is the latency
_QUIET = -80.0  # dBFS: a microphone that hears less is muted


@dataclass(frozen=True, slots=True)
class Finding:
    """What one look has shown; `cure`: what to do, where there is something to do."""

    name: str
    state: Literal["ok", "warning", "failed"]
    said: str
    cure: str = ""


@click.command(short_help="See what works here, and what to do.")
@click.option("--devices/--no-devices", default=True, help="Record and play a second.")
@json_option("Each finding as a line of JSON.")
@server_options
@reported
def doctor(target: Target, devices: bool, as_json: JsonLines | None) -> None:
    """Look at everything that a conversation needs, and say what to do where something is wrong.

    Versions, the key, TLS, proxies, the way to the server and how long it takes, microphone and
    loudspeaker: a second is recorded, and a quiet tone played. With --config the file, its tools
    and what the server says to them, too. Nothing is sent that costs tokens.

    \b
    Examples:
      realtime-sync doctor
      realtime-sync doctor --no-devices --url http://127.0.0.1:8000/v1
      realtime-sync doctor --config agent.toml

    With --json: name, state (ok, warning or failed), said, cure (empty where there is none).

    Exit code: 0 where a conversation can be held; 1 where something that it needs does not work.
    """
    from .screen import Screen

    screen, failed = Screen(), 0
    for finding in _findings(target, devices):
        failed += finding.state == "failed"
        if as_json is not None:
            as_json.write(asdict(finding))
            continue
        mark, style = _MARKS[finding.state]
        screen.labelled(f"{mark} {finding.name:12} ", finding.said, label_style=style)
        if finding.cure:
            screen.labelled(f"  {'':12} ", f"→ {printable(finding.cure)}", "bold")
    if failed:
        raise click.exceptions.Exit(1)


def _findings(target: Target, devices: bool) -> Iterator[Finding]:
    yield _versions()
    yield _extras()
    if target.config is not None:
        said = ", ".join(target.config) or "it says nothing"
        yield Finding("config", "ok", f"{target.config.source}: {said}")
    yield _key(target)
    yield _tls()
    yield from _proxies()
    yield from _way(target)
    if devices:
        yield from _listened(target.talk.get("microphone"))
        yield from _played(target.talk.get("speaker"))


def _versions() -> Finding:
    found = ", ".join(f"{name} {version(name)}" for name in ("realtime_sync", *_NEEDED))
    return Finding("versions", "ok", f"Python {platform.python_version()}, {found}")


def _extras() -> Finding:
    there, missing = [], []
    for extra, package in _EXTRAS.items():
        try:
            version(package)
            there.append(extra)
        except PackageNotFoundError:
            missing.append(extra)
    said = f"{', '.join(there) or 'none'}; not here: {', '.join(missing) or 'none'}"
    cure = f'for those that you want: pip install "realtime_sync[{",".join(missing)}]"'
    return Finding("extras", "ok", said, cure if missing else "")


def _key(target: Target) -> Finding:
    if target.url is not None:
        sent = "sent" if target.key else "none is sent to --url without --api-key-env NAME"
        return Finding("key", "ok", sent)
    if target.placed and target.key is None:
        assert target.config is not None
        return Finding("key", "ok", f"as {target.config.source} says")
    raw = target.key or os.environ.get("OPENAI_API_KEY", "")
    if not raw.strip():
        return Finding(
            "key", "warning", "OPENAI_API_KEY is not set", "export OPENAI_API_KEY=sk-…, of OpenAI"
        )
    if raw.strip("'\"").strip() != raw.strip():
        return Finding("key", "failed", "it stands in quotes", "set it without them")
    return Finding("key", "ok", f"there, {len(raw.strip())} characters")


def _tls() -> Finding:
    paths = ssl.get_default_verify_paths()
    context = ssl.create_default_context()
    count = context.cert_store_stats()["x509_ca"]
    # a directory of certificates is read when it is needed: it counts none before
    if not count and not paths.capath:
        return Finding(
            "TLS",
            "failed",
            f"{ssl.OPENSSL_VERSION}, no certificate authorities",
            "apt-get install ca-certificates, or SSL_CERT_FILE=…/cacert.pem",
        )
    where = paths.cafile or paths.capath or "the system's store"
    return Finding("TLS", "ok", f"{ssl.OPENSSL_VERSION}, authorities from {where}")


def _proxies() -> Iterator[Finding]:
    named = [name for name in _PROXIES if os.environ.get(name)]
    if named:
        yield Finding(
            "proxy",
            "warning",
            f"{', '.join(named)} is set; the library takes no proxy from the environment",
            "where you need one: RealtimeSession(proxy=…)",
        )


def _way(target: Target) -> Iterator[Finding]:
    """Connect, and ask for nothing a few times."""
    # what the first link would bring in is no part of its time
    from ..runtime import transport  # noqa: F401

    times: list[float] = []
    try:
        # one attempt: what is wrong is told at once
        with target.opened(reconnect=None, ready=lambda: times.append(_now())) as session:
            took = _now() - times[0]
            yield Finding("handshake", "ok", f"{session.config.model}, {took:.0f} ms")
            yield Finding("latency", "ok", f"{_latency(session):.1f} ms for a round trip (median)")
    except (RealtimeError, OSError) as exc:
        sent = target.url is None or bool(target.key)
        yield Finding("handshake", "failed", line(exc), _cure(exc, sent=sent))


def _latency(session: RealtimeSession) -> float:
    times = []
    for _ in range(_ROUNDS):
        began = _now()
        session.input_audio_buffer.clear()  # costs nothing, and is answered
        times.append(_now() - began)
    return statistics.median(times)


def _now() -> float:
    """Milliseconds."""
    return time.perf_counter() * 1000


def _cure(error: Exception, *, sent: bool) -> str:
    """What to do about a failed handshake; `sent`: with a key."""
    cause = error.__cause__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return "an own server, or a company's proxy between? SSL_CERT_FILE=issuer.pem"
    if isinstance(cause, ssl.SSLError):
        return "is it http:// rather than https://?"
    if isinstance(error, AuthenticationError) and not sent:
        return "send it a key: --api-key-env NAME"
    for kind, cure in _CURES.items():
        if isinstance(error, kind):
            return cure
    return "is the server up, the network there, the URL right, and https:// where it must be?"


_CURES: dict[type[Exception], str] = {
    AuthenticationError: "check the key: it may have been revoked, or be another project's",
    PermissionDenied: "this key may not use this model: --model, or the key's permissions",
    NotFound: "check --url and --model",
    RateLimited: "wait, or raise the quota",
    RealtimeTimeout: "nothing answers: a firewall between, or http:// rather than https://?",
}


def _audio(name: str, look: Callable[[], Finding]) -> Iterator[Finding]:
    try:
        yield look()
    except AudioUnavailable as exc:
        yield Finding(name, "warning", line(exc), "only voice needs it; or --no-devices")
    except AudioError as exc:
        yield Finding(name, "warning", line(exc), "realtime-sync devices lists what there is")


def _listened(device: Any) -> Iterator[Finding]:
    from ..audio import Microphone, level

    def look() -> Finding:
        heard = b""
        with Microphone(device) as microphone:
            while len(heard) < 48_000 and (frame := microphone.read()):
                heard += frame
            lost = microphone.lost_ms
        loud = level(heard)
        said = f"a second recorded, {loud:.0f} dBFS" + (f", {lost:.0f} ms lost" if lost else "")
        if loud < _QUIET:
            return Finding("microphone", "warning", said, "it hears nothing: is it muted?")
        return Finding("microphone", "ok", said)

    return _audio("microphone", look)


def _played(device: Any) -> Iterator[Finding]:
    from ..audio import Speaker

    def look() -> Finding:
        wave = (round(3_000 * math.sin(2 * math.pi * 440 * at / 24_000)) for at in range(24_000))
        with Speaker(device) as speaker:
            speaker.play(struct.pack("<24000h", *wave), "tone")
            speaker.finish("tone")
            speaker.wait_playback(timeout=10)
            played = speaker.position("tone")
        if played < 900:
            return Finding("speaker", "warning", f"{played:.0f} of 1000 ms played", "try another")
        return Finding("speaker", "ok", "a tone of a second played: did you hear it?")

    return _audio("speaker", look)
