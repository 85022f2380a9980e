"""ChatSession: a conversation with a text model, over chat completions or the Responses API."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError
from ..resources.approval import Approver
from ..resources.conversation import ItemLike
from ..runtime.dispatcher import Dispatch
from ..runtime.endpoints import Endpoint
from ..tools.execution import DEFAULT_LIMIT
from .completions import ChatCompletions
from .model import Model
from .responses import ResponsesApi
from .service import Service
from .session import TextSession

if TYPE_CHECKING:
    import openai

    from ..routing import Agent, Router

__all__ = ["ChatSession"]

#: `api=` -> what speaks it.
_APIS: dict[str, Callable[[Service], Model]] = {"chat": ChatCompletions, "responses": ResponsesApi}


class ChatSession(TextSession):
    """A conversation with a text model.

    ::

        with ChatSession("gpt-4.1-mini", instructions="Be brief.", tools=[in_stock]) as chat:
            print(chat.ask("Are there pears?").text)

    It is a `RealtimeSession` without sound: `ask`, `submit`, `stream`, `rounds`, tools with their
    approval, stages, `on` and all events of a response are the same, so that an agent can be made
    in cheap text, and then be given a voice: see `to_realtime`. It opens when it is used first;
    between turns it holds no thread.

    A response that fails leaves no trace: the user's message is taken back, unless a tool has run
    for it by then, or something was said. A call that moves a router on is none of the history
    either; the user's message is sent once more where the conversation stands then, at most 5
    times a turn.

    Args:
        model: A text model's name; one of a realtime model is refused.
        instructions: What it is told before everything else.
        tools: Functions, `Tool`s, wire dicts; with "responses" the API's own tools, too.
        router: A `StageRouter`, or the `Agent` that begins.
        history: Items that the conversation begins with, as `export()` of any session gives them;
            or messages as chat completions have them.
        api: "chat": chat completions, which every compatible server has; "responses".
        client: An `openai.OpenAI` of your own: where to, how often, through which proxy.
        endpoint: `OpenAI(...)`, `Compatible(...)` or `Azure(...)`, as of `RealtimeSession`.
        api_key: The key, or a function that is asked for it at every request; else
            `OPENAI_API_KEY`.
        base_url: Of any compatible server; else `OPENAI_BASE_URL`, else OpenAI. Without any key
            none is sent there.
        max_retries: How often the client asks again after 408, 409, 429, 5xx or no link.
        dispatcher, approver, approval_timeout, tool_threads: As of `RealtimeSession`.
        options: `tool_choice`, and what goes to the API as it is: `temperature`, `max_tokens`, …
            Those of `ask` beat them.

    Raises:
        ConfigurationError: The package `openai` is missing, or an argument cannot be.
    """

    def __init__(
        self,
        model: str,
        *,
        instructions: str | None = None,
        tools: Iterable[Any] = (),
        router: Router | Agent | None = None,
        history: Iterable[ItemLike] = (),
        api: str = "chat",
        client: openai.OpenAI | None = None,
        endpoint: Endpoint | None = None,
        api_key: str | Callable[[], str] | None = None,
        base_url: str | None = None,
        max_retries: int = 2,
        dispatcher: str | Dispatch = "thread",
        approver: Approver | None = None,
        approval_timeout: float | None = 300,
        tool_threads: int = DEFAULT_LIMIT,
        **options: Any,
    ) -> None:
        if api not in _APIS:
            raise ConfigurationError(f'api: "chat" or "responses", not {api!r}')
        self.api = api
        self._service = Service(
            client,
            endpoint=endpoint,
            api_key=api_key,
            base_url=base_url,
            max_retries=max_retries,
        )
        super().__init__(
            _APIS[api](self._service),
            model,
            tools=tools,
            router=router,
            history=history,
            dispatcher=dispatcher,
            approver=approver,
            approval_timeout=approval_timeout,
            tool_threads=tool_threads,
            instructions=instructions,
            options=options,
        )
