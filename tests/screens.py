"""Makes a picture of everything that a person sees, so that anyone can look at it.

`python tests/screens.py FOLDER [NAME ...]` writes them there, all of them or those named:

- the command line, on a pseudo-terminal, as SVG for a dark and for a light terminal, and as text;
- the samples with a window, and with a web page; `serve --ui`, the report of a batch, a notebook;
- index.html with all of them; and a PNG of each SVG, where there is a browser.

Nothing leaves the machine: the embedded server answers. A picture that cannot be made here is named
with the reason, and makes the exit code 1.
"""

from __future__ import annotations

import argparse
import html
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from views import Missing
from views.pages import PAGES, Browser, browser
from views.scenes import SCENES, Stage
from views.terminal import THEMES, draw, rows
from views.windows import WINDOWS, photograph

from realtime_sync.local import LocalServer

TITLES = {name: title for table in (SCENES, WINDOWS, PAGES) for name, (title, *_) in table.items()}

PAGE = """<!doctype html>
<meta charset="utf-8"><title>Screens</title>
<style>
body {{ font: 15px sans-serif; max-width: 2000px; margin: 2em auto; padding: 0 1em }}
figure {{ margin: 0 0 3em }}
figcaption {{ margin-bottom: .5em; font-weight: bold }}
img {{ max-width: 49%; vertical-align: top }}
</style>
{figures}
"""


def terminal(name: str, folder: Path) -> None:
    """What a command shows, as a picture for each theme, and as text."""
    title, act = SCENES[name]
    with LocalServer(voice="tones") as server, tempfile.TemporaryDirectory() as where:
        raw = act(Stage(server, Path(where)))
    (folder / f"{name}.txt").write_text("\n".join(rows(raw)) + "\n", encoding="utf-8")
    for theme, colours in THEMES.items():
        drawn = draw(raw, title, colours)
        (folder / f"{name}.{theme}.svg").write_text(drawn, encoding="utf-8")


def make(names: list[str], folder: Path) -> Iterator[tuple[str, str]]:
    """Make these; each name with the reason why it cannot be, "" where it can."""
    with ExitStack() as stack:
        try:
            shown: Browser | Missing = stack.enter_context(browser())
        except Missing as exc:
            shown = exc
        for name in names:
            try:
                one(name, folder, shown)
            except Missing as exc:
                yield name, str(exc)
            else:
                yield name, ""


def one(name: str, folder: Path, shown: Browser | Missing) -> None:
    """Make this one.

    Raises:
        Missing: It cannot be made here.
    """
    if name in SCENES:
        terminal(name, folder)
    elif name in WINDOWS:
        photograph(name, folder / f"{name}.png")
    elif isinstance(shown, Missing):
        raise shown
    else:
        PAGES[name][1](shown, folder / f"{name}.png")
    if isinstance(shown, Browser):
        for drawn in folder.glob(f"{name}.*.svg"):
            shown.draw(drawn, drawn.with_suffix(".png"))


def index(folder: Path) -> str:
    """A page with all pictures that are there."""
    figures = []
    for name, title in TITLES.items():
        files = sorted(folder.glob(f"{name}.*.svg")) or list(folder.glob(f"{name}.png"))
        images = "".join(f'<img src="{file.name}" alt="{name}"> ' for file in files)
        if images:
            caption = f"<figcaption>{html.escape(title)}</figcaption>"
            figures.append(f"<figure>{caption}{images}</figure>")
    return PAGE.format(figures="\n".join(figures))


def main() -> int:
    """The exit code: 1 where a picture is missing."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="where the pictures go")
    parser.add_argument("name", nargs="*", help=f"{', '.join(TITLES)}; all of them")
    given = parser.parse_args()
    for name in given.name:
        if name not in TITLES:
            parser.error(f"no picture {name!r}; there are: {', '.join(TITLES)}")
    given.folder.mkdir(parents=True, exist_ok=True)
    missing = 0
    for name, why in make(given.name or list(TITLES), given.folder.resolve()):
        sys.stdout.write(f"missing  {name}: {why}\n" if why else f"made     {name}\n")
        sys.stdout.flush()
        missing += bool(why)
    (given.folder / "index.html").write_text(index(given.folder), encoding="utf-8")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
