"""Client secrets and calls over HTTP, by the `openai` package. Knows no WebSocket and no session.

- `values`: what comes back: `ClientSecret`, `Call`.
- `bodies`: what goes out, checked.
- `post`: one request and its reply, or our error; the only `import openai`.
- `client`, with `calls`: what people use.
"""

from __future__ import annotations

from .calls import Calls
from .client import Rest
from .values import Call, ClientSecret, call_id_of

__all__ = ["Rest", "Calls", "Call", "ClientSecret", "call_id_of"]
