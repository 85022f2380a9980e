"""The other side of the wire: a server of the Realtime API on loopback, without a model.

::

    with LocalServer() as server:
        server.reply("The capital is Paris.", server.call("lookup", city="Paris"))
        with RealtimeSession(endpoint=server.endpoint) as session:
            print(session.ask("What is the capital of France?").text)

It has brains of its own, written from the protocol and not from `realtime_sync.core`: the same
bug must not sit on both sides. They are pure (events and the time in, events out):

- `mind` is what all have in common, `hearing` what all that hold a conversation have; `brain` is a
  realtime session, `telephone` one inside a call, `scribe` a transcription, `interpreter` a
  translation; `sessions` makes them.
- The session is in `settings`, the items in `conversation` (their audio in `sound`), a response's
  events in `responses` (`plan`, `usage`), user transcripts in `transcripts`, what is due when in
  `schedule`.
- `vocabulary` and `shapes` say which client events are right, `refusal` what a wrong one is told.
- `mcp` plays MCP servers: their tools, the approval and the calls of them.
- `replay` plays the server's part of a recording, `causes` says what in it follows from what.
- `witness` has heard everything, and says what was said and called.
- `beta` speaks the old dialect over a brain that knows GA only.
- `answers` are the rules that it answers by, `script` and `heard` what a test wants instead,
  `speech` its voice. `chatmodel` is a language model in the place of the rules: `asked` says what
  its endpoint is told and what that says, `asking` is one request to it, `thoughts` makes a
  response of it as it comes, `ears` have the user's speech written down; `respondent` is either.

Around them: `reception` lets clients in, `grants` are client secrets, `calls` the sessions that
connections share, `desk` the REST calls (`http`, `body`, `sdp`) and `text` those of text models,
`dialogue` one connection without its socket, `serving` a REST call over it, `page` the live view in
a browser, `logbook` what the log says. `server` is what people hold (`options`), `net` its threads
and sockets.

Needs the extra `local` (the package `websockets`); importing this room does not.
"""

from realtime_sync.local.answers import call
from realtime_sync.local.chatmodel import ChatModel
from realtime_sync.local.server import LocalServer

__all__ = ["ChatModel", "LocalServer", "call"]
