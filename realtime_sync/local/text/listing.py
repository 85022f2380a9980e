"""Objects of one kind by id, in the order of their making, and pages of them.

Its owner sees that one call is made at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from realtime_sync.local.refusal import Refusal, out_of_range, wrong_value

__all__ = ["Listing"]

Wire = dict[str, Any]

_USUAL, _MOST = 20, 100  # objects in a page


class Listing:
    """The objects of one kind.

    Args:
        noun: What one is, as a message that misses it says, e.g. "thread".
        most: How many are kept; the oldest go.
    """

    def __init__(self, noun: str, *, most: int = 10_000) -> None:
        self._noun = noun
        self._most = most
        self._objects: dict[str, Wire] = {}

    def __iter__(self) -> Iterator[Wire]:
        return iter(list(self._objects.values()))

    def add(self, one: Wire) -> Wire:
        """Keeps one, and gives it back."""
        self._objects[one["id"]] = one
        if len(self._objects) > self._most:
            del self._objects[next(iter(self._objects))]
        return one

    def find(self, object_id: str) -> Wire:
        """The object itself.

        Raises:
            Refusal: There is none.
        """
        found = self._objects.get(object_id)
        if found is None:
            raise Refusal("not_found", f"No {self._noun} found with id '{object_id}'.")
        return found

    def remove(self, object_id: str) -> Wire:
        """Takes it out, for good; what the service says of that.

        Raises:
            Refusal: There is none.
        """
        kind = self.find(object_id)["object"]
        del self._objects[object_id]
        return {"id": object_id, "object": f"{kind}.deleted", "deleted": True}

    def page(self, query: Wire, wanted: Callable[[Wire], bool] = lambda _: True) -> Wire:
        """One page, as the query asks: `limit`, `order`, `after`, `before`.

        Raises:
            Refusal: The query asks for what there is not.
        """
        limit, newest_first = _limit(query.get("limit")), _order(query.get("order", "desc"))
        found = [one for one in self if wanted(one)]
        if newest_first:
            found.reverse()
        ids = [one["id"] for one in found]
        if query.get("after"):
            found = found[_place(ids, query["after"], "after") + 1 :]
        if query.get("before"):
            found = found[: _place([one["id"] for one in found], query["before"], "before")]
            found = found[-limit:]
        shown = found[:limit]
        return {
            "object": "list",
            "data": shown,
            "first_id": shown[0]["id"] if shown else None,
            "last_id": shown[-1]["id"] if shown else None,
            "has_more": len(found) > limit,
        }


def _limit(given: str | None) -> int:
    if given is None:
        return _USUAL
    if not given.isascii() or not given.isdigit() or not 1 <= int(given[:9]) <= _MOST:
        raise out_of_range("limit", 1, _MOST, int(given[:9]) if given.isdecimal() else 0)
    return int(given)


def _order(given: str) -> bool:
    if given not in ("asc", "desc"):
        raise wrong_value("order", given, ("asc", "desc"))
    return given == "desc"


def _place(ids: list[str], wanted: str, param: str) -> int:
    if wanted not in ids:
        raise Refusal("invalid_value", f"No object found with id '{wanted}'.", param=param)
    return ids.index(wanted)
