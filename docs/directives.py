"""Directives that make the reference from the package itself, so that nothing of it is copied."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import realtime_sync
from realtime_sync import errors

PACKAGE = Path(realtime_sync.__file__).parent
#: Rooms that document their own names; `realtime_sync` only points there.
HOMES = ("errors", "events", "tools", "routing")
#: Bases whose members say nothing of ours.
FOREIGN = "BaseModel, BaseException, Exception, object, tuple, str, dict"
#: What a name in single backticks looks like where it can be a link.
LINKED = re.compile(r"[A-Z]\w+(\.\w+)?|(realtime_sync\.)[\w.]+|[^<]+ <realtime_sync\.[\w.]+>")
#: Not what a user's program meets: the embedded server, the command line, benchmarks.
ELSEWHERE = ("local", "cli")


class Names(SphinxDirective):
    """``.. names:: MODULE``: each of its public names, described by its docstring."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        module = importlib.import_module(self.arguments[0])
        text = "\n\n".join(_described(module, name) for name in module.__all__)
        return self.parse_text_to_nodes(text)


def _described(module: Any, name: str) -> str:
    thing, path = getattr(module, name), f"{module.__name__}.{name}"
    home = getattr(thing, "__module__", "").removeprefix("realtime_sync.").partition(".")[0]
    if home in HOMES and module.__name__ != f"realtime_sync.{home}":
        return f"`{name}`: :doc:`of realtime_sync.{home} <{home}>`."
    if inspect.ismodule(thing):
        return f".. automodule:: {path}\n   :members:"
    if inspect.isclass(thing):
        return f".. autoclass:: {path}\n   :members:\n   :inherited-members: {FOREIGN}"
    if callable(thing):
        return f".. autofunction:: {path}"
    return f".. py:data:: {path}\n   :value: {thing!r}"


class EventTable(SphinxDirective):
    """``.. event-table:: MODULE``: the models of a module of `realtime_sync.events`."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        module = importlib.import_module(f"realtime_sync.events.{self.arguments[0]}")
        own = [thing for thing in vars(module).values() if _is_model_of(module, thing)]
        rows = [_model(thing) for thing in own]
        head = ("class, wire name", "fields", "what it is")
        return self.parse_text_to_nodes(_table(head, rows, "34 33 33"))


def _is_model_of(module: Any, thing: Any) -> bool:
    return (
        hasattr(thing, "model_fields")
        and thing.__module__ == module.__name__
        and not thing.__name__.startswith("_")
    )


def _model(thing: Any) -> tuple[str, str, str]:
    fields = thing.model_fields
    wire = getattr(fields.get("type"), "default", None)
    named = f"``{thing.__name__}``" + (f"\n\n``{wire}``" if wire and isinstance(wire, str) else "")
    own = ", ".join(f"``{name}``" for name in fields if name not in ("type", "event_id"))
    return named, own, inspect.cleandoc(thing.__doc__ or "").partition("\n\n")[0]


class ErrorTable(SphinxDirective):
    """``.. error-table::``: every error, what it means, its cure; from realtime_sync/errors.py."""

    def run(self) -> list[nodes.Node]:
        rows = []
        for name in errors.__all__:
            meaning, cure = cured(getattr(errors, name))
            rows.append((f"`{name} <realtime_sync.errors.{name}>`", meaning, cure))
        return self.parse_text_to_nodes(
            _table(("error", "what it means", "cure"), rows, "20 40 40")
        )


def cured(error: type[BaseException]) -> tuple[str, str]:
    """What an error's docstring says first, and what follows "Cure:" there."""
    paragraph = inspect.cleandoc(error.__doc__ or "").partition("\n\n")[0]
    meaning, _, cure = paragraph.partition("Cure: ")
    return meaning.strip(), cure


class ErrorTexts(SphinxDirective):
    """``.. error-texts:: ERROR``: the texts with which the package raises it."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        texts = sorted(set(raised(self.arguments[0])))
        items = [nodes.list_item("", nodes.paragraph("", "", nodes.literal(t, t))) for t in texts]
        return [nodes.bullet_list("", *items)]


def raised(error: str) -> list[str]:
    """The texts of an error in the sources; "…" stands where a value is put in."""
    return [text for name, text in _calls() if name == error and re.search(r"\w{3}", text)]


@cache
def _calls() -> list[tuple[str, str]]:
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.relative_to(PACKAGE).parts[0] in ELSEWHERE:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
                found += [(node.func.id, text) for text in _templates(node.args[0])]
    return found


def _templates(node: ast.expr) -> list[str]:
    """What an expression may say: several texts where it chooses."""
    if isinstance(node, ast.Constant):
        return [str(node.value)]
    if isinstance(node, ast.IfExp):
        return _templates(node.body) + _templates(node.orelse)
    if isinstance(node, ast.JoinedStr):
        return ["".join(parts) for parts in product(*map(_templates, node.values))]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return ["".join(parts) for parts in product(_templates(node.left), _templates(node.right))]
    return ["…"]


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]], widths: str) -> str:
    lines = [".. list-table::", "   :header-rows: 1", f"   :widths: {widths}", ""]
    for row in [head, *rows]:
        for number, cell in enumerate(row):
            first, *others = cell.splitlines() or [""]
            lines.append(f"   {'-' if number else '* -'} {first}".replace("   - ", "     - ", 1))
            lines += [f"       {line}".rstrip() for line in others]
    return "\n".join(lines)


def name_role(
    _role: str, rawtext: str, text: str, lineno: int, inliner: Any, *_rest: Any
) -> tuple[list[nodes.Node], list[nodes.system_message]]:
    """`Name` in single backticks: a link to a class or what belongs to it; else plain code.

    Lower-case names alone are many things' attributes: they stay code.
    """
    if LINKED.fullmatch(text):
        role = inliner.document.settings.env.get_domain("py").role("obj")
        wanted = text if "<" in text else f".{text}"  # with the dot: of whichever module
        return role("py:obj", rawtext, wanted, lineno, inliner, {}, [])
    return [nodes.literal(rawtext, text)], []


def as_prose(
    _app: Sphinx, _what: str, _name: str, _thing: Any, _options: Any, lines: list[str]
) -> None:
    """Takes "rtc_…" for text, not for a reference, and `Tool`s for a plural."""
    for number, line in enumerate(lines):
        line = re.sub(r"(?<!`)\b(rtc|ek)_(?=\W)", r"\1\\_", line)
        lines[number] = re.sub(r"(`\w+`)(?=s\b)", r"\1\\ ", line)


def as_pages(_app: Sphinx, _path: Path, _parent: str, content: list[str]) -> None:
    """Pages that the README and the changelog name as files become links."""
    content[0] = re.sub(r"``docs/([\w/]+)\.rst``", r":doc:`/\1`", content[0])


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_role("name", name_role)
    app.connect("autodoc-process-docstring", as_prose)
    app.connect("include-read", as_pages)
    app.add_directive("names", Names)
    app.add_directive("event-table", EventTable)
    app.add_directive("error-table", ErrorTable)
    app.add_directive("error-texts", ErrorTexts)
    return {"parallel_read_safe": True}
