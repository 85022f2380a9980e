"""The brain: what a session knows, and what it wants done. No threads, no sockets, no clock.

Theory of operation. Server events and the caller's wishes go into `state.SessionState`, *effects*
come out: data that says what to send, whom to answer, which tool to call. The `Connection` calls
it under its lock and carries the effects out. So every rule of the protocol can be read, and
tested, without a thread in sight.

- `state`: the only entrance; one table from event type to what it changes.
- `sideband`: the state of a session inside a call that others hold.
- `translation`: the state of a translation session: one stream.
- `dictation`: user transcripts, put into the order of what was said.
- `conversation`: the mirror of the server's items, in its order; `items`: one of them.
- `placing`: what the server tells about items.
- `responses`: one response as it grows.
- `running`: all responses; their tool calls. `growing`: what comes inside one.
- `edits`: what is asked of the server about single items; `frames`: of a camera.
- `interruptions`: what stops short, cut where the listener was.
- `turns`: a turn, and the creates it still waits for.
- `sequencer`: one response at a time; turns, rounds of tool calls. `begun`: those that run.
- `waits`: which turn may have to wait for which, by way of their tools.
- `guarding`: what a guardrail's verdict does to a response.
- `recovery`, `held`: what each new session hears first, what a lost link leaves, what waits.
- `buffer`: how much user audio no commit has taken.
- `creates`, `requests`: which server event answers which of ours.
- `changes`: what of the configuration cannot change any more.
- `usage`: tokens and timings.
"""
