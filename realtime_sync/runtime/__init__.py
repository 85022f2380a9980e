"""The hands: sockets, threads, queues and the one lock. Know nothing of conversations.

Theory of operation. One thread of the process, `realtime-io`, owns every socket: it receives,
parses, feeds the core under the session's lock, and sends what is queued. It never waits for
anybody, so it never runs a caller's code, but for taps. Callers change the core under the lock,
queue what that wants sent, and wait for a future, which the I/O thread settles outside the lock.
Callbacks run on a thread of their own, so one that waits or blocks delays callbacks only.

- `connection`: one session, of parts that know those before them: `telling`, who hears of what;
  `guarded`, the lock and what it guards; `sending`, frames on their way; `ending`, closed or lost
  for good; `relinking`, from one link to the next; `receiving`, what the server says; `opening`,
  the first link.
- `carrier` carries the core's effects out.
- `relink` says when a link is made anew, `attempt` makes one, `link` is what is needed of it.
- `loop`, `clients`, `timers`: the I/O thread, whom it calls, and what it does later.
- `liveness`: whether the server at the other end still lives.
- `transport`: a WebSocket link, with `dial` and `greeting` (its making), `framing` and `wire`
  (its bytes).
- `dispatcher`, `handlers`, `inbox`: callbacks; `watches`: those who wait; `taps`: those who look.
- `process`: sessions that nobody closes, forks and exits; `threads`: what all threads of ours are.
- `outbox`: frames that wait to be sent; `futures`, `clock`: waiting, and for how long.
- `endpoints`, `azure`: URLs, headers and keys; `dialect`: what is spoken over a link.

Decisions that look odd.

*One thread for reading and writing.* We have one I/O thread and TLS in memory. Tried: a reader and
a writer that share one `SSLSocket`. Healthy links died, several an hour, since both sides clear
each other's OpenSSL error. To see it: twenty sessions, fifty messages a second, a socket timeout.

*Callbacks not on the I/O thread.* We have a dispatcher. Tried: callbacks where the events come in.
A callback that asks waits for the thread that it runs on. To see it: `ask` inside `on`.

*No bound on the way to the dispatcher but dropping deltas.* Tried: a bounded queue. A burst before
an awaited answer stops the I/O thread, and the answer never comes.

*Futures are settled after the lock is released.* Tried: under it. Their done-callbacks cannot take
the lock. To see it: a done-callback that calls the session.

*Futures are born running.* Else a caller's `cancel()` makes our `set_result` raise, on the I/O
thread, which ends the session.

*The link is published under the lock, or dropped.* Tried: without looking again whether the session
is being closed. `close()` during a connect left a thread and a socket behind.

*The queue is emptied until the link holds some of it back.* Tried: handing over 256 KiB and waiting
to be told that there is room. A kernel that takes everything at once never tells.
"""
