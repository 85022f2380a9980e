"""The worker that writes down recordings. Makes its session where it runs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import ConfigurationError
from .job import Outcome
from .place import config_of, link_of

__all__ = ["Recording", "Transcribe", "recordings"]


_FRAME_MS = 100
_BYTES = 48_000  # a second


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording to be written down.

    Attributes:
        id: Of the job: where the file is in its folder.
        path: Of the file, where the worker runs.
    """

    id: str
    # moved, it is still the same recording
    path: str = field(compare=False)

    __hash__ = None  # type: ignore[assignment]


def recordings(paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> list[Recording]:
    """The sound files in folders, and in the folders below them, in order; or files by their path.

    Raises:
        ConfigurationError: There is no such file, or a folder has none.
    """
    from ..audio.files import SUFFIXES

    found: dict[str, Recording] = {}
    for place in [paths] if isinstance(paths, (str, os.PathLike)) else paths:
        path = Path(place)
        if path.is_file():
            found.setdefault(str(path), Recording(str(path), str(path.absolute())))
            continue
        files = sorted(one for one in path.rglob("*") if one.suffix.lower() in SUFFIXES)
        if not files:
            raise ConfigurationError(f"{path}: there is no sound file")
        for one in files:
            name = one.relative_to(path).as_posix()
            if name in found and found[name].path != str(one.absolute()):
                raise ConfigurationError(f"{name} is in two of the folders: run one at a time")
            found[name] = Recording(name, str(one.absolute()))
    return list(found.values())


@dataclass(frozen=True)
class Transcribe:
    """A worker: what is said in a recording.

    ::

        run(recordings("calls/"), Transcribe(language="en"), results="calls.jsonl")

    Its result's `text` is the transcript; its `value` has `language`, `confidence`, `seconds` (how
    long the recording is), `segments` (text, speaker, start and end in seconds) and `errors`, of
    pieces that failed: then the status is "incomplete".

    Attributes:
        model, language, prompt: As of `TranscriptionSession`; None: its default.
        options: More of its arguments, that pickle.
        config: A `Config`, or what `load_config` takes: where it connects to, and how.
        url, key_env: As of `Converse`.
        timeout: Seconds to wait for room to send, and at the end for each next sign of the
            transcript.

    Raises:
        ConfigurationError: Something is wrong with `config`.
    """

    model: str | None = None
    language: str | None = None
    prompt: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    config: Any = field(default=None, compare=False)
    url: str | None = field(default=None, compare=False)
    key_env: str | None = field(default=None, compare=False)
    timeout: float = field(default=120.0, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "config", config_of(self.config))

    def __call__(self, job: Recording | str | os.PathLike[str]) -> Outcome:
        """Write it down.

        Raises:
            RealtimeError: No session was to be had, or it was lost; or all of it failed.
            OSError, ValueError, AudioError: The file cannot be read.
        """
        from ..transcription import TranscriptionSession

        path = job.path if isinstance(job, Recording) else os.fspath(job)
        heard = _Heard(path)
        given = {"language": self.language, "prompt": self.prompt}
        fields = {name: value for name, value in given.items() if value is not None}
        link = link_of(self.config, self.url, self.key_env)
        with TranscriptionSession(self.model, **{**link, **fields, **self.options}) as session:
            transcript = session.transcribe(iter(heard), timeout=self.timeout)
        if not transcript.text:
            transcript.raise_for_status()
        value = {
            "language": transcript.language,
            "confidence": transcript.confidence,
            "seconds": heard.seconds,
            "segments": [
                {"text": one.text, "speaker": one.speaker, "start": one.start, "end": one.end}
                for one in transcript.segments
            ],
            "errors": [str(error) for error in transcript.errors],
        }
        status = "incomplete" if transcript.errors else "completed"
        return Outcome(transcript.text, value, status, minutes=heard.seconds / 60)


class _Heard:
    """A recording's sound, and how much of it was read."""

    def __init__(self, path: str) -> None:
        from ..audio.sources import frames_of

        self._frames = frames_of(path, frame_ms=_FRAME_MS)
        self._bytes = 0

    def __iter__(self) -> Iterator[bytes]:
        for frame in self._frames:
            self._bytes += len(frame)
            yield frame

    @property
    def seconds(self) -> float:
        """How long it sounds."""
        return round(self._bytes / _BYTES, 3)
