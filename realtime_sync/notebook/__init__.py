"""What notebooks show: replies with their sound, the state of a session, a button to talk.

markup      words into HTML, in which nothing foreign can be more than words
sound       audio that a page plays
cards       responses, items, conversations, sessions and figures, as a person reads them
pushtotalk  a widget with a button to hold a conversation by

`_repr_html_` of what people hold calls `cards`; nothing here imports IPython, and ipywidgets comes
in when a widget is made.
"""

from __future__ import annotations
