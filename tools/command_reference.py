"""Print docs/commands.md: the --help of every command."""

from __future__ import annotations

import os
import subprocess
import sys

from edge_app import commands

WIDTH = "100"


def main() -> None:
    """Print the page."""
    print("# Commands\n\nMade by `make docs` from the commands' own `--help`.")
    for command in commands.TABLE:
        words = [sys.executable, "-I", "-m", "edge_app", *command.split(), "--help"]
        environment = os.environ | {"COLUMNS": WIDTH, "NO_COLOR": "1"}
        shown = subprocess.run(words, capture_output=True, text=True, check=True, env=environment).stdout
        print(f"\n## edge-app {command}".rstrip() + f"\n\n```text\n{shown.rstrip()}\n```")


if __name__ == "__main__":
    main()
