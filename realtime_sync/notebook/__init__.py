"""What notebooks show: replies with their sound, the state of a session, a button to talk.

markup      words into HTML, in which nothing foreign can be more than words
sound       audio that a page plays
cards       responses, items, conversations, sessions and figures, as a person reads them
pushtotalk  a widget with a button to hold a conversation by

`_repr_html_` of what people hold calls `cards`; nothing here imports IPython, and ipywidgets comes
in when a widget is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .pushtotalk import PushToTalkWidget

__all__ = ["PushToTalkWidget"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import pushtotalk  # when called: cards need none of it

    return getattr(pushtotalk, name)
