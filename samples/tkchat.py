"""A chat with a window: type, or hold the button and speak.

You learn: with `dispatcher=gui.tk(window)` callbacks run in Tk's loop and may touch widgets;
`submit` and `push_to_talk` do not block it. `conversation.updated` brings an item whenever there is
more of it, whoever says it.

Run it as `python samples/tkchat.py [SPEECH.WAV ANSWER.WAV]`: the files stand in for microphone and
loudspeaker.

Needs OPENAI_API_KEY; OPENAI_BASE_URL names another server, if you want one.
"""

import sys
import tkinter
from tkinter import scrolledtext

from realtime_sync import RealtimeSession, gui
from realtime_sync.errors import AudioError


class Window(tkinter.Tk):
    """What was said, a line to type in, a button to hold."""

    def __init__(self):
        super().__init__()
        self.title("realtime_sync")
        self.said = scrolledtext.ScrolledText(self, width=60, height=16, wrap="word")
        self.said.pack(fill="both", expand=True)
        self.line = tkinter.Entry(self)
        self.line.pack(fill="x")
        self.button = tkinter.Button(self, text="hold and speak")
        self.button.pack()
        self.texts = {}  # of each item, by id

    def show(self, event):
        self.texts[event.item.id] = f"{event.item.role}: {event.item.text}\n"
        self.said.delete("1.0", "end")
        self.said.insert("end", "".join(self.texts.values()))
        self.said.see("end")


window = Window()
with RealtimeSession(
    turn_detection=None, transcription="gpt-4o-mini-transcribe", dispatcher=gui.tk(window)
) as session:
    session.on("conversation.updated", window.show)

    def say(_):
        session.submit(window.line.get())
        window.line.delete(0, "end")

    window.line.bind("<Return>", say)
    try:
        talk = session.push_to_talk(*sys.argv[1:])
        window.button.bind("<ButtonPress-1>", lambda _: talk.press())
        window.button.bind("<ButtonRelease-1>", lambda _: talk.release())
    except AudioError as exc:  # no devices: typing goes on
        window.button.config(text=str(exc), state="disabled")
    window.mainloop()
