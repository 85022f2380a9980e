"""What a person sees, as pictures; see `tests/screens.py`.

terminal   what a terminal shows, as an SVG
scenes     the command line at work
windows    the samples with a window
pages      what a browser shows: pages, reports, a notebook, and the pictures of terminals
"""

from __future__ import annotations


class Missing(Exception):
    """A picture that cannot be made here, and why."""
