"""A session from a file: TOML or JSON in, the arguments of `RealtimeSession` out.

config     what a file says: `load_config`, `Config`
arguments  each key, read and checked
places     where to connect to: its tables
keys       that none stands in the file, and where they come from instead
"""

from __future__ import annotations

from .config import Config, load_config

__all__ = ["Config", "load_config"]
