"""The law of imports, and what every file owes its reader."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import realtime_sync

PACKAGE = Path(realtime_sync.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
NAMES = [str(path.relative_to(PACKAGE)) for path in FILES]

#: Room -> the rooms that its modules may import when they are loaded. One way only: no room sees
#: one that sees it. What is imported when a function is called does not count.
SEES: dict[str, set[str]] = {
    "errors": set(),
    "closing": set(),
    "policy": {"errors"},
    "tables": {"errors"},
    # of runtime its clock, which knows nothing of sessions
    "audio": {"closing", "runtime", "errors"},
    "events": {"errors"},
    "core": {"events", "errors"},
    "runtime": {"core", "events", "policy", "errors"},
    # of runtime its threads, which know nothing of sessions
    "tools": {"tables", "runtime", "events", "errors"},
    "routing": {"tables", "tools", "events", "errors"},
    "images": {"errors"},
    "items": {"images", "audio", "events", "errors"},
    "history": {"items", "events", "errors"},
    "response": {"runtime", "core", "events", "errors"},
    "streams": {"closing", "response", "runtime", "core", "events", "errors"},
    "recording": {"closing", "runtime", "errors"},
    "listening": {"streams", "runtime", "core", "events", "errors"},
    "opening": {"history", "items", "runtime", "events", "errors"},
    "configuration": {
        *("tables", "opening", "history", "policy", "tools", "runtime", "events", "errors"),
    },
    "resources": {
        *("opening", "response", "history", "items", "images", "tools", "audio"),
        *("routing", "runtime", "core", "events", "errors"),
    },
    "living": {"listening", "opening", "policy", "runtime", "core", "events", "errors"},
    "asking": {
        *("resources", "living", "listening", "streams", "response", "items", "images"),
        *("runtime", "core", "events", "errors"),
    },
    "calling": {
        *("asking", "living", "resources", "response", "runtime", "core", "events", "errors"),
    },
    "speaking": {"calling", "runtime", "core", "events", "errors"},
    "voice": {"response", "audio", "runtime", "core", "events", "errors"},
    "session": {
        *(
            "speaking",
            "asking",
            "living",
            "resources",
            "listening",
            "opening",
            "streams",
            "response",
            "items",
        ),
        "policy",
        *("routing", "tools", "audio", "runtime", "core", "events", "errors"),
    },
    "upload": {"runtime", "core", "events", "errors"},
    "transcription": {
        *("upload", "living", "resources", "opening", "policy"),
        *("runtime", "core", "events", "errors"),
    },
    "translation": {
        *("living", "resources", "streams", "opening", "policy"),
        *("runtime", "core", "events", "errors"),
    },
    # what people hold calls it to show itself; of runtime its clock
    "notebook": {"audio", "runtime", "errors"},
    "gui": {"runtime", "errors"},
    "telemetry": {"living", "recording", "runtime", "core", "events", "errors"},
    "rest": {"closing", "opening", "tools", "runtime", "events", "errors"},
    "plugin": set(),  # not even what is above it: see its docstring
    "text": {
        *("session", "calling", "resources", "opening", "response", "history", "items", "images"),
        *("tools", "runtime", "core", "events", "errors"),
    },
    "local": {"audio", "events", "errors"},
    "batch": {"closing", "living", "configuration", "tools", "runtime", "core", "errors"},
    "cli": {
        *("session", "voice", "local", "audio", "tools", "recording", "response", "events"),
        *("batch", "configuration", "runtime", "errors"),
    },
    "__main__": {"cli"},
    "__init__": set(),
}

#: Third party -> where it may be imported, at whatever level.
HOMES: dict[str, tuple[str, ...]] = {
    "websocket": ("runtime/transport.py",),
    "numpy": ("audio/",),
    "soxr": ("audio/rates.py",),
    "soundfile": ("audio/libsndfile.py",),
    "pyaudio": ("audio/pyaudiobackend.py",),
    "sounddevice": ("audio/sounddevicebackend.py",),
    "livekit": ("voice/cancelling.py",),
    "websockets": ("local/",),
    "opentelemetry": ("telemetry/",),
    "PySide6": ("gui.py",),
    "ipywidgets": ("notebook/pushtotalk.py",),
    "python_socks": ("runtime/dial.py",),
    "tomli": ("tables.py",),
    "PIL": ("images.py",),
    "espeakng_loader": ("local/speech.py",),
    "distributed": ("batch/pool.py",),
    "pyarrow": ("batch/parquet.py",),
    "pytest": ("plugin.py",),
    "rich": ("cli/",),
    "click": ("cli/",),
    "openai": ("text/", "rest/"),
    "pydantic": ("events/", "tools/", "local/", "rest/"),
    "pydantic_core": ("events/", "tools/"),
    "docstring_parser": ("tools/docstring.py",),
    "pybase64": (
        "events/",
        "items.py",
        "images.py",
        "resources/buffer.py",
        "resources/saved.py",
        "resources/spoken.py",
        "local/",
    ),
}

#: The same for two modules of the standard library: threads live where they are looked for.
THREADS = (
    "runtime/",
    "tools/",
    "audio/",
    "voice/",
    "resources/saved.py",
    "recording/recorder.py",
    "batch/",
    "notebook/pushtotalk.py",
    "text/link.py",
    "text/assistants.py",
    "local/net.py",
    "local/asking.py",
    "local/chatmodel.py",
    "local/speech.py",
)

#: Functions above 60 lines, and why.
LONG_FUNCTIONS = {
    "session.py:__init__": "a parameter a field of the configuration, by contract",
}


def room_of(name: str) -> str:
    return name.partition("/")[0].removesuffix(".py")


def trees() -> Iterator[tuple[str, ast.Module]]:
    for name, path in zip(NAMES, FILES, strict=True):
        yield name, ast.parse(path.read_text(encoding="utf-8"), name)


def imports(tree: ast.AST, *, nested: bool) -> Iterator[ast.Import | ast.ImportFrom]:
    """Import statements; only those that run when the module is loaded, unless `nested`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            for other in node.orelse:
                yield from imports(other, nested=nested)
        elif nested or not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            yield from imports(node, nested=nested)


def targets(name: str, node: ast.Import | ast.ImportFrom) -> list[str]:
    """What it imports, as absolute dotted names."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not node.level:
        return [f"{node.module}.{alias.name}" for alias in node.names]
    place = ["realtime_sync", *Path(name).parts[:-1]]
    base = place[: len(place) - node.level + 1] + ([node.module] if node.module else [])
    return [".".join([*base, alias.name]) for alias in node.names]


def test_the_law_knows_every_room() -> None:
    """Every room and module has its line in the table."""
    assert {room_of(name) for name in NAMES} <= set(SEES)


def test_the_law_has_no_circles() -> None:
    """No room sees one that sees it, however far round."""
    left = {room: set(seen) for room, seen in SEES.items()}
    while left:
        free = {room for room, seen in left.items() if not seen & set(left)}
        assert free, f"a circle among {sorted(left)}"
        left = {room: seen for room, seen in left.items() if room not in free}


def test_imports_run_one_way() -> None:
    """No module imports, when it is loaded, from a room that its own may not see."""
    broken = []
    for name, tree in trees():
        room = room_of(name)
        for node in imports(tree, nested=False):
            for target in targets(name, node):
                parts = target.split(".")
                if parts[0] != "realtime_sync" or len(parts) < 2:
                    continue
                if parts[1] not in SEES[room] | {room} and parts[1] in SEES:
                    broken.append(f"{name}:{node.lineno} imports {target}")
    assert broken == []


def test_third_parties_have_one_home() -> None:
    """Each package is imported in its one home, and what is no dependency nowhere."""
    broken = []
    known = {*sys.stdlib_module_names, "tomllib", "realtime_sync"}  # tomllib: from 3.11 on
    for name, tree in trees():
        for node in imports(tree, nested=True):
            for target in targets(name, node):
                package = target.partition(".")[0]
                if package not in known and not name.startswith(HOMES.get(package, ("nowhere",))):
                    broken.append(f"{name}:{node.lineno} imports {package}")
    assert broken == []


def test_threads_have_their_rooms() -> None:
    """threading and queue are used where threads are looked for, and nowhere else."""
    broken = [
        f"{name}:{node.lineno}"
        for name, tree in trees()
        for node in imports(tree, nested=True)
        for target in targets(name, node)
        if target.partition(".")[0] in ("threading", "queue", "_thread", "asyncio")
        and not name.startswith(THREADS)
    ]
    assert broken == []


def test_every_module_opens_with_its_law() -> None:
    """Every module has a docstring whose first line is a sentence."""
    broken = []
    for name, tree in trees():
        law = ast.get_docstring(tree)
        first = law.splitlines()[0] if law else ""
        if not first.rstrip("`").endswith((".", ":", ";", ",")) or "to be written" in first.lower():
            broken.append(f"{name}: {first!r}")
    assert broken == []


def test_the_map_names_every_room() -> None:
    """The docstring of the package is the map: it names every room and public module."""
    law = realtime_sync.__doc__ or ""
    shown = {room for room in SEES if f"`{room}`" in law}
    assert shown >= {room_of(name) for name in NAMES} - {"__init__", "__main__"}


def test_file_names() -> None:
    """A file is a noun, without underscores."""
    broken = [name for name in NAMES if "_" in Path(name).stem.strip("_")]
    assert broken == []


def test_length_of_files() -> None:
    """No file has more than 400 lines."""
    counts = {
        name: len(path.read_text(encoding="utf-8").splitlines())
        for name, path in zip(NAMES, FILES, strict=True)
    }
    assert {name: count for name, count in counts.items() if count > 400} == {}


def functions(node: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for child in ast.walk(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield child


def test_length_of_functions() -> None:
    """No function has more than 60 lines, docstring aside, but for those that are listed."""
    long = set()
    for name, tree in trees():
        for function in functions(tree):
            first = function.body[0]
            said = 0
            if ast.get_docstring(function) is not None:
                said = (first.end_lineno or 0) - first.lineno + 1
            if (function.end_lineno or 0) - function.lineno + 1 - said > 60:
                long.add(f"{name}:{function.name}")
    assert long == set(LONG_FUNCTIONS)


def test_no_test_folder_hides_another() -> None:
    """Folders of tests are packages, so that two files may have one name."""
    tests = Path(__file__).parent
    folders = {path.parent for path in tests.rglob("test_*.py")} - {tests}
    assert [str(one) for one in folders if not (one / "__init__.py").exists()] == []


# --- what is loaded


def loaded(code: str) -> set[str]:
    """Top-level packages that are loaded after `code`, in a fresh interpreter."""
    script = f"{code}\nimport sys; print(*{{name.partition('.')[0] for name in sys.modules}})"
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    # -X dev and the test runner may bring their own: what an empty program loads does not count
    return set(ran.stdout.split()) - set(sys.stdlib_module_names)


@pytest.fixture(scope="module")
def empty() -> set[str]:
    """What an empty program loads."""
    return loaded("")


#: What websocket-client, pydantic and pybase64 bring along.
LIGHT = {
    *("realtime_sync", "websocket", "pydantic", "pydantic_core", "pybase64"),
    *("annotated_types", "typing_extensions", "typing_inspection", "wsaccel"),
}


@pytest.mark.parametrize(
    ("code", "allowed"),
    [
        ("import realtime_sync", {"realtime_sync"}),
        ("from realtime_sync import RealtimeSession; RealtimeSession(api_key='x')", LIGHT),
        ("import realtime_sync; dir(realtime_sync)", {"realtime_sync"}),
    ],
)
def test_what_is_loaded(code: str, allowed: set[str], empty: set[str]) -> None:
    """Importing loads no third party; making a session loads the light ones only."""
    found: Any = {name for name in loaded(code) - empty if not name.startswith("_")}
    assert found <= allowed
