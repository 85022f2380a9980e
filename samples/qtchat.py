"""A voice chat in Qt: hold the button, or the space bar, and speak; or type.

You learn: with `dispatcher=gui.qt()` callbacks run in Qt's loop and may touch widgets. `open` waits
for the network, so it has a thread of its own; `submit`, `press`, `release` and `interrupt` do not
wait. `conversation.updated` brings an item whenever there is more of it, whoever says it.

Run it as `python samples/qtchat.py [SPEECH.WAV ANSWER.WAV]`: the files stand in for microphone and
loudspeaker. Qt comes with `pip install "realtime_sync[qt]"`.

Needs OPENAI_API_KEY; OPENAI_BASE_URL names another server, if you want one. Without a key the
embedded server answers (extra `local`).
"""

import html
import os
import signal
import sys
import threading
from contextlib import ExitStack, suppress
from functools import partial

from PySide6 import QtCore, QtGui, QtWidgets

from realtime_sync import RealtimeSession, gui
from realtime_sync.errors import AudioError, ConnectionLost, RealtimeError
from realtime_sync.local import LocalServer

STYLE = """
QPushButton { padding: 9px }
QPushButton:pressed { background: #e5484d; color: white }
QProgressBar { border: none; border-radius: 3px; background: #dfe3e8; max-height: 7px }
QProgressBar::chunk { border-radius: 3px; background: #30a46c }
"""
BUBBLE = """<table width="100%"><tr><td align="{side}"><table bgcolor="{colour}" cellpadding="7">
<tr><td style="color: #16202c">{text}</td></tr></table></td></tr></table>"""
LOOKS = {
    "user": {"side": "right", "colour": "#cfe4ff"},
    "assistant": {"side": "left", "colour": "#e9ecef"},
    "error": {"side": "left", "colour": "#ffd9d6"},
}
SAYS = {
    "response.created": "The model answers.",
    "response.done": "Your turn.",
    "connection.lost": "The link is lost; another is being made.",
    "connection.restored": "The link is back.",
}


class Chat(QtWidgets.QWidget):
    """What was said, a line to type in, a button to hold, one to interrupt; how loud it is."""

    def __init__(self, microphone=None, speaker=None, endpoint=None):
        super().__init__(windowTitle="Connecting ...")
        self.ends = microphone, speaker
        self.talk = None  # until there is a session; where there are no devices
        self.bubbles = {}  # in HTML, by the item's id
        self.lay_out()
        run = gui.qt()
        self.session = session = RealtimeSession(
            endpoint=endpoint,
            turn_detection=None,
            transcription="gpt-4o-mini-transcribe",
            dispatcher=run,
        )
        session.on("conversation.updated", self.show_item)
        session.on("connection.closed", lambda event: self.closed(event.error))
        for name, words in SAYS.items():
            session.on(name, lambda _, words=words: self.status.setText(words))
        self.opening = threading.Thread(target=self.open, args=[run])
        self.opening.start()

    def lay_out(self):
        self.said = QtWidgets.QTextBrowser()
        self.line = QtWidgets.QLineEdit(placeholderText="Type, and press Return")
        self.line.returnPressed.connect(self.say)
        # the space bar holds a button that has the focus; a held key may repeat: up, down, up, down
        self.button = QtWidgets.QPushButton("Hold and speak (space)")
        self.up = QtCore.QTimer(self, singleShot=True, interval=40)  # ms
        self.up.timeout.connect(lambda: self.follow(self.talk.release()))
        self.button.pressed.connect(lambda: (self.up.stop(), self.talk.press()))
        self.button.released.connect(self.up.start)
        self.stop = QtWidgets.QPushButton("Interrupt (Esc)", shortcut="Esc")
        self.stop.clicked.connect(self.interrupt)
        self.levels = [
            QtWidgets.QProgressBar(minimum=-60, maximum=0, value=-60, textVisible=False)
            for _ in ("yours", "the model's")  # in dBFS
        ]
        self.status = QtWidgets.QLabel("Connecting ...")
        grid = QtWidgets.QGridLayout(self)
        grid.addWidget(self.said, 0, 0, 1, 2)
        grid.addWidget(self.line, 1, 0, 1, 2)
        for column, button in enumerate([self.button, self.stop]):
            grid.addWidget(button, 2, column)
            grid.addWidget(self.levels[column], 3, column)
        grid.addWidget(self.status, 4, 0, 1, 2)
        self.enable(self.line, self.button, self.stop, on=False)
        self.resize(460, 560)
        clock = QtCore.QTimer(self, interval=50)  # ms
        clock.timeout.connect(self.measure)
        clock.start()

    def enable(self, *widgets, on=True):
        for widget in widgets:
            widget.setEnabled(on)

    def open(self, run):
        """On a thread of its own; `run` has the rest done in Qt's loop."""
        try:
            self.session.open()
            run(self.opened)
        except RealtimeError as exc:
            run(partial(self.closed, exc))

    def opened(self):
        self.setWindowTitle("realtime_sync")
        self.status.setText("Your turn.")
        self.enable(self.line, self.stop)
        try:
            self.talk = self.session.push_to_talk(*self.ends)
            self.enable(self.button)
            self.button.setFocus()
        except (AudioError, OSError) as exc:  # no devices: typing goes on
            self.fail(exc)
            self.line.setFocus()

    def closed(self, error):
        self.enable(self.line, self.button, self.stop, on=False)
        self.up.stop()  # a button that is disabled goes up
        self.setWindowTitle("realtime_sync")
        self.status.setText("There is no link.")
        if error is not None:
            self.fail(error)

    def say(self):
        if text := self.line.text():
            self.follow(self.session.submit(text))
            self.line.clear()

    def interrupt(self):
        with suppress(ConnectionLost):  # and with it what was being said
            self.session.interrupt()

    def follow(self, turn):
        turn.add_done_callback(lambda _: turn.exception() and self.fail(turn.exception()))

    def show_item(self, event):
        if event.item.role in LOOKS:
            self.show_bubble(event.item.id, event.item.role, event.item.text or "...")

    def fail(self, error):
        self.show_bubble(len(self.bubbles), "error", str(error))

    def show_bubble(self, key, role, text):
        # escaped: what others say is no markup
        self.bubbles[key] = BUBBLE.format(text=html.escape(text), **LOOKS[role])
        self.said.setHtml("".join(self.bubbles.values()))
        self.said.moveCursor(QtGui.QTextCursor.End)

    def measure(self):
        if self.talk is not None:
            levels = self.talk.input_level, self.talk.output_level
            for bar, level in zip(self.levels, levels, strict=True):
                bar.setValue(int(max(level, bar.minimum())))

    def closeEvent(self, _):
        self.session.close()
        self.opening.join()


def main():
    app = QtWidgets.QApplication(sys.argv[:1])
    app.setStyleSheet(STYLE)
    signal.signal(signal.SIGINT, lambda *_: app.closeAllWindows())  # Ctrl-C
    with ExitStack() as stack:
        endpoint = None
        if not os.environ.get("OPENAI_API_KEY"):
            endpoint = stack.enter_context(LocalServer()).endpoint
        chat = Chat(*sys.argv[1:], endpoint=endpoint)
        chat.show()
        app.exec()


if __name__ == "__main__":
    main()
