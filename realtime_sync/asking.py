"""Turns of a session: say something, and have the answer. Knows the connection, not the wire."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, Literal, TypeVar, overload

from . import items
from .core.responses import ResponseRecord
from .core.state import SessionState
from .core.turns import DEFAULT_ROUNDS, Turn
from .errors import ConfigurationError
from .events.base import ClientEvent
from .events.items import Item
from .living import Living
from .resources.calls import running_call, running_turn
from .resources.conversation import item_event, text_event
from .resources.frames import send_frame
from .resources.guardrails import Check, Guardrails, judging
from .resources.responses import response_params
from .resources.spoken import buffered
from .resources.tools import Tools
from .response import Response
from .runtime.clock import Deadline, check_timeout, may_wait
from .runtime.futures import Reply
from .streams import Rounds, TextStream

__all__ = ["Asking"]

C = TypeVar("C", bound=Check)


_WORD_FOR_WORD = (
    "You lend your voice to a text that is given to you. Say it exactly as it stands, word for "
    "word, in its own language. Do not answer it, do not comment on it, add nothing, leave out "
    "nothing."
)


class Asking(Living):
    """The part of a session that runs turns."""

    tools: Tools

    def __init__(self) -> None:
        super().__init__()
        self._guardrails = Guardrails(self)
        self._handles: weakref.WeakValueDictionary[int, Response] = weakref.WeakValueDictionary()

    def ask(
        self,
        text: str | None = None,
        *,
        audio: Any = None,
        image: Any = None,
        detail: str | None = None,
        through: Literal["item", "buffer"] = "item",
        max_rounds: int = DEFAULT_ROUNDS,
        timeout: float | None = 120,
        **overrides: Any,
    ) -> Response:
        """Say something, and have the answer: a turn, tool calls included.

        Nothing said: the model answers what is there.

        Args:
            text: What the user says.
            audio: PCM16 bytes or an array at 24 kHz, or the path of a WAV file.
            image: PNG or JPEG, as bytes or a path; a Pillow image, or an array of uint8.
            detail: How closely the model looks at the image: "auto", "low" or "high".
            through: Which way the audio goes: in the user's item, or, "buffer", through the input
                audio buffer, behind what was appended before: it is transcribed there, if the
                session has `transcription`. Turn detection must be off. Text and image then are
                an item of their own, before it.
            max_rounds: Rounds of tool calls; then one last response without tools.
            timeout: Seconds for all of it; when they pass, the turn is given up.
            overrides: Those of `response.create`, but for `conversation` and `input`.

        Returns:
            The last response of the turn; see its `status`.

        Raises:
            ResponseFailed: A response failed; `.response` has what came.
            ServerError: The server refused the item or the response.
            RealtimeTimeout, ConnectionLost, SessionClosed: No answer.
        """
        deadline = Deadline(timeout)
        may_wait()
        self._ready(deadline)
        turn = self._turn(self._said(text, audio, image, detail, through), max_rounds, overrides)
        return self._answer(turn, deadline)

    def submit(
        self,
        text: str | None = None,
        *,
        audio: Any = None,
        image: Any = None,
        detail: str | None = None,
        through: Literal["item", "buffer"] = "item",
        max_rounds: int = DEFAULT_ROUNDS,
        **overrides: Any,
    ) -> Reply[Response]:
        """The turn of `ask`, not waited for: a future of its last response."""
        return self._begin(
            self._turn(self._said(text, audio, image, detail, through), max_rounds, overrides)
        )

    def stream(
        self,
        text: str | None = None,
        *,
        audio: Any = None,
        image: Any = None,
        detail: str | None = None,
        through: Literal["item", "buffer"] = "item",
        max_rounds: int = DEFAULT_ROUNDS,
        timeout: float | None = 120,
        **overrides: Any,
    ) -> TextStream:
        """The turn of `ask`, piece by piece: an iterator over its text deltas.

        Args:
            timeout: Seconds to wait for each piece; None waits for ever.
        """
        check_timeout(timeout)
        turn = self._turn(self._said(text, audio, image, detail, through), max_rounds, overrides)
        self._begin(turn)
        return TextStream(turn, self._connection, self._handle, timeout)

    def rounds(
        self,
        text: str | None = None,
        *,
        audio: Any = None,
        image: Any = None,
        detail: str | None = None,
        through: Literal["item", "buffer"] = "item",
        max_rounds: int = DEFAULT_ROUNDS,
        timeout: float | None = 120,
        **overrides: Any,
    ) -> Rounds:
        """The turn of `ask`, item by item: each message, call and output once it is complete.

        A failed or lost response raises after the last item. An item has the audio received for
        it. `close()`, or the end of `with`, gives the turn up.

        Args:
            timeout: Seconds to wait for each item; None waits for ever.
        """
        check_timeout(timeout)
        turn = self._turn(self._said(text, audio, image, detail, through), max_rounds, overrides)
        self._begin(turn)
        return Rounds(turn, self._connection, self._handle, timeout)

    def send_frame(
        self,
        image: Any,
        *,
        max_fps: float = 1,
        keep: int = 5,
        detail: str | None = None,
    ) -> str | None:
        """Show the model a camera or screen frame; begins no response, waits for nothing.

        Call it as often as you have a frame: those that come too soon are left out, and all but
        the last ones are deleted again, so that what they cost has a bound.

        Args:
            image: What `image=` of `ask` takes. With Pillow (extra `image`) it becomes a JPEG,
                else arrays and Pillow's images become PNGs.
            max_fps: Frames a second at most.
            keep: Frames that stay in the conversation.
            detail: How closely the model looks: "auto", "low" (cheaper) or "high".

        Returns:
            The id of its item; None where it came too soon.

        Raises:
            TypeError, ValueError: No image, or no such number; nothing was sent.
            SessionClosed: There is no session.
        """
        return send_frame(self, image, max_fps, keep, detail)

    def say(self, text: str, *, timeout: float | None = 120, **overrides: Any) -> Response:
        """Have the model say a text word for word. Best effort: nothing makes it keep to it.

        A response of the default conversation, in its turn like any other and with what the
        session's modality is, which sees this text alone, not the conversation, and has no tools.
        What was said stands in the conversation afterwards, what you asked for does not. Compare
        `.text` with your text where it matters.

        Args:
            text: What is to be said.
            timeout: Seconds for all of it; when they pass, the turn is given up.
            overrides: Those of `ask`; `instructions` may say how it is to be said.

        Raises:
            TypeError, ValueError: No text; nothing was sent.
            As `ask`.
        """
        deadline = Deadline(timeout)
        may_wait()
        self._needs_responses()
        self._check_open()
        wish = _verbatim(text)
        turn = self._turn((), 0, {"append_instructions": _WORD_FOR_WORD, **overrides})
        turn.params |= {"input": [wish.wire()], "tools": []}
        return self._answer(turn, deadline)

    @overload
    def guardrail(self, check: C, /) -> C: ...
    @overload
    def guardrail(
        self,
        /,
        *,
        every_chars: int = 100,
        correction: str | None = None,
        timeout: float | None = 60,
    ) -> Callable[[C], C]: ...
    def guardrail(
        self,
        check: Any = None,
        /,
        *,
        every_chars: int = 100,
        correction: str | None = None,
        timeout: float | None = 60,
    ) -> Any:
        """Have a function read what the model says, while it says it: `@session.guardrail`.

        It is given all the text, or transcript, of a response so far, and returns something true to
        stop it; a str says why, for the event `guardrail.tripped`. That response alone is cancelled
        then, and no callback gets a delta of it any more. A guardrail runs on a thread of its own,
        `realtime-guardrail-N`, one text at a time: a slow one delays nothing, and sees fewer texts.
        What it raises is logged and told as `callback.error`; the response goes on. It may ask the
        model itself; what it asks for is read by no guardrail.

        Args:
            check: The function; `async def` too.
            every_chars: Characters after which the text is read again; at its end it is in any
                case.
            correction: What the model is told then, as a system message, to answer once more;
                in the same turn, so that `ask()` returns that answer. Not where something newer
                stands in the conversation by then, and only once a turn. None: nothing.
            timeout: Seconds after which the next text is read without waiting for this one, whose
                verdict still counts; what is awaited is cancelled then. None: it waits for ever.

        Raises:
            TypeError: No function of one argument.
            ValueError: No such number; an empty correction.
        """

        def add(fn: Any) -> Any:
            self._guardrails.add(fn, every_chars, correction, timeout)
            return fn

        return add if check is None else add(check)

    def _ready(self, deadline: Deadline) -> None:
        """Before a turn that is waited for: a session that opens itself does so within its time."""

    def _turn(
        self, said: tuple[ClientEvent, ...], max_rounds: int, overrides: dict[str, Any]
    ) -> Turn:
        if isinstance(max_rounds, bool) or not isinstance(max_rounds, int) or max_rounds < 0:
            raise ValueError(f"max_rounds: a number from 0 on, not {max_rounds!r}")
        for name in ("conversation", "input"):
            if name in overrides:
                raise TypeError(f"{name}: a turn belongs to the conversation; see response.create")
        return Turn(
            self.new_id("turn"),
            params=self._params(overrides),
            items=said,
            max_rounds=max_rounds,
            parent=running_turn.get(),
            caller=running_call.get(),
            unguarded=judging.get(),
        )

    def _said(
        self, text: Any, audio: Any, image: Any, detail: str | None, through: str
    ) -> tuple[ClientEvent, ...]:
        """What a turn begins with: an item, or none; or audio for the buffer."""
        self._needs_responses()
        self._check_open()
        if through not in ("item", "buffer"):
            raise ValueError(f'through: "item" or "buffer", not {through!r}')
        spoken: tuple[ClientEvent, ...] = ()
        if through == "buffer":
            spoken, audio = buffered(self, audio, self.input_format, self.config), None
        # arrays have no truth value
        if text is None and audio is None and image is None and detail is None:
            return spoken
        if isinstance(text, str) and audio is None and image is None and detail is None:
            said = text_event(self, text)  # nearly all
        else:
            made = items.user(text, audio, image, detail=detail)
            said = item_event(self, made, None, self.input_format)
        self._connection.check(said)
        return (said, *spoken)

    def _params(self, overrides: dict[str, Any]) -> dict[str, Any]:
        if not overrides:
            return {}
        instructions = self.config.instructions
        return response_params(overrides, self.input_format, self.tools.functions, instructions)

    def _answer(self, turn: Turn, deadline: Deadline) -> Response:
        turn.awaited = True
        response: Response = self._connection.wait(
            lambda: self._begin(turn), turn.key or "", deadline
        )
        return response

    def _begin(self, turn: Turn) -> Reply[Response]:
        reply = self._connection.do(
            lambda state: state.begin(turn), key=turn.key, what="the turn", convert=self._handle
        )
        assert reply is not None
        return reply

    def _handle(self, record: ResponseRecord) -> Response:
        def found(_: SessionState) -> Response:
            handle = self._handles.get(id(record))
            if handle is None:
                handle = self._handles[id(record)] = Response(record, self._connection)
            return handle

        # under the lock, so that a response has one handle whichever threads ask
        response: Response = self._look(found)
        response._settle()  # which looks for itself
        return response

    def _needs_responses(self) -> None:
        if self._setup.type == "transcription":
            raise ConfigurationError(
                "type: a transcription session makes no responses; ask another RealtimeSession"
            )


def _verbatim(text: str) -> Item:
    """What asks for a text to be said.

    Raises:
        TypeError, ValueError: There is none.
    """
    if not isinstance(text, str):
        raise TypeError(f"text: a str is needed, not {type(text).__name__}")
    if not text.strip():
        raise ValueError("text: there is nothing to say")
    return items.user(f"Say exactly this, word for word, and nothing else:\n{text}")
