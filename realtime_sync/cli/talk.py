"""`realtime-sync talk`: a conversation by voice."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import click

from ..errors import AudioUnavailable, DeviceNotFound, RealtimeTimeout
from ..runtime.clock import monotonic
from .calls import LABEL, STYLE, called, ended
from .failures import reported
from .screen import loudness, printable
from .target import Target, device_of, target_options
from .wavpath import WavPath, not_twice

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..session import RealtimeSession
    from ..voice import LiveItem, PushToTalk, Talk
    from .keys import Keys
    from .screen import Live, Screen

__all__ = ["talk"]

_LABELS = {"user": "you   ", "assistant": "model "}
_STYLES = {"user": "bold cyan", "assistant": "bold green"}
_DEVICES = {"input": "microphone", "output": "speaker"}
_LOOK = 0.1  # seconds between two looks at what has changed
_TWICE = 2.0  # seconds within which a second Ctrl-C ends it
_LATE = 30  # looks that a transcript may hold up what was said after it


@click.command()
@click.option(
    "--input",
    "source",
    type=click.Path(exists=True, dir_okay=False),
    metavar="SAID.WAV",
    help="What is said, instead of a microphone.",
)
@click.option(
    "--output",
    "sink",
    type=WavPath(),
    metavar="REPLY.WAV",
    help="Where the model is heard, instead of a loudspeaker.",
)
@click.option("--microphone", metavar="DEVICE", help="Its number or part of its name; see devices.")
@click.option("--speaker", metavar="DEVICE", help="Likewise.")
@click.option("--push-to-talk", "key", is_flag=True, help="The space bar says when you speak.")
@click.option(
    "--echo",
    type=click.Choice(["half_duplex", "none", "aec"]),
    help="half_duplex: you cannot interrupt (the default); none: headphones; aec: echo is "
    "cancelled.",
)
@click.option("--record", type=WavPath(), metavar="BOTH.WAV", help="Both sides.")
@click.option("--voice", metavar="NAME", help="Else the server's.")
@click.option("--ai-first", is_flag=True, help="The model speaks first.")
@click.option("--stopword", metavar="WORD", help="Ends the talk where you say it.")
@target_options
@reported
def talk(
    target: Target,
    source: str | None,
    sink: str | None,
    microphone: str | None,
    speaker: str | None,
    key: bool,
    echo: Literal["half_duplex", "none", "aec"] | None,
    record: str | None,
    voice: str | None,
    ai_first: bool,
    stopword: str | None,
) -> None:
    """Talk to a model by voice.

    What both say is shown as it is said. Ctrl-C interrupts the model; twice ends it. With
    --push-to-talk the space bar begins what you say, and pressed again ends it.

    \b
    Examples:
      realtime-sync talk
      realtime-sync talk --echo none --record both.wav
      realtime-sync talk --push-to-talk
      realtime-sync talk --ai-first --stopword goodbye
      realtime-sync talk --input question.wav --output answer.wav

    Without OPENAI_API_KEY and --url the embedded server answers (and says so on stderr): by rules,
    without a model; it gives speech back as it was.

    Through a pipe each line is what one side has said, once it is said; what tools did is told on
    stderr.

    Exit code: 0 where the talk came to its end, by you or by itself; 1 for everything else, with
    the reason on stderr; 2 for wrong usage.
    """
    not_twice(input=source, output=sink, record=record)
    if key and source is not None:
        raise click.UsageError("--push-to-talk is for a microphone; leave out --input")
    if stopword is not None and not stopword.strip():
        raise click.UsageError("--stopword: a word")
    fields: dict[str, Any] = {"output_modalities": ["audio"]}
    if voice is not None:
        fields["voice"] = voice
    unless: dict[str, Any] = {}
    if key:
        fields["turn_detection"], unless["transcription"] = None, "gpt-4o-mini-transcribe"
    said = target.talk
    given: dict[str, Any] = {
        "microphone": Path(source) if source else device_of(microphone),
        "speaker": Path(sink) if sink else device_of(speaker),
        "echo": echo,
    }
    said |= {name: value for name, value in given.items() if value is not None}
    ends = said.pop("microphone", None), said.pop("speaker", None)
    with target.opened(unless, **fields) as session:
        session.on("device.*", _tell)
        try:
            held: Talk | PushToTalk = (
                session.push_to_talk(*ends, record=record)
                if key
                else session.talk(*ends, record=record, **said)
            )
        except (AudioUnavailable, DeviceNotFound) as exc:
            raise type(exc)(f"{exc}; files will do: --input SAID.WAV --output REPLY.WAV") from exc
        try:
            if ai_first:
                session.response.create()
            _shown(session, held, stopword)
        finally:
            held.stop()
    held.wait(timeout=0)


def _tell(event: Any, live: Live | None = None) -> None:
    """A device went away, or is there again: a line on stderr, above what is drawn."""
    device = f"{_DEVICES[event.direction]} {printable(repr(event.device))}"
    if event.type == "device.restored":
        said = f"The {device} goes on."
    elif event.retrying:
        said = f"The {device} is gone; looking for it, or another."
    else:
        return  # the talk ends, and says so
    if live is None:
        click.echo(said, err=True)
    else:
        live.note(said)


def _shown(session: RealtimeSession, held: Talk | PushToTalk, stopword: str | None) -> None:
    from .keys import Keys
    from .screen import Screen

    screen = Screen()
    with Keys() as keys:
        View(session, held, screen, keys, stopword).run()


class View:
    """Both sides, as they are said.

    Args:
        session: Open.
        held: The conversation.
        screen: Where it is shown.
        keys: Of whoever sits there.
        stopword: What the user says to end it; None: nothing does.
    """

    def __init__(
        self,
        session: RealtimeSession,
        held: Talk | PushToTalk,
        screen: Screen,
        keys: Keys,
        stopword: str | None = None,
    ) -> None:
        self._session = session
        self._held = held
        # the one with a key, if it is such
        self._key: PushToTalk | None = cast("PushToTalk", held) if hasattr(held, "press") else None
        self._screen = screen
        self._keys = keys
        # a word of its own, in capitals or not
        self._stopword = stopword and re.compile(
            rf"(?<!\w){re.escape(stopword.strip())}(?!\w)", re.IGNORECASE
        )
        self._stopped = False  # it was said
        self._events = session.events("tool.started", "tool.finished")
        self._calls: dict[str, tuple[str, float]] = {}  # those that run, and since when
        self._items: list[LiveItem] = []  # not printed yet, in the conversation's order
        self._looks = 0  # since the oldest of them was printed
        self._stopping = 0.0  # seconds within which another Ctrl-C ends it

    def run(self) -> None:
        """Until it is over, or Ctrl-C was pressed twice."""
        with self._screen.live(self._open) as live:
            self._live = live
            self._session.off("device.*", _tell)  # from here on beside what is drawn
            self._session.on("device.*", partial(_tell, live=live))
            try:
                self._follow()
            except KeyboardInterrupt:
                pass  # the second: it ends
            while (item := self._held.read()) is not None:
                self._items.append(item)
            for item in self._items:
                self._print(item)
            self._look_at_tools()

    def _follow(self) -> None:
        over = False
        while not over:
            try:
                over = self._held.ended or self._told_to_stop()
                if not over:
                    self._look()
            except KeyboardInterrupt:
                if self._stopping > 0:
                    raise
                self._stopping = _TWICE
                self._session.interrupt()

    def _told_to_stop(self) -> bool:
        self._stopped = self._stopped or any(map(self._stops, self._items))
        return self._stopped

    def _stops(self, item: LiveItem) -> bool:
        word = self._stopword
        return bool(word and item.role == "user" and word.search(item.text))

    def _look(self) -> None:
        try:
            self._held.wait(timeout=_LOOK)
        except RealtimeTimeout:
            pass
        self._stopping -= _LOOK
        for pressed in self._keys.pressed():
            self._press(pressed)
        while (item := self._held.read()) is not None:
            self._items.append(item)
        self._look_at_tools()
        self._looks += 1
        # a transcript that does not come must not hold up what was said after it
        late = len(self._items) > 1 and self._looks > _LATE
        while self._items and (late or self._is_over(self._items[0])):
            self._print(self._items.pop(0))
            self._looks, late = 0, False

    def _look_at_tools(self) -> None:
        for event in cast("Iterator[Any]", self._events.ready()):
            if event.type == "tool.started":
                call = called(event.name, event.arguments)
                self._calls = {**self._calls, event.call_id: (call, monotonic())}
                continue
            call, _ = self._calls.get(event.call_id, (printable(event.name), 0.0))
            self._calls = {id: one for id, one in self._calls.items() if id != event.call_id}
            text = f"{call} {ended(event)}"
            if self._screen.is_terminal:
                self._live.write(LABEL, text, STYLE)
            else:
                click.echo(f"{LABEL}{text}", err=True)

    def _is_over(self, item: LiveItem) -> bool:
        """Whether its line can stay: nothing more comes, and nobody can cut it any more."""
        heard = item.role == "user" or item.interrupted or not self._held.playing
        return item.done and (heard or item is not self._items[-1])

    def _press(self, pressed: str) -> None:
        key = self._key
        if pressed == " " and key is not None:
            (key.release if key.pressed else key.press)()
        elif pressed in "mM":
            (self._held.unmute if self._held.muted else self._held.mute)()

    def _print(self, item: LiveItem) -> None:
        self._stopped = self._stopped or self._stops(item)
        text = item.text.strip()
        if item.interrupted:
            text += " …"
        if text:
            self._live.write(_LABELS[item.role], text, _STYLES[item.role])

    def _open(self) -> list[tuple[str, str, str]]:
        """What is being said, and how loud: label, text and the label's style of each line."""
        lines = [
            (_LABELS[item.role], item.text.strip() or "…", _STYLES[item.role])
            for item in self._items
        ]
        now = monotonic()
        lines += [
            (LABEL, f"{call} … {now - since:.0f} s", STYLE) for call, since in self._calls.values()
        ]
        held = self._held
        muted = " muted, m: unmute" if held.muted else ""
        if self._key is not None:
            muted += " speak; space: done" if self._key.pressed else " space: speak"
        levels = f"you {loudness(held.input_level)}  model {loudness(held.output_level)}{muted}"
        return [*lines, ("", levels, "")]
