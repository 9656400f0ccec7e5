"""Capture and classify, and show or log the results, until stopped."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

from edge_app import commands
from edge_app.commands._model import load
from edge_app.settings import command_line

if TYPE_CHECKING:
    from edge_app.settings.flags.run import Run


def run(settings: Run, stop: threading.Event) -> int:
    """Run `edge-app run`."""
    from edge_app.service import session

    def reread() -> Run:
        # The command line is parsed again too: its flags must still win over the changed settings file.
        found: Run = command_line.settle(command_line.parse(sys.argv[1:], commands.TABLE))
        _look_at_doors(found)
        return found

    _look_at_doors(settings)
    return session.run(settings, stop, reread, load)


def _look_at_doors(settings: Run) -> None:
    if settings.service:
        from edge_app.service import doors

        doors.warn(settings)
