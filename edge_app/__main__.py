"""The `edge-app` command: take hold of the signals, then load the rest."""

from __future__ import annotations

import sys

from edge_app import service


def main() -> None:
    """Run the command line and end the process with its exit code."""
    service.open_standard_streams()
    stop = service.stop_on_signals()  # First of all: Ctrl-C during the slow imports below shall be clean too.
    service.put_off_collection()
    from edge_app import cli

    service.leave(cli.main(sys.argv[1:], stop))


if __name__ == "__main__":
    main()
