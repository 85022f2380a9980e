"""`realtime-sync demo`: a scripted conversation with the embedded server, judged step by step."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import click

from ..errors import RealtimeError
from .failures import line, reported, show_events

if TYPE_CHECKING:
    from ..local import LocalServer
    from ..response import Response
    from ..runtime.futures import Reply
    from ..session import RealtimeSession
    from .screen import Screen
    from .stage import Stage

__all__ = ["demo"]

_PATIENCE = 10.0  # seconds that one step may take
_CUT_AFTER = 60  # deltas of the long story
_PCM_MS = 48  # bytes of a millisecond: PCM16 mono at 24 kHz


@click.command(short_help="See the library at work, without a key.")
@click.option("-v", "--verbose", is_flag=True, help="Show the library's log on stderr.")
@reported
def demo(verbose: bool) -> None:
    """See the library at work: text, a tool call, an interruption, audio.

    Starts the embedded server on this machine and talks to it over a real websocket. Needs neither
    a key nor a network, and takes some five seconds. What is shown comes from the events that the
    session received; each step is checked, and one that fails makes the exit code 1.

    \b
    Example:
      realtime-sync demo
    """
    from ..local import LocalServer
    from .screen import Screen

    show_events(verbose)
    screen = Screen()
    with LocalServer() as server:
        screen.write(f"The embedded server listens on {server.url}.")
        screen.write(
            "It speaks the Realtime protocol and answers by rules, without a model.", "dim"
        )
        failed, events = _played(server, screen)
    screen.write("")
    if failed:
        raise click.ClickException(f"{failed} of {len(_STEPS)} steps failed")
    screen.write(f"All {len(_STEPS)} steps passed; {events} events came.", "bold green")
    screen.write("Now you: realtime-sync chat (with OPENAI_API_KEY set, it talks to OpenAI).")


def _played(server: LocalServer, screen: Screen) -> tuple[int, int]:
    """How many steps failed, and how many events came."""
    from ..session import RealtimeSession
    from .stage import Stage

    ran: list[tuple[int, int]] = []

    def multiply(a: int, b: int) -> int:
        """Multiply two whole numbers."""
        ran.append((a, b))
        return a * b

    # "manual": callbacks run in pump(), here, so that they and we print in one order
    with RealtimeSession(
        endpoint=server.endpoint,
        output_modalities=["text"],
        tools=[multiply],
        dispatcher="manual",
    ) as session:
        stage = Stage(session, screen)
        return Demo(session, stage, screen, ran).run(), stage.total


class StepFailed(Exception):
    """What a step was to show did not happen; the text says what."""


class Demo:
    """The script.

    Args:
        session: Open, with the tool `multiply`; its callbacks run when pumped.
        stage: Sees and shows its events.
        screen: Where headings and verdicts go.
        ran: The arguments of each call that really reached the tool.
    """

    def __init__(
        self, session: RealtimeSession, stage: Stage, screen: Screen, ran: list[tuple[int, int]]
    ) -> None:
        self._session = session
        self._stage = stage
        self._screen = screen
        self._ran = ran

    def run(self) -> int:
        """All steps; how many failed."""
        failed = 0
        for number, (title, step) in enumerate(_STEPS, 1):
            self._screen.write("")
            self._screen.write(f"{number}  {title}", "bold")
            self._stage.begin()
            try:
                verdict = step(self)
            except (StepFailed, RealtimeError) as exc:
                failed += 1
                self._stage.show_events()
                self._screen.labelled("  FAILED  ", line(exc), "red", "bold red")
                continue
            self._stage.show_events()
            self._screen.labelled("  ok      ", verdict, "green", "bold green")
        return failed

    # --- steps

    def text(self) -> str:
        seen, _ = self._turn("Hello! Can you hear me?")
        self._check(len(seen.deltas) > 1, "the reply did not come in pieces")
        first, done = seen.metrics[0].first_text, seen.metrics[0].done
        return f"{len(seen.deltas)} pieces, the first after {_ms(first)}, the last by {_ms(done)}"

    def tool(self) -> str:
        seen, response = self._turn('Please call multiply {"a": 6, "b": 7}')
        self._check(seen.calls == ["multiply"], "the model did not call the function")
        self._check(self._ran == [(6, 7)], "the Python function did not run as asked")
        self._check(seen.ran == ["42"], f"its result is not 42 but {', '.join(seen.ran)}")
        self._check("42" in response.text, "the model's reply does not tell the result")
        return "the model called a Python function, which ran, and then told its result"

    def interruption(self) -> str:
        seen = self._stage.seen
        turn = self._session.submit("Tell me a long story.")
        self._until(lambda: len(seen.deltas) >= _CUT_AFTER or bool(seen.ended), "the story")
        cancelled = self._session.response.cancel()
        response = self._ended(turn)
        self._check(cancelled and response.status == "cancelled", "the story was not cancelled")
        self._check(seen.ended[-1].status == "cancelled", "the server did not say so")
        kept = self._session.conversation.items[-1]
        self._check(kept.status == "incomplete", "the conversation does not show the cut")
        pieces = len(seen.deltas)
        _, after = self._turn("Count to 5")
        self._check(after.status == "completed", "there was no reply after the interruption")
        return f"the story was cut after {pieces} pieces, and the conversation goes on"

    def audio(self) -> str:
        seen, response = self._turn("Good morning!", output_modalities=["audio"])
        spoken = b"".join(seen.audio)
        self._check(bool(spoken) and spoken == response.audio, "the reply has no audio")
        first = seen.metrics[0].first_audio
        parrot = self._stage.begin()
        # the server gives speech back as it was: what comes must be what we sent
        self._turn(None, audio=spoken, output_modalities=["audio"])
        self._check(b"".join(parrot.audio) == spoken, "our own speech did not come back intact")
        tones = "" if find_spec("espeakng_loader") else '; tones, for want of the extra "voice"'
        length = f"{len(spoken) / _PCM_MS:.0f} ms"
        return (
            f"{length} of audio in {len(seen.audio)} pieces, the first after {_ms(first)}{tones}; "
            f"sent back as speech, all {length} returned, byte for byte"
        )

    # --- what steps are made of

    def _turn(self, text: str | None, **asked: Any) -> tuple[Any, Response]:
        """What was seen of one turn, and its last response, which is complete."""
        response = self._ended(self._session.submit(text, **asked))
        response.raise_for_status()
        return self._stage.seen, response

    def _ended(self, turn: Reply[Response]) -> Response:
        """The last response of a turn whose callbacks have all run."""
        self._until(turn.done, "the turn")
        response = turn.result(timeout=0)
        seen = self._stage.seen
        self._until(
            lambda: any(one.id == response.id for one in seen.ended) and bool(seen.metrics),
            "response.done",
        )
        return response

    def _until(self, happened: Callable[[], bool], what: str) -> None:
        """Runs callbacks until something has happened."""
        from ..runtime.clock import Deadline

        deadline = Deadline(_PATIENCE)
        while not happened():
            self._check(not deadline.passed, f"{what} did not come within {_PATIENCE:g} s")
            self._session.pump(0.05)

    @staticmethod
    def _check(holds: bool, otherwise: str) -> None:
        if not holds:
            raise StepFailed(otherwise)


def _ms(seconds: float | None) -> str:
    return "no time known" if seconds is None else f"{seconds * 1000:.0f} ms"


_STEPS: tuple[tuple[str, Callable[[Demo], str]], ...] = (
    ("Text, streamed", Demo.text),
    ("A tool call", Demo.tool),
    ("An interruption", Demo.interruption),
    ("Audio, out and in", Demo.audio),
)
