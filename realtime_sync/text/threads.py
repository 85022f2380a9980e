"""A thread of the Assistants API and a conversation: what makes the one like the other. No network.

Items and messages are matched by id. A message that we have made says which item it is in its
metadata, so that another session over the same thread knows it again; one that a run or somebody
else has made is the item of its own id.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..events.items import Item
from .model import OUTPUT, whole

__all__ = [
    "ITEM_KEY",
    "Plan",
    "Saying",
    "item_id_of",
    "item_of",
    "message_of",
    "named",
    "plan",
    "sayings",
]

Wire = dict[str, Any]

_ID_MOST = 32  # characters of an item's id. Source: wire.md (d)
#: The key of a message's metadata under which the id of its item stands.
ITEM_KEY = "item_id"
#: Roles that a message of a thread may have; what others say goes along with each run.
_ROLES = frozenset({"user", "assistant"})


@dataclass(frozen=True, slots=True)
class Saying:
    """What is to stand in the thread.

    Attributes:
        id: Of the item that it is.
        role: "user" or "assistant".
        item: The item; None where it is told as text.
        text: What is told of a call that no run of the thread has made.
    """

    id: str
    role: str
    item: Item | None = None
    text: str = ""


@dataclass(slots=True)
class Plan:
    """What makes thread and conversation alike.

    Attributes:
        delete: Ids of messages that are to go.
        create: What is to be said then, in order; messages, where they stood elsewhere before.
        pull: Messages that are to become items, each with the id of the item that it goes behind.
        drop: Ids of items whose messages somebody has deleted.
        common: Ids of items that are on both sides.
    """

    delete: list[str] = field(default_factory=list)
    create: list[Saying | Wire] = field(default_factory=list)
    pull: list[tuple[str | None, Wire]] = field(default_factory=list)
    drop: list[str] = field(default_factory=list)
    common: set[str] = field(default_factory=set)


def sayings(items: Iterable[Item], told: Collection[str]) -> tuple[list[Saying], list[str]]:
    """What is to stand in the thread, and what systems say, which no message may.

    Args:
        items: The conversation.
        told: Ids of calls that a run of the thread knows.
    """
    found: list[Saying] = []
    system: list[str] = []
    calls: dict[str | None, Item] = {}
    for item in whole(items):
        if item.type == "function_call":
            calls[item.call_id] = item
        elif item.type == OUTPUT:
            if item.call_id not in told:
                call = calls[item.call_id]
                text = f"[{call.name}({call.arguments or '{}'}) returned: {item.output or ''}]"
                found.append(Saying(item.id or "", "assistant", text=text))
        elif item.role not in _ROLES:
            system.append(item.text or "")
        elif item.text or any(part.image_url for part in item.content or ()):
            found.append(Saying(item.id or "", item.role or "user", item))
    return found, [text for text in system if text]


def item_id_of(message: Wire) -> str:
    """The id of the item that a message is."""
    return str((message.get("metadata") or {}).get(ITEM_KEY) or named(message["id"]))


def named(message_id: str) -> str:
    """The id of the item that a message is which we have not made."""
    if len(message_id) <= _ID_MOST:
        return message_id
    return f"msg_{hashlib.sha256(message_id.encode()).hexdigest()[: _ID_MOST - 4]}"


def plan(
    wanted: Sequence[Saying],
    messages: Sequence[Wire],
    *,
    known: Collection[str],
    runs: Collection[str],
) -> Plan:
    """What makes a thread and a conversation alike.

    What has gone on one side goes on the other, what is new on one is made on the other. Messages
    cannot be put in between: where the order would be another, the rest of the thread is written
    anew.

    Args:
        wanted: The conversation.
        messages: The thread, oldest first.
        known: Ids of items that had a message once.
        runs: Ids of runs of ours: what they have said is in the conversation, or not wanted there.
    """
    made = Plan()
    here = {saying.id: saying for saying in wanted}
    there: dict[str, Wire] = {}
    order: list[str] = [saying.id for saying in wanted]
    before: str | None = None
    for message in messages:
        if not message.get("content"):
            continue  # a run was ended before it had said anything
        item_id = item_id_of(message)
        gone = item_id not in here and (item_id in known or message.get("run_id") in runs)
        # the same item twice: a request that was made again had arrived the first time
        if gone or item_id in there:
            made.delete.append(message["id"])
            continue
        there[item_id] = message
        if item_id not in here:
            made.pull.append((before, message))
            order.insert(0 if before is None else order.index(before) + 1, item_id)
        before = item_id
    made.common = set(here) & set(there)
    made.drop = [item_id for item_id in order if item_id in known and item_id not in there]
    absent = {*made.drop, *_told_before(wanted, there)}
    _arrange(made, [item_id for item_id in order if item_id not in absent], here, there)
    return made


def _told_before(wanted: Sequence[Saying], there: Collection[str]) -> list[str]:
    """Calls that a run of another session was told: messages that came later stand there."""
    last = max((n for n, saying in enumerate(wanted) if saying.id in there), default=-1)
    return [one.id for one in wanted[: max(last, 0)] if one.item is None and one.id not in there]


def _arrange(made: Plan, order: list[str], here: dict[str, Saying], there: dict[str, Wire]) -> None:
    """Keeps as much of the thread as is right already; the rest is written anew."""
    standing = list(there)
    fits = 0
    for item_id, wanted in zip(standing, order, strict=False):
        if item_id != wanted or _differs(here.get(item_id), there[item_id]):
            break
        fits += 1
    made.delete += [str(there[item_id]["id"]) for item_id in standing[fits:]]
    for item_id in order[fits:]:
        saying, message = here.get(item_id), there.get(item_id)
        if message is not None and (saying is None or _has_files(message)):
            made.create.append(message)  # the item does not know which files they are
        else:
            made.create.append(here[item_id])


def _differs(saying: Saying | None, message: Wire) -> bool:
    """Whether an item was made anew under its id."""
    if saying is None or saying.item is None or _has_files(message):
        return False
    if message.get("status") == "incomplete":
        return False  # the end of it had not come yet when it was interrupted
    text = "".join(_part(part, "").get("text", "") for part in message["content"])
    return text != (saying.item.text or "")


def _has_files(message: Wire) -> bool:
    return any(part["type"] == "image_file" for part in message["content"])


def message_of(one: Saying | Wire, file_id: Callable[[str], str]) -> Wire:
    """The body that makes a message.

    Args:
        one: What is to be said, or a message that is to be made once more.
        file_id: Uploads an image, given its data URI; the id of the file.
    """
    if isinstance(one, Saying):
        content = _content(one, file_id)
        return {"role": one.role, "content": content, "metadata": {ITEM_KEY: one.id}}
    metadata = {**(one.get("metadata") or {}), ITEM_KEY: item_id_of(one)}
    parts = [_again(part) for part in one["content"]]
    return {"role": one["role"], "content": parts, "metadata": metadata}


def _content(saying: Saying, file_id: Callable[[str], str]) -> str | list[Wire]:
    if saying.item is None:
        return saying.text
    parts: list[Wire] = []
    for part in saying.item.content or ():
        text = part.text or part.transcript
        if part.image_url:
            parts.append(_image(part.image_url, part.detail, file_id))
        elif text:
            parts.append({"type": "text", "text": text})
    if len(parts) == 1 and parts[0]["type"] == "text":
        return str(parts[0]["text"])
    return parts


def _image(url: str, detail: str | None, file_id: Callable[[str], str]) -> Wire:
    chosen = {} if detail is None else {"detail": detail}
    if not url.startswith("data:"):
        return {"type": "image_url", "image_url": {"url": url, **chosen}}
    return {"type": "image_file", "image_file": {"file_id": file_id(url), **chosen}}


def _again(part: Wire) -> Wire:
    """A part of a message as it is made, from how it is reported."""
    if part["type"] == "text":
        return {"type": "text", "text": part["text"]["value"]}
    return {"type": part["type"], part["type"]: part[part["type"]]}


def item_of(message: Wire) -> Item:
    """The item that somebody else's message is."""
    kind = "output_text" if message["role"] == "assistant" else "input_text"
    parts = [_part(part, kind) for part in message.get("content") or ()]
    return Item.model_validate(
        {
            "id": item_id_of(message),
            "type": "message",
            "role": message["role"],
            "status": "completed" if message.get("status") != "incomplete" else "incomplete",
            "content": parts or [{"type": kind, "text": ""}],
        }
    )


def _part(part: Wire, kind: str) -> Wire:
    if part["type"] == "image_url":
        image = part["image_url"]
        return {"type": "input_image", "image_url": image["url"]}
    if part["type"] == "image_file":
        # nobody may download a picture that a model was given to look at
        return {"type": kind, "text": f"[image: {part['image_file']['file_id']}]"}
    text = part.get("text")
    value = text.get("value") if isinstance(text, dict) else part.get(part["type"])
    return {"type": kind, "text": value if isinstance(value, str) else ""}
