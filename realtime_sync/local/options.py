"""What a server may be told, and what not."""

from __future__ import annotations

from realtime_sync.errors import ConfigurationError

__all__ = ["check"]

_SECONDS_MOST = 1e9  # beyond it no clock can say when that is


def check(
    speed: float | None, api_key: str | None, voice: str, dialect: str, expires_in: float | None
) -> None:
    """Raises `ConfigurationError` at the first argument that is wrong."""
    if speed is not None and not 0 < speed < float("inf"):
        raise ConfigurationError(f"speed is {speed}: give a positive number, or None")
    if voice not in ("auto", "tones"):
        raise ConfigurationError(f"voice is {voice!r}: give 'auto' or 'tones'")
    if api_key is not None and not api_key.strip():
        raise ConfigurationError("api_key is empty: give a key, or None to accept any")
    if dialect not in ("ga", "beta"):
        raise ConfigurationError(f"dialect is {dialect!r}: give 'ga' or 'beta'")
    if expires_in is not None and not 0 < expires_in < _SECONDS_MOST:
        raise ConfigurationError(f"expires_in is {expires_in}: give seconds, or None for an hour")
