"""How Sphinx builds the documentation: python -m sphinx -W docs docs/build."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]  # this checkout's package, and the directives

import realtime_sync  # noqa: E402

project = "realtime_sync"
author = "the realtime_sync developers"
copyright = "the realtime_sync developers; MIT"
release = version = realtime_sync.__version__

extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "directives"]
exclude_patterns = ["build"]
html_theme = "furo"
html_title = f"realtime_sync {version}"
html_copy_source = False
html_static_path = ["static"]
html_css_files = ["pages.css"]
#: Docstrings have names in single backticks: a link where there is something to link to.
default_role = "name"
highlight_language = "python"
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
# a type in a signature may be named like attributes of ours: `type`
suppress_warnings = ["ref.python"]
html_theme_options = {
    variables: {"code-font-size": "75%"}  # a hundred characters have room
    for variables in ("light_css_variables", "dark_css_variables")
}
autodoc_preserve_defaults = True
autodoc_class_signature = "mixed"
napoleon_use_rtype = False
python_maximum_signature_line_length = 88
python_use_unqualified_type_names = True
