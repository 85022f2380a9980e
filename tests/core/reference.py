"""What a client may believe, by wire.md (b), (e), (g), (h) alone. Imports nothing of the core."""

from collections import defaultdict


class Reference:  # is told what goes out (`sent`), what comes in (`heard`), who waits (`settled`)
    def __init__(self) -> None:
        self.active: str | None = None  # id of the response that writes the conversation
        self.order: list[str] = []  # ids of items; by id: text, milliseconds of audio, cut or not
        self.texts, self.audio, self.cut = defaultdict(str), defaultdict(float), set()
        self.outputs = defaultdict(list)  # response -> ids of its items
        self.sent, self.settled = {}, {}  # unanswered events; who waits: None, then how it ended
        self.rounds, self.calls = {}, {}  # turn -> rounds left; -> a response, what its calls gave

    def settle(self, key: object, how: str) -> None:
        if self.settled.get(key, how) is None:
            self.settled[key] = how

    def answer(self, kind: str, about: object) -> dict:
        keys = [k for k, e in self.sent.items() if (e["type"], e["about"]) == (kind, about)]
        self.settle(*keys[:1] or [None], "answered")
        return self.sent.pop(keys[0]) if keys else {}

    def heard(self, event: dict) -> None:
        kind, item, told = event["type"], event.get("item", {}), event.get("response")
        parts = [event, *item.get("content", [])]
        whole = "".join(p.get("text") or p.get("transcript") or "" for p in parts)
        before = self.texts[name := event.get("item_id") or item.get("id")]
        if kind == "response.output_audio.delta":
            self.audio[name] += 100 * (name not in self.cut)
        elif name not in self.cut:
            self.texts[name] = before + event["delta"] if "delta" in event else whole or before
        if kind == "conversation.item.added":
            root = self.answer("conversation.item.create", name).get("previous_item_id") == "root"
            after = {"root": 0} | {known: at for at, known in enumerate(self.order, 1)}
            at = after.get("root" if root else event["previous_item_id"], len(self.order))
            self.order.insert(at, name)
        elif kind == "conversation.item.deleted":
            self.answer("conversation.item.delete", self.order.pop(self.order.index(name)))
        elif kind == "conversation.item.truncated":
            self.answer("conversation.item.truncate", name)
            heard = min(event["audio_end_ms"], self.audio[name])
            at = round(len(before) * heard / (self.audio[name] or 1))
            end = at if before[at : at + 1] in ("", " ") else max(0, before.rfind(" ", 0, at))
            self.texts[name], self.audio[name] = before[:end].rstrip(), heard
            self.cut.add(name)
        elif kind == "response.output_item.added":
            self.outputs[event["response_id"]].append(name)
        elif kind == "error":
            key, busy = event["error"]["event_id"], "already_has" in event["error"]["code"]
            turn = self.sent.pop(key, {}).get("response", {}).get("metadata", {}).get("turn")
            if not busy or key[0] == "s":  # else the session tries again by itself
                for who in (key, turn, key.removesuffix("_said")):
                    self.settle(who, "refused")
        elif told:
            step = getattr(self, kind.removeprefix("response."))
            step(told, told["id"], told["metadata"] or {})

    def created(self, told: dict, name: str, tags: dict) -> None:
        self.active = name if told["conversation_id"] else self.active
        if self.sent.pop(tags.get("realtime_sync"), None):
            self.settle(tags["realtime_sync"], name)

    def done(self, told: dict, name: str, tags: dict) -> None:
        self.active = None if self.active == name else self.active
        for about in [name] + [None] * (told["conversation_id"] is not None):
            while self.answer("response.cancel", about):
                ...
        calls = {i["call_id"]: None for i in told["output"] if i["type"] == "function_call"}
        if told["status"] == "completed" and calls and self.rounds.get(tags.get("turn")):
            self.rounds[tags["turn"]] -= 1
            self.calls[tags["turn"]] = (name, calls)
        else:
            self.settle(tags.get("turn"), "failed" if told["status"] == "failed" else name)

    def tool(self, call: str, respond: bool) -> None:
        for turn, (response, calls) in self.calls.items():
            calls.update({call: respond} if call in calls else {})
            if not {None, True} & {*calls.values()}:
                self.settle(turn, response)
