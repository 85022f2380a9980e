"""A game loop: callbacks run when you say so, on your own thread.

You learn: with `dispatcher="manual"` nothing runs until `session.pump()`, so callbacks may touch
the game's state without a lock. `submit` begins a turn and does not wait for it.

Needs OPENAI_API_KEY; OPENAI_BASE_URL names another server, if you want one.
"""

from realtime_sync import RealtimeSession

FRAME = 1 / 30  # seconds


class Game:
    """A wizard who speaks, and a player who walks meanwhile."""

    def __init__(self, session):
        self.bubble = ""  # what the wizard says
        self.steps = 0
        session.on("response.output_text.delta", self.hear)

    def hear(self, event):
        self.bubble += event.delta

    def draw(self):
        print(f"step {self.steps:3}  wizard: {self.bubble[-60:]!r}")


with RealtimeSession(output_modalities=["text"], dispatcher="manual") as session:
    game = Game(session)
    speech = session.submit("Tell me a long story.")
    while not speech.done() and game.steps < 60:
        session.pump(FRAME)  # runs the callbacks that are due; waits for some, a frame at most
        game.steps += 1
        if game.steps % 10 == 0:
            game.draw()
    if not speech.done():
        session.response.cancel()  # the player has walked away
    while session.pump():
        pass  # what had come in the meantime
    print(f"the wizard's speech is {speech.result(timeout=30).status}")
