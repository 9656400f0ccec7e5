"""The `edge-app` command: catches signals first, then loads the rest."""

from __future__ import annotations

import sys

from edge_app.system import process


def main() -> None:
    """Run the command line and end the process with its exit code."""
    process.leave_current_folder()
    process.open_standard_streams()
    stop = process.stop_on_signals()  # Before the slow imports, so that Ctrl-C during them ends cleanly too.
    if "--service" in sys.argv:
        process.put_off_hangups()
    process.put_off_collection()
    from edge_app import cli
    from edge_app.service import journal

    journal.report_every_crash()
    process.leave(cli.main(sys.argv[1:], stop))


if __name__ == "__main__":
    main()
