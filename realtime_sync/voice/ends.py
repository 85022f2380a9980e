"""What a caller gives as microphone and speaker, made into what is read and what plays."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..audio import Microphone, PacedSource, Player, Speaker, WavSink
from ..audio.files import SUFFIXES
from ..audio.pace import Clock
from ..errors import ConfigurationError

__all__ = ["Ends", "check_files", "is_file", "microphone_of", "player_of"]


class Ends:
    """A microphone, or what stands for it.

    Attributes:
        source: Has `read()`: 20 ms of PCM16 mono at 24 kHz; b"" at the end.
        live: It goes on whether somebody listens or not.
        own: It was made here, and is closed here.
    """

    def __init__(self, source: Any, *, live: bool, own: bool) -> None:
        self.source = source
        self.live = live
        self.own = own

    def close(self, timeout: float) -> None:
        """Give back what was made here; a device within so many seconds."""
        if self.own and isinstance(self.source, Microphone):
            self.source.close(timeout=timeout)
        elif self.own:
            self.source.close()


def microphone_of(given: Any, clock: Clock | None) -> Ends:
    """The caller's microphone.

    Args:
        given: See `RealtimeSession.talk`.
        clock: Whose time a source is sent in; None: the real one.

    Raises:
        TypeError, OSError, AudioError: It cannot be one.
    """
    if isinstance(given, (Microphone, PacedSource)):
        return Ends(given, live=isinstance(given, Microphone), own=False)
    if is_file(given):
        if not Path(given).is_fifo():  # which is opened once
            Path(given).open("rb").close()  # what is not there is said at once, not by the thread
    elif _is_device(given):
        return Ends(Microphone(given), live=True, own=True)
    live = callable(getattr(given, "read", None))
    return Ends(PacedSource(given, clock=clock), live=live, own=True)


def player_of(
    given: Any, clock: Clock | None, monitor: Callable[[bytes], object]
) -> tuple[Player, Callable[[float], object]]:
    """What plays to the caller's speaker, and what gives back, in so many seconds, what it made.

    Args:
        given: See `RealtimeSession.talk`.
        clock: Whose time a sink is written in; None: the real one.
        monitor: Hears what goes out, silence included.

    Raises:
        TypeError, OSError: It cannot be one.
    """
    if isinstance(given, Player):
        given._monitor = monitor
        return given, lambda _: None
    if is_file(given):
        sink = WavSink(given)
        # a file has no present: silence between two replies takes its time in it, too
        player = Player(sink, silence=True, monitor=monitor, clock=clock)

        def close(timeout: float) -> None:
            player.close(timeout=timeout)
            sink.close()

        return player, close
    made = (
        Speaker(given, monitor=monitor)
        if _is_device(given)
        else Player(given, monitor=monitor, clock=clock)
    )
    return made, lambda timeout: made.close(timeout=timeout)


def check_files(microphone: Any, speaker: Any, record: Any) -> None:
    """Whether each is a file of its own, if it is one: two in one would destroy each other.

    Raises:
        ConfigurationError: Two are one.
    """
    recorded = record if isinstance(record, (tuple, list)) else (record,)
    paths = [Path(one) for one in (microphone, speaker) if is_file(one)]
    paths += [Path(one) for one in recorded if isinstance(one, (str, os.PathLike))]
    seen: set[Path] = set()
    for path in paths:
        real = path.resolve()
        if real in seen and (real.is_file() or not real.exists()):
            raise ConfigurationError(f"talk: {path} is given twice; each needs a file of its own")
        seen.add(real)


def is_file(given: Any) -> bool:
    """Whether it names a sound file; other texts name devices."""
    return isinstance(given, os.PathLike) or (
        isinstance(given, str) and given.lower().endswith(SUFFIXES)
    )


def _is_device(given: Any) -> bool:
    from ..audio.hardware import Device

    return given is None or isinstance(given, (int, str, Device)) or hasattr(given, "search")
