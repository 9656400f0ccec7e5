"""Write docs/results.schema.json and the table of docs/results.md: tools/results_reference.py [--check]."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from edge_app.sinks.log import fields
from edge_app.system import files

DOCS = Path(__file__).parent.parent / "docs"
TABLE = re.compile(r"^\| field \|.*?\n(?!\|)", re.MULTILINE | re.DOTALL)


def with_table(page: str) -> str:
    """Return a page with an up-to-date table of fields.

    Raises:
        ValueError: the page has no such table, or several.
    """
    changed, count = TABLE.subn(lambda _: fields.table(), page)
    if count != 1:
        raise ValueError(f"{count} tables that begin with '| field |' instead of one")
    return changed


def main() -> None:
    """Write files that are out of date, or fail if there are any."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file is not up to date")
    is_checking = parser.parse_args().check
    page, schema = DOCS / "results.md", DOCS / "results.schema.json"
    for path, content in ((page, with_table(page.read_text("utf-8"))), (schema, fields.json_schema())):
        if path.read_text("utf-8") == content:
            continue
        if is_checking:
            sys.exit(f"{path} does not match edge_app/sinks/log/fields.py")
        files.write(path, content)


if __name__ == "__main__":
    main()
