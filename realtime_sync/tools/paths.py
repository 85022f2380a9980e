"""Functions by their dotted path: "package.module:name". Knows no tool.

One spelling everywhere: in files of configuration, of `batch`, and on the command line.
"""

from __future__ import annotations

import importlib
import re
import traceback
from typing import Any, Final

from ..errors import ConfigurationError
from ..tables import nearest

__all__ = ["resolved"]

_SHAPE: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")


def resolved(path: Any) -> Any:
    """What a dotted path such as "shop.tools:price" names; everything else as it is.

    Imports its module.

    Raises:
        ConfigurationError: There is no such thing; says whether it is the module, what the module
            needs, or the name.
    """
    if not isinstance(path, str):
        return path
    if not _SHAPE.fullmatch(path):
        raise ConfigurationError(f'{path!r} is no dotted path: "package.module:name" is needed')
    module, _, names = path.partition(":")
    found = _imported(path, module)
    for name in names.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            raise ConfigurationError(
                f"{path!r}: there is no {name!r} in {module}; {nearest(name, _own(found, module))}"
            ) from None
        except Exception as exc:  # a module may have a __getattr__, an object properties
            raise _broken(path, module, exc) from exc
    return found


def _own(found: Any, module: str) -> list[str]:
    """Public names of a module's own functions and objects, without what it imports."""
    names = [one for one in dir(found) if not one.startswith("_")]
    return [one for one in names if getattr(getattr(found, one), "__module__", module) == module]


def _imported(path: str, module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as exc:
        if exc.name is not None and f"{module}.".startswith(f"{exc.name}."):
            raise ConfigurationError(
                f"{path!r} cannot be imported: there is no module {exc.name!r} where Python looks; "
                "install it, or see that its folder is on sys.path"
            ) from exc
        raise _broken(path, module, exc) from exc
    except (Exception, SystemExit) as exc:  # whatever a module raises; a script may exit
        raise _broken(path, module, exc) from exc


def _broken(path: str, module: str, error: BaseException) -> ConfigurationError:
    """The module is there, and raises when it is imported; says where."""
    if isinstance(error, SyntaxError):
        where = f"{error.filename or module}, line {error.lineno or 1}"
        said = error.msg
    else:
        frames = traceback.extract_tb(error.__traceback__)
        # behind the last one of a file there may be those of the import system
        last = next(one for one in reversed(frames) if not one.filename.startswith("<frozen "))
        where, said = f"{last.filename}, line {last.lineno}", str(error)
    kind = type(error).__name__
    return ConfigurationError(
        f"{path!r} cannot be imported: {module} raises {kind}: {said} ({where}); mend that first"
    )
