"""A button to talk by, in a notebook: ipywidgets around a session's push-to-talk.

What pages do is told on the kernel's threads: a press, a typed line, and neither waits. What is
shown is set by one thread, `realtime-widget`, ten times a second at most, however fast a model
speaks: a widget's traits may be set from any thread, but no two should set the same.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from ..errors import AudioError, ConfigurationError, RealtimeError
from ..runtime.clock import Event
from ..runtime.threads import Thread
from .cards import transcript
from .markup import BOX, FAINT, Markup, element
from .sound import player

if TYPE_CHECKING:
    from ..events.items import Item
    from ..runtime.futures import Reply
    from ..session import RealtimeSession
    from ..voice import PushToTalk

__all__ = ["PushToTalkWidget"]

log = logging.getLogger(__name__)

_TICK = 0.1  # seconds between two looks at what has changed
_QUIETEST = -60.0  # dBFS
_NEWEST = 20  # items that are shown: all of it goes to the page whenever there is more
_REMOTE = (
    "The kernel's machine has no microphone and loudspeaker that could be used, as kernels"
    " elsewhere have none: type; answers that are spoken can be heard below. A kernel on your own"
    " machine has yours."
)
_TALK, _SEND = "Talk", "Send what was said"
#: The one that has the microphone.
_shown: PushToTalkWidget | None = None
_showing = threading.Lock()


class PushToTalkWidget:
    """A button to talk by, a line to type in, and what was said, in a notebook.

    ::

        session = RealtimeSession(
            turn_detection=None, transcription="gpt-4o-mini-transcribe"
        ).open()
        PushToTalkWidget(session)

    Pressed, the button has you heard, and what the model says stops; pressed once more, it has the
    model answer. One at a time: another one, as of a cell that is run again, ends the one before.
    The session stays open when the widget ends; when the session is closed, the widget ends.

    Microphone and loudspeaker are those of the machine that the kernel runs on. Where it has none
    the widget says so; what is typed is answered, and spoken answers are players in the page.

    Args:
        session: Open, with `turn_detection=None`.
        microphone, speaker, record: As of `RealtimeSession.push_to_talk`.

    Attributes:
        box: All of it, as an ipywidgets `VBox`, for layouts of your own.
        button: The `ToggleButton`; its `.value` says whether you are heard.
        line: The `Text` to type in; Return sends it, and so does setting its `.value`.
        said: The `HTML` with the newest twenty items of the conversation.
        status: The `HTML` that says what is going on.

    Raises:
        ConfigurationError: ipywidgets is not installed (extra `notebook`); the server would detect
            turns by itself; `talk()` goes on.
        SessionClosed: The session is not open.
        TypeError: It is no session that could hear, such as one of text.
    """

    def __init__(
        self,
        session: RealtimeSession,
        microphone: Any = None,
        speaker: Any = None,
        *,
        record: Any = None,
    ) -> None:
        if not callable(getattr(session, "push_to_talk", None)):
            raise TypeError(f"session: a RealtimeSession, not {type(session).__name__}")
        widgets = _ipywidgets()
        global _shown
        with _showing:
            before, _shown = _shown, None
        if before is not None:
            before.close()
        self._session: RealtimeSession | None = session  # None once it is over
        self._stop = Event()
        self._turn: Reply[Any] | None = None  # the last one, until its end was shown
        self._items: tuple[Item, ...] = ()  # as they are shown
        self._trouble = ""  # what went wrong last
        self._talk, self._lack = _begin(session, microphone, speaker, record)
        self._thread = Thread(self._run, "realtime-widget")
        try:
            self._make(widgets)
        except BaseException:
            if self._talk is not None:
                self._talk.close()
            raise
        with _showing:
            _shown = self
        self._thread.start()

    def _make(self, widgets: Any) -> None:
        deaf = self._talk is None
        self.button = widgets.ToggleButton(description=_TALK, icon="microphone", disabled=deaf)
        self._level = widgets.FloatProgress(min=0, max=1, layout={"width": "8em"})
        self._hush = widgets.Button(description="Interrupt", icon="stop")
        self._end = widgets.Button(description="End", icon="times")
        # sent by Return: what is half typed is nobody's business
        self.line = widgets.Text(placeholder="or type, and Return", continuous_update=False)
        self.status, self.said, self._heard = (widgets.HTML() for _ in range(3))
        self._controls = (self.button, self._hush, self._end, self.line)
        self.button.layout.width = "16em"
        self.line.layout.width = "auto"  # all there is: 100 % is more, by its margins
        row = widgets.HBox([self.button, self._level, self._hush, self._end])
        self.box = widgets.VBox([row, self.status, self.said, self._heard, self.line])
        self.box.layout.max_width = "46em"
        self.button.observe(self._pressed, "value")
        self.line.observe(self._typed, "value")
        self._hush.on_click(lambda _: self._try(self._interrupt))
        self._end.on_click(lambda _: self.close())
        self._draw()

    # --- what people do, on whichever thread the kernel has for it

    def _pressed(self, change: Any) -> None:
        self._try(self._press if change["new"] else self._release)

    def _press(self) -> None:
        if self._talk is not None:
            self._trouble = ""
            self._talk.press()

    def _release(self) -> None:
        if self._talk is not None and self._talk.pressed:
            self._turn = self._talk.release()

    def _typed(self, change: Any) -> None:
        text = str(change["new"]).strip()
        if text:
            self._try(lambda: self._submit(text))
            self.line.value = ""

    def _submit(self, text: str) -> None:
        if self._session is not None:
            self._trouble = ""
            self._turn = self._session.submit(text)

    def _interrupt(self) -> None:
        if self._session is not None:
            self._session.interrupt()

    def _try(self, act: Any) -> None:
        """Do it; who presses a button sees no traceback, so what is wrong is shown instead."""
        try:
            act()
        except RealtimeError as exc:
            self._trouble = str(exc)

    # --- what is shown, on realtime-widget

    def _run(self) -> None:
        try:
            while not self._stop.wait(_TICK) and self._draw():
                pass
        except Exception:  # a bug of ours; the session goes on
            log.exception("the widget cannot show any more")
        finally:
            self._over()

    def _draw(self) -> bool:
        """Show how it stands; whether that can change any more."""
        session, talk = self._session, self._talk
        if session is None:
            return False
        self._look_at_turn()
        if talk is not None and talk.ended:
            self._mourn(talk)
        state = session.state
        self.status.value = self._words(state)
        self._level.value = _share(self._loudness())
        self.button.description = _SEND if self.button.value else _TALK
        self.button.button_style = "danger" if self.button.value else ""
        items = session.conversation.items[-_NEWEST:]
        if not self.said.value or list(map(id, items)) != list(map(id, self._items)):
            self._items = items
            self.said.value = _scrolled(transcript(items))
        return state != "closed"

    def _look_at_turn(self) -> None:
        turn = self._turn
        if turn is None or not turn.done():
            return
        if self._turn is turn:  # and not the next one, meanwhile
            self._turn = None
        error = turn.exception()
        response = getattr(error, "response", None) if error is not None else turn.result()
        if error is not None:
            self._trouble = str(error)
        if self._talk is None and response is not None and response.audio:
            kind = response._audio_format()
            self._heard.value = player(response.audio, kind, instead="response.audio has it")

    def _mourn(self, talk: PushToTalk) -> None:
        """Its devices are gone; typing goes on."""
        self._talk = None
        try:
            talk.wait(timeout=0)
        except AudioError as exc:
            self._lack = str(exc)
        self.button.value = False
        self.button.disabled = True

    def _words(self, state: str) -> str:
        talk = self._talk
        if state != "open":
            doing = state
        elif talk is not None and talk.pressed:
            doing = "listening"
        elif talk is not None and talk.playing:
            doing = "speaking"
        elif self._turn is not None:
            doing = "thinking"
        else:
            doing = "ready"
        lack = [_note(self._lack), _note(_REMOTE)] if self._lack and state == "open" else []
        trouble = [_note(self._trouble, "color:#d1424d")] if self._trouble else []
        return element("div", element("div", doing), *trouble, *lack, dir="auto")

    def _loudness(self) -> float:
        talk = self._talk
        if talk is None:
            return _QUIETEST
        if talk.pressed:
            return talk.input_level
        return talk.output_level if talk.playing else _QUIETEST

    # --- the end

    def close(self) -> None:
        """End it, and give microphone and loudspeaker back. Idempotent, from any thread.

        What was said stays on the page; the session stays open. Waits five seconds at most.
        """
        self._stop.set()
        if threading.current_thread() is not self._thread:
            self._thread.join(5)

    def _over(self) -> None:
        """Runs on realtime-widget, as its last."""
        global _shown
        with _showing:
            if _shown is self:
                _shown = None
        talk, session = self._talk, self._session
        self._talk = self._session = self._turn = None
        if talk is not None:
            talk.close()
        for one in self._controls:
            one.disabled = True
        self._level.value = 0
        closed = session is not None and session.state == "closed"
        words = "the session is closed" if closed else "ended; the session is open"
        self.status.value = element("div", words)

    def _repr_mimebundle_(self, **wanted: Any) -> Any:
        """As a notebook shows it."""
        return {**self.box._repr_mimebundle_(**wanted), "text/plain": repr(self)}

    def __repr__(self) -> str:
        if self._session is None:
            return "<PushToTalkWidget, over>"
        return f"<PushToTalkWidget, {'listening' if self.button.value else 'ready'}>"


def _ipywidgets() -> Any:
    try:
        import ipywidgets
    except ImportError as exc:
        raise ConfigurationError(
            'the widget needs ipywidgets: pip install "realtime_sync[notebook]"'
        ) from exc
    return ipywidgets


def _begin(
    session: RealtimeSession, microphone: Any, speaker: Any, record: Any
) -> tuple[PushToTalk | None, str]:
    """Microphone and loudspeaker in use; or what they lack."""
    try:
        return session.push_to_talk(microphone, speaker, record=record), ""
    except AudioError as exc:
        return None, str(exc)


def _share(decibels: float) -> float:
    return min(1.0, max(0.0, 1 - decibels / _QUIETEST))


def _note(text: str, style: str = FAINT) -> Markup:
    return element("div", text, style=f"{style};line-height:1.4;white-space:normal")


def _scrolled(parts: list[str]) -> str:
    """Parts in a frame that shows the newest."""
    style = f"{BOX};max-height:22em;overflow:auto;display:flex;flex-direction:column-reverse"
    inner = element("div", *parts)
    return element("div", inner, class_="mathjax_ignore tex2jax_ignore", style=style)
