"""The commands as records: a record's fields are the flags, its docstring is the help.

The table in `edge_app.commands` assigns records to commands. The first line of a record's docstring is the summary in
the list of commands.
"""

from __future__ import annotations

from edge_app.settings.flags._base import Positional

__all__ = ["Positional"]
