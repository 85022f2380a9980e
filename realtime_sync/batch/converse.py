"""The worker that holds conversations and scores them. Makes its sessions where it runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ..errors import ConfigurationError, RealtimeError
from ..runtime.clock import monotonic
from ..tools.paths import resolved
from .attempt import pause, refusal
from .conversation import Check, Conversation, Turn, checks
from .job import Outcome
from .place import config_of, link_of, said

__all__ = ["Converse", "is_text"]

#: What the model that speaks for the user says when he has nothing more to say.
_END = "[END]"
_USER = (
    "You play a person who talks to an assistant; the assistant's words are what you are told."
    " Say what that person says next and nothing else, in a sentence or two. When you have got what"
    f" you want, or see that you will not get it, say {_END}."
)
_BEGIN = "The assistant is listening. Begin."
#: Refusals for the rate that one turn may meet.
_REFUSALS = 20


@dataclass(frozen=True)
class Converse:
    """A worker: holds a `Conversation` with a model, and scores what was expected.

    ::

        run(conversations("tests.jsonl"), Converse(tools=["shop.tools:price"]), results="r.jsonl")

    Its result's `text` is the last answer. Its `value` has `passed`; `score`, the share of checks
    that passed, None where nothing was expected; `turns`, each with `said`, `answer`, `calls`
    (name, arguments, output), `first` and `seconds` (until the answer began, and until it had
    ended), and `checks`; and `checks` of the conversation as a whole. A server that wants to be
    left alone for a while is, in the middle of a conversation, too.

    Attributes:
        model: Of the session; None: its default.
        instructions: What the model is told.
        tools: Functions, or dotted paths of them: "package.module:name".
        config: A `Config`, or what `load_config` takes: the rest of the session; what is said here
            beats it. With `chat` its tools, stages and instructions, and where it connects to.
        chat: Hold it as text, by a `ChatSession`.
        options: More arguments of `RealtimeSession`, or of `ChatSession`, that pickle.
        user_model: Speaks for a user who is not scripted; None: the same. Its name says what kind
            of session it has.
        url: A server's base URL; None: OpenAI, or `OPENAI_BASE_URL` where the worker runs.
        key_env: The environment variable, where the worker runs, that holds the key for `url`;
            without one none is sent there.
        timeout: Seconds for each answer.

    Raises:
        ConfigurationError: A tool's path cannot be imported, a model's name is needed, or
            something is wrong with `config`.
    """

    model: str | None = None
    instructions: str | None = None
    tools: Sequence[Any] = ()
    chat: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    user_model: str | None = None
    config: Any = None
    # where it runs does not make another run
    url: str | None = field(default=None, compare=False)
    key_env: str | None = field(default=None, compare=False)
    timeout: float = field(default=120.0, compare=False)

    def __post_init__(self) -> None:
        # read here: what it says counts for what makes a run, not where it stands
        object.__setattr__(self, "config", config_of(self.config))
        if self.chat and self.model is None and "model" not in (self.config or ()):
            raise ConfigurationError("model: a chat needs the name of a text model")
        for tool in self.tools:
            resolved(tool)

    def __call__(self, job: Conversation | Mapping[str, Any]) -> Outcome:
        """Hold it.

        Raises:
            RealtimeError: An answer failed, or no session was to be had.
        """
        talk = job if isinstance(job, Conversation) else Conversation.of(job)
        with self._session() as session:
            turns: list[dict[str, Any]] = []
            for turn in self._said(talk, lambda: turns[-1]["answer"] if turns else ""):
                turns.append(self._hold(session, turn))
            answer = turns[-1]["answer"] if turns else ""
        return Outcome(answer, _scored(talk, turns))

    def _session(self) -> Any:
        tools = [resolved(tool) for tool in self.tools]
        told = {} if self.instructions is None else {"instructions": self.instructions}
        beats = {**told, **self.options, **({"tools": tools} if tools else {})}
        return self._opened(self.model, self.chat, {**said(self.config, chat=self.chat), **beats})

    def _opened(self, model: str | None, chat: bool, arguments: dict[str, Any]) -> Any:
        """A session, unopened, that connects to where ours does."""
        if model is None and self.config is not None and "model" in self.config:
            model = self.config["model"]
        link = link_of(self.config, self.url, self.key_env, chat=chat)
        if chat:
            from ..text import ChatSession

            assert model is not None
            return ChatSession(model, **{**link, **arguments})
        from ..session import RealtimeSession

        return RealtimeSession(model, **{**link, **arguments})

    def _said(self, talk: Conversation, answer: Callable[[], str]) -> Iterator[Turn]:
        """What the user says, turn by turn."""
        yield from talk.turns
        if talk.user is None:
            return
        model = self.user_model or self.model
        chat = self.chat if self.user_model is None else is_text(self.user_model)
        told: dict[str, Any] = {"instructions": f"{_USER}\n\n{talk.user}"}
        if not chat:
            told["output_modalities"] = ["text"]
        with self._opened(model, chat, told) as user:
            for _ in range(talk.max_turns):
                spoken = _answer(user, Turn(answer() or _BEGIN), self.timeout)
                words = spoken.text.replace(_END, "").strip()
                if words:
                    yield Turn(words)
                if _END in spoken.text or not words:
                    return

    def _hold(self, session: Any, turn: Turn) -> dict[str, Any]:
        """Say it, wait for the answer, and score that."""
        before = {item.id for item in session.conversation.items}
        began = monotonic()
        first: list[float] = []

        def on_delta() -> None:
            if not first:
                first.append(monotonic() - began)

        response = _answer(session, turn, self.timeout, on_delta)
        made = _calls([one for one in session.conversation.items if one.id not in before])
        text = response.text
        found = checks(turn, text, made, [first[0] if first else None])
        return {
            "said": turn.say if turn.say is not None else turn.audio,
            "answer": text,
            "calls": made,
            "first": round(first[0], 4) if first else None,
            "seconds": round(monotonic() - began, 4),
            "checks": [asdict(check) for check in found],
        }


def is_text(model: str | None) -> bool:
    """Whether it is a text model, by its name."""
    return model is not None and "realtime" not in model


def _answer(
    session: Any, turn: Turn, timeout: float, on_delta: Callable[[], object] = lambda: None
) -> Any:
    """The response, once the server does not mind any more.

    Raises:
        RealtimeError: It failed, or is not complete.
    """
    before = {item.id for item in session.conversation.items}
    refusals = 0
    while True:
        pause()
        try:
            # what a refused response was to answer may stand in the conversation already
            there = any(
                item.role == "user" and item.id not in before for item in session.conversation.items
            )
            given = {} if there or turn.audio is None else {"audio": turn.audio}
            with session.stream(None if there else turn.say, timeout=timeout, **given) as deltas:
                for _ in deltas:
                    on_delta()
            return deltas.response.raise_for_status()
        except RealtimeError as exc:
            refusals += 1
            if refusal(exc) is None or refusals > _REFUSALS or session.state == "closed":
                raise


def _calls(items: Sequence[Any]) -> list[dict[str, Any]]:
    """The calls among a turn's items, with their outputs."""
    outputs = {one.call_id: one.output for one in items if one.type == "function_call_output"}
    return [
        {
            "name": one.name,
            "arguments": _parsed(one.arguments),
            "output": outputs.get(one.call_id),
        }
        for one in items
        if one.type == "function_call"
    ]


def _parsed(arguments: Any) -> Any:
    try:
        return json.loads(arguments)
    except (TypeError, ValueError):
        return arguments  # it is told as it came


def _scored(talk: Conversation, turns: list[dict[str, Any]]) -> dict[str, Any]:
    """What is told of the whole conversation."""
    whole: list[Check] = []
    if talk.expect is not None:
        text = "\n".join(turn["answer"] for turn in turns)
        calls = [call for turn in turns for call in turn["calls"]]
        whole = checks(talk.expect, text, calls, [turn["first"] for turn in turns])
    passed = [check["passed"] for turn in turns for check in turn["checks"]]
    passed += [check.passed for check in whole]
    return {
        "passed": all(passed),
        "score": round(sum(passed) / len(passed), 4) if passed else None,
        "turns": turns,
        "checks": [asdict(check) for check in whole],
    }
