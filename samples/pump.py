"""A game loop: callbacks run when you say so, on your own thread, sixty times a second.

You learn: with `dispatcher="manual"` nothing runs until `session.pump()`, so callbacks may touch
the game's state without a lock. Its `budget` keeps a burst of events from making a frame late: what
is left is run in the next one. `submit` begins a turn and does not wait for it.

Needs OPENAI_API_KEY; OPENAI_BASE_URL names another server, if you want one.
"""

import time

from realtime_sync import RealtimeSession

FRAME = 1 / 60  # seconds


class Game:
    """A wizard who speaks, and a player who walks meanwhile."""

    def __init__(self, session):
        self.bubble = ""  # what the wizard says
        self.steps = 0
        session.on("response.output_text.delta", self.hear)

    def hear(self, event):
        self.bubble += event.delta

    def draw(self):
        self.steps += 1
        if self.steps % 20 == 0:
            print(f"step {self.steps:3}  wizard: {self.bubble[-60:]!r}")


with RealtimeSession(output_modalities=["text"], dispatcher="manual") as session:
    game = Game(session)
    speech = session.submit("Tell me a long story.")
    due = time.monotonic()
    while not speech.done() and game.steps < 120:
        session.pump(budget=FRAME / 4)  # what is due, for a quarter of the frame at most
        game.draw()
        due += FRAME
        time.sleep(max(0, due - time.monotonic()))  # in a game its engine waits for the screen
    if not speech.done():
        session.response.cancel()  # the player has walked away
    while session.pump():
        pass  # what had come in the meantime
    print(f"the wizard's speech is {speech.result(timeout=30).status}")
