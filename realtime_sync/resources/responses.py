"""`session.response`: responses, asked for one by one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, overload

from ..core.responses import ResponseRecord
from ..errors import ConfigurationError, ServerError
from ..events.client import ResponseCancel, ResponseCreate, ResponseParams
from ..events.config import NOT_GIVEN, RESPONSE_FIELDS, NotGiven, check_ranges, nest
from ..events.items import Item
from ..events.value import check
from ..items import as_item, in_format, sendable
from ..response import Response
from ..runtime.clock import Deadline

if TYPE_CHECKING:
    from ..calling import Calling
    from ..core.state import SessionState

__all__ = ["Responses", "response_params"]

OnActive = Literal["queue", "cancel", "raise", "skip"]


def response_params(
    overrides: dict[str, Any], audio_format: str, functions: Iterable[str], instructions: str | None
) -> dict[str, Any]:
    """The wire's `response` object from overrides under wire names or flat spellings.

    Args:
        overrides: As the caller gave them.
        audio_format: What audio in `input` is sent in.
        functions: Names of the session's tools that are run here.
        instructions: The session's, which `append_instructions` adds to.

    Raises:
        TypeError: A name that there is not.
        ConfigurationError: A wrong value; names the field.
    """
    fields = nest({}, _appended(overrides, instructions), RESPONSE_FIELDS)
    if fields.get("tools") is not None:
        fields["tools"] = [_tool(value, functions) for value in fields["tools"]]
    if fields.get("input") is not None:
        given = fields["input"]
        # one item alone is meant as such: a str would fall apart into its characters
        several = [given] if isinstance(given, (str, Mapping, Item)) else given
        fields["input"] = [
            _input(value, f"input[{number}]", audio_format) for number, value in enumerate(several)
        ]
    checked: ResponseParams = check(ResponseParams, fields, "response")
    check_ranges(checked, "response.")
    _check_metadata(checked.metadata or {})
    return checked.wire()


def _check_metadata(metadata: dict[str, str]) -> None:
    """Source: wire.md (j)."""
    if len(metadata) > 16:
        raise ConfigurationError(f"response.metadata: {len(metadata)} pairs, not 16 at most")
    for name, value in metadata.items():
        if len(name) > 64 or len(value) > 512:
            raise ConfigurationError(
                f"response.metadata.{name[:64]}: 64 characters at most, its value 512"
            )


def _appended(overrides: dict[str, Any], instructions: str | None) -> dict[str, Any]:
    """The overrides with `append_instructions` put behind the instructions that would hold."""
    if overrides.get("append_instructions") is None:
        return {k: v for k, v in overrides.items() if k != "append_instructions"}
    fields = dict(overrides)
    more = fields.pop("append_instructions")
    if not isinstance(more, str):
        raise TypeError(f"append_instructions: a str is needed, not {type(more).__name__}")
    before = fields.get("instructions", NOT_GIVEN)
    if isinstance(before, NotGiven):
        before = instructions
    fields["instructions"] = f"{before}\n\n{more}" if isinstance(before, str) else more
    return fields


def _input(value: Any, where: str, audio_format: str) -> dict[str, Any]:
    if isinstance(value, Mapping) and value.get("type") == "item_reference":
        return dict(value)
    made = sendable(as_item(value, where))
    if made is None:
        raise ValueError(f"{where}: it has neither text, audio nor image that could be sent")
    return in_format(made, audio_format).wire()


def _tool(value: Any, functions: Iterable[str]) -> Any:
    from ..tools import Tool, as_tools

    (entry,) = as_tools([value])
    if isinstance(entry, Tool) and entry.name not in functions:
        raise TypeError(
            f"tools: the function {entry.name} would not be run; give it to the session, by tools= "
            "or session.tools.add(), or give a dict, whose calls are only reported"
        )
    return entry.to_wire()


def _runs(state: SessionState) -> bool:
    sequencer = state.sequencer
    return bool(sequencer.active or sequencer.asked or sequencer.loose)


class Responses:
    """Responses of the session."""

    def __init__(self, session: Calling) -> None:
        self._session = session

    @overload
    def create(
        self,
        *,
        on_active: Literal["queue", "cancel", "raise"] = "queue",
        timeout: float | None = 30,
        **overrides: Any,
    ) -> Response: ...
    @overload
    def create(
        self, *, on_active: Literal["skip"], timeout: float | None = 30, **overrides: Any
    ) -> Response | None: ...
    def create(
        self, *, on_active: OnActive = "queue", timeout: float | None = 30, **overrides: Any
    ) -> Response | None:
        """Have the model respond; returns as soon as the response is created.

        Args:
            on_active: If a response of the default conversation is running or queued: "queue" goes
                after it, "cancel" cancels the running one and goes next, "raise" raises, "skip"
                returns None. `conversation="none"` runs beside the others.
            timeout: Seconds, waiting in the queue included; None waits for ever.
            overrides: The wire's `response` fields, `voice`, `output_format`; `input` takes what
                `conversation.create` takes. `append_instructions` adds to the instructions that
                the session has at the call, where `instructions` replaces them.

        Raises:
            ResponseActive: See `on_active`.
            ServerError: The server refused it.
            RealtimeTimeout: It was not created in time; it is withdrawn, or cancelled.
            TypeError, ConfigurationError: An override that there is not; nothing was sent.
        """
        if on_active not in ("queue", "cancel", "raise", "skip"):
            raise ValueError(f'on_active: "queue", "cancel", "raise" or "skip"; not {on_active!r}')
        deadline = Deadline(timeout)
        session = self._session
        session._needs_responses()
        session._check_open()
        params = session._params(overrides)
        event = ResponseCreate(
            event_id=session.new_id("event"), response=ResponseParams.model_validate(params)
        )
        session._connection.check(event)
        return session._create_response(event, on_active, deadline)

    def cancel(self, response_id: str | None = None, *, timeout: float | None = 10) -> bool:
        """End a response; the running one of the default conversation if no id is given.

        While tools run instead, they are told (`ToolContext.cancelled`), and no reply follows.

        Returns:
            True when it ended as cancelled; False when nothing was active or it was complete.
        """
        deadline = Deadline(timeout)
        session = self._session
        named = {} if response_id is None else {"response_id": response_id}
        event = session._event(ResponseCancel, **named)
        if response_id is None and not session._look(_runs):
            # it may be the tools' turn: they are told, and their outputs bring no reply
            session._connection.do(lambda s: s.speech.interrupt_tools())
            return False
        try:
            record = session._ask_server(event, deadline)
        except ServerError as exc:
            if exc.code == "response_cancel_not_active":
                return False
            raise
        return bool(record.status == "cancelled")

    @property
    def active(self) -> Response | None:
        """The running response of the default conversation, whoever started it."""
        record: ResponseRecord | None = self._session._look(lambda s: s.sequencer.active)
        return None if record is None else self._session._handle(record)

    def get(self, response_id: str) -> Response:
        """A response by its id, at least until the callbacks of its `response.done` have run.

        For callbacks that are 64 MB of responses behind the older ones are forgotten.

        Raises:
            KeyError: Unknown, or forgotten.
        """
        record: ResponseRecord | None = self._session._look(lambda s: s.running.known(response_id))
        if record is None:
            raise KeyError(f"no response {response_id!r} is known; .active is the one that runs")
        return self._session._handle(record)

    def __repr__(self) -> str:
        return f"<Responses, active: {self.active}>"
