"""The grammar of the command line: each command is a record, its fields the flags, its docstring the help.

Which record belongs to which command is said by the table in `edge_app.commands`. A record's first line is what the
list of commands shows.
"""

from __future__ import annotations

from edge_app.settings.flags._base import Positional

__all__ = ["Positional"]
