"""What a client may believe over several links, by api.md (Reconnect) alone: see `reference`."""

from .reference import Reference


class Links(Reference):
    def __init__(self) -> None:
        super().__init__()
        self.kinds, self.whole = {}, set()  # item -> its type; those that are complete
        self.again = set()  # what has been asked for over a link that was lost
        self.linked = self.greeted = False  # the new session has confirmed all; has begun
        self.repeated, self.replay = set(), set()  # items it is to hear; not confirmed: events

    def heard(self, event: dict) -> None:
        if event["type"] == "session.created":  # not told again: what has no words, half calls
            self.order = [name for name in self.order if self.can_be_told(name)]
            return
        if event["type"] == "error" and event["error"]["event_id"] in self.replay:
            self.order.remove(self.sent[event["error"]["event_id"]]["about"])  # it is left out
        super().heard(event)
        if event["type"].endswith("item.done"):
            self.whole.add(event["item"]["id"])
        if event["type"] == "conversation.item.added":
            name, before = event["item"]["id"], event["previous_item_id"]
            self.kinds[name] = event["item"]["type"]
            if before in self.order:  # one that is made again, too, stands where this server says
                self.order.remove(name)
                self.order.insert(self.order.index(before) + 1, name)

    def can_be_told(self, name: str) -> bool:
        said = {"message": bool(self.texts[name]), "function_call": name in self.whole}
        return said.get(self.kinds[name], True)

    def created(self, told: dict, name: str) -> None:
        if "metadata" not in told:  # this server echoes none: the oldest create is meant
            default = told["conversation_id"] is not None
            creates = [(k, e["response"]) for k, e in self.sent.items() if "response" in e]
            keys = [k for k, e in creates if (e.get("conversation") != "none") == default]
            told = told | {"metadata": {"realtime_sync": keys[0]}}
        super().created(told, name)

    def told(self) -> None:  # all that follows an event has gone out
        made = "conversation.item.create"
        again = {k for k, e in self.sent.items() if e["type"] == made and e["about"] in self.order}
        if not self.greeted:
            self.repeated = {self.sent[key]["about"] for key in again}
        self.replay = self.replay & again if self.greeted else again
        self.greeted, self.linked = True, self.linked or not self.replay

    def unlinked(self) -> None:  # another link will be made
        self.repeated = set()
        for key in list(self.sent):
            self.alone(key, self.sent.pop(key), "lost")
            self.again.add(key)
        for tags in self.running.values():
            self.settle(tags.get("turn"), "lost")
        self.active, self.running = None, {}
        self.linked = self.greeted = False

    def alone(self, key: str, event: dict, nothing: str) -> None:  # done without a link, or waits
        kind, about = event["type"], event["about"]
        mine = about in self.order and about not in self.repeated
        if kind == "conversation.item.delete" and mine:
            self.order.remove(about)
            self.settle(key, "answered")
        elif kind == "conversation.item.truncate" and mine:
            if self.audio[about] or not event["audio_end_ms"]:  # else no length: the words stay
                self.truncate(about, event["audio_end_ms"])
            self.settle(key, "answered")
        elif kind == "response.cancel":
            self.settle(key, "answered" if (about or self.active) in self.running else nothing)
        elif kind == "response.create" and key in self.again:
            for who in (key, event["response"].get("metadata", {}).get("turn")):
                self.settle(who, "lost")
