"""A voice chat in Tk: hold the button, or the space bar, and speak; or type.

You learn: with `dispatcher=gui.tk(window)` callbacks run in Tk's loop and may touch widgets. `open`
waits for the network, so it has a thread of its own; `submit`, `press`, `release` and `interrupt`
do not wait. `conversation.updated` brings an item whenever there is more of it, whoever says it.

Run it as `python samples/tkchat.py [SPEECH.WAV ANSWER.WAV]`: the files stand in for microphone and
loudspeaker.

Needs OPENAI_API_KEY; OPENAI_BASE_URL names another server, if you want one. Without a key the
embedded server answers (extra `local`).
"""

import os
import signal
import sys
import threading
import tkinter
from contextlib import ExitStack, suppress
from functools import partial
from tkinter import scrolledtext, ttk

from realtime_sync import RealtimeSession, gui
from realtime_sync.errors import AudioError, ConnectionLost, RealtimeError
from realtime_sync.local import LocalServer

LOOKS = {
    "user": {"background": "#cfe4ff", "lmargin1": 90, "lmargin2": 90, "lmargincolor": "white"},
    "assistant": {"background": "#e9ecef", "lmargin2": 4, "rmargin": 90, "rmargincolor": "white"},
    "error": {"background": "#ffd9d6", "lmargin2": 4},
}
SAYS = {
    "response.created": "The model answers.",
    "response.done": "Your turn.",
    "connection.lost": "The link is lost; another is being made.",
    "connection.restored": "The link is back.",
}
QUIET = -60  # dBFS
DOWN = "<Button-1>", "<space>"
UP = "<ButtonRelease-1>", "<KeyRelease-space>"


class Chat(tkinter.Tk):
    """What was said, a line to type in, a button to hold, one to interrupt; how loud it is."""

    def __init__(self, microphone=None, speaker=None, endpoint=None):
        super().__init__()
        self.ends = microphone, speaker
        self.talk = None  # until there is a session; where there are no devices
        self.up = None  # the timer of a key that goes up
        self.texts = {}  # role and text, by the item's id
        self.lay_out()
        run = gui.tk(self)
        self.session = session = RealtimeSession(
            endpoint=endpoint,
            turn_detection=None,
            transcription="gpt-4o-mini-transcribe",
            dispatcher=run,
        )
        session.on("conversation.updated", self.show_item)
        session.on("connection.closed", lambda event: self.closed(event.error))
        for name, words in SAYS.items():
            session.on(name, lambda _, words=words: self.status.config(text=words))
        self.protocol("WM_DELETE_WINDOW", self.close)
        self.opening = threading.Thread(target=self.open, args=[run])
        self.opening.start()
        self.measure()

    def lay_out(self):
        style = ttk.Style(self)
        style.theme_use("clam")
        style.configure("Horizontal.TProgressbar", thickness=7, background="#30a46c")
        style.map("TButton", background=[("pressed", "#e5484d")])
        self.title("Connecting ...")
        self.config(padx=8, pady=8, background=style.lookup("TFrame", "background"))
        self.said = scrolledtext.ScrolledText(
            self, width=52, height=22, wrap="word", state="disabled", font="TkDefaultFont", padx=8
        )
        for role, look in LOOKS.items():
            self.said.tag_config(role, spacing1=6, spacing3=6, **look)
        self.line = ttk.Entry(self)
        self.line.bind("<Return>", self.say)
        self.button = ttk.Button(self, text="Hold and speak (space)")
        self.stop = ttk.Button(self, text="Interrupt (Esc)", command=self.interrupt)
        self.bind("<Escape>", self.interrupt)
        self.levels = [ttk.Progressbar(self, maximum=-QUIET) for _ in ("yours", "the model's")]
        self.status = ttk.Label(self, text="Connecting ...", anchor="w")
        wide = {"columnspan": 2, "sticky": "nsew", "pady": 3}
        self.said.grid(row=0, **wide)
        self.line.grid(row=1, **wide)
        for column, button in enumerate([self.button, self.stop]):
            self.columnconfigure(column, weight=1, uniform="half")
            button.grid(row=2, column=column, sticky="ew", ipady=5)
            self.levels[column].grid(row=3, column=column, sticky="ew", pady=4)
        self.status.grid(row=4, **wide)
        self.rowconfigure(0, weight=1)
        self.enable(self.line, self.button, self.stop, on=False)

    def enable(self, *widgets, on=True):
        for widget in widgets:
            widget.config(state="normal" if on else "disabled")

    def open(self, run):
        """On a thread of its own; `run` has the rest done in Tk's loop."""
        try:
            self.session.open()
            run(self.opened)
        except RealtimeError as exc:
            run(partial(self.closed, exc))

    def opened(self):
        self.title("realtime_sync")
        self.status.config(text="Your turn.")
        self.enable(self.line, self.stop)
        try:
            self.talk = self.session.push_to_talk(*self.ends)
        except (AudioError, OSError) as exc:  # no devices: typing goes on
            self.line.focus()
            self.fail(exc)
            return
        self.enable(self.button)
        self.button.focus()
        for down, up in zip(DOWN, UP, strict=True):
            self.button.bind(down, self.press)
            self.button.bind(up, self.release)

    def press(self, _):
        if self.up is not None:
            self.after_cancel(self.up)
        self.talk.press()

    def release(self, _):
        # a key that is held repeats: up, down, up, down
        self.up = self.after(40, lambda: self.follow(self.talk.release()))

    def say(self, _):
        if text := self.line.get():
            self.follow(self.session.submit(text))
            self.line.delete(0, "end")

    def interrupt(self, _=None):
        with suppress(ConnectionLost):  # and with it what was being said
            self.session.interrupt()

    def follow(self, turn):
        turn.add_done_callback(lambda _: turn.exception() and self.fail(turn.exception()))

    def show_item(self, event):
        if event.item.role in LOOKS:
            self.show_text(event.item.id, event.item.role, event.item.text or "...")

    def fail(self, error):
        self.show_text(len(self.texts), "error", str(error))

    def show_text(self, key, role, text):
        self.texts[key] = f" {text} \n", role
        self.said.config(state="normal")
        self.said.delete("1.0", "end")
        for each in self.texts.values():
            self.said.insert("end", *each)
        self.said.see("end")
        self.said.config(state="disabled")

    def measure(self):
        if self.talk is not None:
            levels = self.talk.input_level, self.talk.output_level
            for bar, level in zip(self.levels, levels, strict=True):
                bar.config(value=max(0, level - QUIET))
        self.after(50, self.measure)

    def closed(self, error):
        self.enable(self.line, self.button, self.stop, on=False)
        for widget in (self.button, self.line, self):  # what is disabled still hears keys
            for key in (*DOWN, *UP, "<Return>", "<Escape>"):
                widget.unbind(key)
        if self.up is not None:
            self.after_cancel(self.up)
        self.title("realtime_sync")
        self.status.config(text="There is no link.")
        if error is not None:
            self.fail(error)

    def close(self):
        self.session.close()
        self.opening.join()
        self.destroy()


def main():
    with ExitStack() as stack:
        endpoint = None
        if not os.environ.get("OPENAI_API_KEY"):
            endpoint = stack.enter_context(LocalServer()).endpoint
        chat = Chat(*sys.argv[1:], endpoint=endpoint)
        signal.signal(signal.SIGINT, lambda *_: chat.after(0, chat.close))  # Ctrl-C
        chat.mainloop()


if __name__ == "__main__":
    main()
