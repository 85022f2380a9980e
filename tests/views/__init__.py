"""What a person sees, as pictures; see `tests/screens.py`.

terminal   what a terminal shows, as an SVG
scenes     the command line at work
windows    the samples with a window
pages      what a browser shows: pages, reports, notebooks
"""
