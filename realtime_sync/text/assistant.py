"""AssistantSession: a conversation with an assistant of the Assistants API.

OpenAI has retired that API, for the Responses API; compatible servers still have it.
`AssistantSession.to_chat` is the way over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError
from ..images import check_fit
from ..resources.approval import Approver
from ..resources.conversation import ItemLike
from ..runtime.clock import Deadline
from ..runtime.dispatcher import Dispatch
from ..runtime.endpoints import Endpoint
from ..tools.execution import DEFAULT_LIMIT
from .assistants import Assistants
from .options import Create, Load
from .service import Service
from .session import TextSession
from .setup import check_model, checked_options
from .uploads import UploadedFile, Uploads

if TYPE_CHECKING:
    import openai
    from typing_extensions import Self

    from ..routing import Agent, Router
    from .chat import ChatSession
    from .runs import RunStatus

__all__ = ["AssistantSession"]


class AssistantSession(TextSession):
    """A conversation with an assistant, whose thread the API keeps.

    ::

        from realtime_sync.text import AssistantSession, create, load

        with AssistantSession(create("gpt-4.1-mini", instructions="Be brief.")) as session:
            print(session.ask("Hello!").text)
            again = load(session.assistant_id, session.thread_id)

    OpenAI has retired the Assistants API; this is for compatible servers, and for what is still
    there. `to_chat()` takes the conversation, its tools and its stage over to a `ChatSession`.

    It is a `ChatSession` in all else: `ask`, `submit`, `stream`, `rounds`, tools with their
    approval, stages, `on` and its events. Before each run thread and history are made alike, by
    the ids of items, which stand in the messages' metadata: what has come, or has gone, on one
    side does so on the other. A thread has no messages of a system: they go along with each run;
    calls that no run of the thread has made are told as text. Images that are no address are
    uploaded, each once. A run gets the outputs of all its calls together, and what the model says
    then is streamed as well. One run at a time has the thread: what another session, here or
    elsewhere, has begun is waited for, for a minute.

    A run that failed or expired is a response that failed (`ResponseFailed`, `.code`: the API's,
    or "expired"); one that is cancelled or incomplete is a response that is. `run` says more.

    Args:
        assistant: `create(...)`, or `load(id, thread_id=None)`; the messages of a
            loaded thread are the history.
        image_size: Width and height that uploaded images are made to fit in; needs Pillow.
        on_file_uploaded: Called with an `UploadedFile` for each upload, on the thread of the
            request.
        instructions: Instead of the assistant's own.
        tools, router, history, client, endpoint, api_key, base_url, max_retries: See `ChatSession`.
        dispatcher, approver, approval_timeout, tool_threads: As of `RealtimeSession`.
        options: `tool_choice`, and what goes to each run as it is: `temperature`, `top_p`,
            `max_completion_tokens`, `truncation_strategy`, … Those of `ask` beat them.

    Raises:
        ConfigurationError: The package `openai` is missing, or an argument cannot be.
    """

    def __init__(
        self,
        assistant: Create | Load,
        *,
        image_size: tuple[int, int] | None = None,
        on_file_uploaded: Callable[[UploadedFile], Any] | None = None,
        instructions: str | None = None,
        tools: Iterable[Any] = (),
        router: Router | Agent | None = None,
        history: Iterable[ItemLike] = (),
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
        _check_assistant(assistant)
        if on_file_uploaded is not None and not callable(on_file_uploaded):
            raise ConfigurationError("on_file_uploaded: a function of an UploadedFile")
        self._service = service = Service(
            client, endpoint=endpoint, api_key=api_key, base_url=base_url, max_retries=max_retries
        )
        size = None if image_size is None else check_fit(image_size, "image_size")
        self._uploads = Uploads(service, size=size, told=on_file_uploaded)
        self._assistants = Assistants(service, assistant, self._uploads)
        super().__init__(
            self._assistants,
            assistant.model if isinstance(assistant, Create) else assistant.assistant_id,
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
        self._assistants.given = frozenset(item.id for item in self._setup.history if item.id)

    def open(self, *, timeout: float | None = 30) -> Self:
        """Make or load the assistant and its thread. On an open session: returns at once.

        Raises:
            ConfigurationError: No key; see `api_key`.
            ConnectError: The API cannot be reached, or refuses; its kinds, e.g. `NotFound`.
            RealtimeTimeout: It took longer.
            SessionClosed: The session was closed; make a new one.
        """
        was_new = self.state == "new"
        super().open(timeout=timeout)
        if was_new and self._assistants.history:
            # told behind the greeting, like everything: here it has been heard
            self.conversation.retrieve(self._assistants.history[-1].id or "", timeout=timeout)
        return self

    @property
    def model(self) -> str:
        """The model's name; of a loaded assistant its id, until the session is open."""
        loaded = self._assistants.assistant
        return str(loaded["model"]) if loaded is not None else super().model

    @property
    def assistant_id(self) -> str | None:
        """The assistant's id; None until it is made, which `open()` does."""
        loaded = self._assistants.assistant
        return str(loaded["id"]) if loaded is not None else None

    @property
    def thread_id(self) -> str | None:
        """The thread's id; None until it is made, which `open()` does."""
        return self._assistants.thread_id

    @property
    def run(self) -> RunStatus | None:
        """The run that was begun last, as the API said last; None: there was none."""
        return self._assistants.last

    def delete_uploaded(self) -> tuple[str, ...]:
        """Delete the files that this session has uploaded, after `close()` too; returns their ids.

        Messages that point to them stay. An image that is said again is uploaded again.

        Raises:
            RealtimeError: One could not be deleted; the others are, and it is tried again.
        """
        closed = self.state == "closed"
        if closed:
            self._service.open()
        try:
            return self._uploads.delete()
        finally:
            if closed:
                self._service.close()

    def interrupt(self) -> None:
        """See `TextSession.interrupt`. The run is cancelled, also one that waits for tools."""
        if self.state == "new":
            return
        running = self._assistants.running  # now: the next one may begin at once
        super().interrupt()
        if running is not None and running.waits:  # else whoever reads its stream ends it
            self._setup.workers.start(running.cancel)

    def to_chat(self, model: str | None = None, **chat: Any) -> ChatSession:
        """The same conversation without the Assistants API: history, tools and stage go along.

        ::

            with session.to_chat(api="responses") as chat:
                chat.ask("Where were we?")

        Both live on, each by itself. Not open yet. The instructions are those of the assistant
        unless the session has its own. Uploaded images of others go along by name only.

        Args:
            model: A text model's name; None: the assistant's.
            chat: Arguments of `ChatSession`; each beats what would go along.

        Raises:
            As `ChatSession`; without a model and before `open()` of a loaded assistant:
            ConfigurationError.
        """
        from .handover import to_chat

        known = self._assistants.assistant is not None or isinstance(
            self._assistants.wanted, Create
        )
        if model is None and not known:
            raise ConfigurationError("model: the assistant's is not known until open(); name one")
        config = self._setup.config if self.state == "new" else self.config
        if config is None or not config.instructions:
            chat.setdefault("instructions", self._assistants.instructions)
        place = self._place() or {"client": self._service.client}
        made: ChatSession = to_chat(self, model or self.model, place, chat)
        return made

    def close(self, *, timeout: float | None = 5) -> None:
        """See `TextSession.close`. A run that is under way, or waits for tools, is cancelled."""
        deadline, idle = Deadline(timeout), self.state in ("new", "closed")
        super().close(timeout=timeout)
        if idle:
            return
        # on a thread of its own: an API that does not answer must not hold it
        self._setup.workers.start(self._assistants.leave)
        if not self._connection.in_loop:
            self._setup.workers.join(deadline)


def _check_assistant(assistant: Any) -> None:
    if isinstance(assistant, (tuple, list)):
        raise ConfigurationError("assistant: create(...) or load(...), not both")
    if not isinstance(assistant, (Create, Load)):
        raise ConfigurationError(
            f"assistant: create(model, ...) or load(id, thread_id=None), not "
            f"{type(assistant).__name__}"
        )
    if isinstance(assistant, Create):
        check_model(assistant.model)
        checked_options(assistant.fields)
