"""What a client may believe, by wire.md (b), (e), (g), (h) alone. Imports nothing of the core."""

from collections import defaultdict


class Reference:  # is told what goes out (`sent`), what comes in (`heard`), who waits (`settled`)
    def __init__(self) -> None:
        self.active, self.running = None, {}  # writes the conversation; all, with their metadata
        self.order, self.cut, self.outputs = [], set(), defaultdict(list)  # ids; by response
        self.texts, self.audio = defaultdict(str), defaultdict(float)  # by id; milliseconds
        self.sent, self.settled = {}, {}  # unanswered events; who waits: None, then how it ended
        self.rounds, self.calls = {}, {}  # turn -> rounds left; -> a response, what its calls gave

    def settle(self, key: object, how: str) -> None:
        self.settled |= {key: how} if self.settled.get(key, how) is None else {}

    def answer(self, kind: str, about: object) -> dict:
        keys = [k for k, e in self.sent.items() if (e["type"], e["about"]) == (kind, about)]
        self.settle(key := [*keys, None][0], "answered")
        return self.sent.pop(key, {})

    def heard(self, event: dict) -> None:
        kind, item, told = event["type"], event.get("item", {}), event.get("response")
        whole = [p.get("text") or p.get("transcript") for p in (event, *item.get("content", []))]
        before = self.texts[name := event.get("item_id") or item.get("id")]
        if kind == "response.output_audio.delta":
            self.audio[name] += 100 * (name not in self.cut)
        elif name not in self.cut:
            whole = "".join(filter(None, whole))
            self.texts[name] = before + event["delta"] if "delta" in event else whole or before
        if kind == "conversation.item.added":
            root = self.answer("conversation.item.create", name).get("previous_item_id") == "root"
            after = {"root": 0} | {known: at for at, known in enumerate(self.order, 1)}
            at = after.get("root" if root else event["previous_item_id"], len(self.order))
            self.order[at:at] = [name] if name not in self.order else []
        elif kind == "conversation.item.deleted":
            self.answer("conversation.item.delete", self.order.pop(self.order.index(name)))
        elif kind == "conversation.item.truncated":
            self.answer("conversation.item.truncate", name)
            self.truncate(name, event["audio_end_ms"])
        elif kind == "response.output_item.added":
            self.outputs[event["response_id"]].append(name)
        elif kind == "error":
            key, busy = event["error"]["event_id"], "already_has" in event["error"]["code"]
            turn = self.sent.pop(key, {}).get("response", {}).get("metadata", {}).get("turn")
            if not busy or key[0] == "s":  # else the session tries again by itself
                for who in (key, turn, key.removesuffix("_said")):
                    self.settle(who, "refused")
        elif told:
            getattr(self, kind.removeprefix("response."))(told, told["id"])

    def truncate(self, name: str, end: float) -> None:
        text, heard = self.texts[name], min(end, self.audio[name])
        at = round(len(text) * heard / (self.audio[name] or 1))
        end = at if text[at : at + 1] in ("", " ") else max(0, text.rfind(" ", 0, at))
        self.texts[name], self.audio[name] = text[:end].rstrip(), heard
        self.cut.add(name)

    def created(self, told: dict, name: str) -> None:
        self.active = name if told["conversation_id"] else self.active
        tag = (told["metadata"] or {}).get("realtime_sync")
        self.running[name] = self.sent.pop(tag, {}).get("response", {}).get("metadata", {})
        self.settle(tag, name)

    def done(self, told: dict, name: str) -> None:
        self.active, tags = None if self.active == name else self.active, self.running.pop(name)
        for about in (name, None if told["conversation_id"] else name) * len(self.sent):
            self.answer("response.cancel", about)
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
