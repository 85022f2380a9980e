"""The server's web page: its sessions, live, for whoever opens it in a browser.

`ledger` has a `sheet` for every session; on it are its events (`excerpt` says how much of them, and
leaves out keys; `spelling` those that are spread over deltas), its sound (`waveform`, a `lane` each
way) and how long its turns took (`timings`).
Connections write, each on its own sheet. `news` is what one viewer has not been told yet,
`viewing` his connection without its socket, `site` what is asked of it, `gate` who is let in.

What a browser gets is beside, as it is: `page.html`, `page.css`, modules of plain JavaScript.

Nothing of this room is imported unless a server is to have a page.
"""

from realtime_sync.local.page.ledger import Ledger
from realtime_sync.local.page.sheet import Sheet
from realtime_sync.local.page.site import PATH, Site
from realtime_sync.local.page.viewing import Viewing

__all__ = ["PATH", "Ledger", "Sheet", "Site", "Viewing"]
