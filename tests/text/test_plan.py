"""What makes a thread like a conversation: whatever has happened on both sides, they end alike."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_sync.events.items import Item
from realtime_sync.text.threads import (
    ITEM_KEY,
    Plan,
    Saying,
    item_id_of,
    item_of,
    message_of,
    named,
    plan,
    sayings,
)

Wire = dict[str, Any]


def item(item_id: str, role: str = "user", text: str | None = None) -> Item:
    kind = "output_text" if role == "assistant" else "input_text"
    parts = [{"type": kind, "text": item_id if text is None else text}]
    return Item.model_validate({"id": item_id, "type": "message", "role": role, "content": parts})


class Thread:
    """A thread that does what a plan says."""

    def __init__(self) -> None:
        self.messages: list[Wire] = []
        self.made = 0

    def add(self, body: Wire, **more: Any) -> Wire:
        self.made += 1
        content = body["content"]
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        shown = [{"type": "text", "text": {"value": part["text"]}} for part in parts]
        self.messages.append({**body, "id": f"msg_{self.made}", "content": shown, **more})
        return self.messages[-1]

    def delete(self, message_id: str) -> None:
        self.messages = [one for one in self.messages if one["id"] != message_id]


class Both:
    """A conversation and its thread, and the session between them."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.thread = Thread()
        self.known: set[str] = set()

    def planned(self) -> Plan:
        said, _ = sayings(self.items, ())
        return plan(said, self.thread.messages, known=self.known, runs={"run_ours"})

    def sync(self) -> None:
        """As a session does it."""
        said, _ = sayings(self.items, ())
        made = self.planned()
        for message_id in made.delete:
            self.thread.delete(message_id)
        self.known |= made.common
        for one in made.create:
            self.thread.add(message_of(one, lambda uri: uri))
            self.known |= {one.id} if isinstance(one, Saying) else set()
        self.known &= {one.id for one in said}
        self.items = [one for one in self.items if one.id not in made.drop]
        for before, message in made.pull:
            ids = [one.id for one in self.items]
            self.items.insert(0 if before is None else ids.index(before) + 1, item_of(message))

    def sides(self) -> tuple[list[str], list[str]]:
        return [one.id or "" for one in self.items], [item_id_of(m) for m in self.thread.messages]


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(
            ["say", "insert", "delete", "edit", "theirs", "erase", "run", "cut", "sync"]
        ),
        st.integers(0, 7),
    ),
    max_size=25,
)


def act(both: Both, action: str, number: int, count: int) -> None:
    """Something happens on one of the two sides."""
    messages, there = both.thread.messages, both.items
    match action:
        case "say":
            there.append(item(f"item_{count}"))
        case "insert":
            there.insert(number % (len(there) + 1), item(f"item_{count}", "assistant"))
        case "delete" if there:
            del there[number % len(there)]
        case "edit" if there:
            at = number % len(there)
            there[at] = item(there[at].id or "", there[at].role or "", f"edited {count}")
        case "theirs":
            both.thread.add({"role": "user", "content": f"theirs {count}"}, run_id="run_theirs")
        case "erase" if messages:
            both.thread.delete(messages[number % len(messages)]["id"])
        case "run":
            said = both.thread.add({"role": "assistant", "content": "ours"}, run_id="run_ours")
            if number % 2:  # else the response has failed, and its item is gone
                there.append(item_of(said))
        case "cut":  # interrupted: the thread has more of it than we
            said = both.thread.add(
                {"role": "assistant", "content": "ours, and more"},
                run_id="run_ours",
                status="incomplete",
            )
            there.append(item(said["id"], "assistant", "ours"))
        case "sync":
            both.sync()


@settings(max_examples=300, deadline=None)
@given(ACTIONS)
def test_both_sides_end_alike(actions: list[tuple[str, int]]) -> None:
    """Whatever was said, put in, edited and deleted where: one sync makes them alike, for good."""
    both = Both()
    for count, (action, number) in enumerate(actions):
        act(both, action, number, count)
    both.sync()
    here, there = both.sides()
    assert here == there
    again = both.planned()
    assert (again.delete, again.create, again.pull, again.drop) == ([], [], [], [])


@settings(max_examples=100, deadline=None)
@given(ACTIONS)
def test_another_session_finds_nothing_to_do(actions: list[tuple[str, int]]) -> None:
    """A session that knows nothing but the history, over the same thread, changes nothing."""
    both = Both()
    for count, (action, number) in enumerate(actions):
        act(both, action, number, count)
    both.sync()
    other = Both()
    other.items, other.thread = list(both.items), both.thread
    again = other.planned()
    assert (again.delete, again.create, again.pull, again.drop) == ([], [], [], [])


def test_nothing_of_others_is_lost() -> None:
    """What others have said is never deleted, whatever is deleted here."""
    both = Both()
    both.items.append(item("item_1"))
    both.sync()
    both.thread.add({"role": "user", "content": "theirs"})
    del both.items[0]
    both.sync()
    assert [message["content"][0]["text"]["value"] for message in both.thread.messages] == [
        "theirs"
    ]


@pytest.mark.parametrize("content", [None, [], [{"type": "input_text", "text": ""}]])
def test_items_without_content(content: Any) -> None:
    """An item that says nothing is no message, and hurts nobody."""
    empty = Item.model_validate({"id": "i", "type": "message", "role": "user", "content": content})
    assert sayings([empty], ()) == ([], [])
    bare = {"id": "msg_1", "role": "assistant", "content": content and [], "metadata": None}
    assert plan([], [bare], known=(), runs=()) == Plan()


def test_long_ids() -> None:
    """A message's id that is too long for an item gives one that is always the same."""
    long = "msg_" + "x" * 40
    assert named(long) == named(long) != named(long + "x")
    assert len(named(long)) == 32
    assert named("msg_short") == "msg_short"
    assert item_id_of({"id": long, "metadata": {ITEM_KEY: "item_1"}}) == "item_1"
