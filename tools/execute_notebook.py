"""Execute a notebook and print the time of each cell: tools/execute_notebook.py FILE [--save].

--save writes the outputs to the file, except those of cells tagged "pictures", which show CIFAR-10.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError


def main() -> None:
    """Execute the notebook; exit with 1 if a cell fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebook", type=Path)
    parser.add_argument("--save", action="store_true", help="save the outputs that show no pictures")
    options = parser.parse_args()
    notebook = nbformat.read(options.notebook, as_version=4)
    begun_s = last_s = time.monotonic()

    def tell(cell: nbformat.NotebookNode, cell_index: int, execute_reply: object) -> None:
        nonlocal last_s
        now_s = time.monotonic()
        print(f"cell {cell_index}: {now_s - last_s:.1f} s  {cell.source.splitlines()[0][:70]}", flush=True)
        last_s = now_s

    client = NotebookClient(
        notebook, timeout=1200, resources={"metadata": {"path": options.notebook.parent}}, on_cell_executed=tell
    )
    try:
        client.execute()
    except CellExecutionError as error:
        raise SystemExit(str(error)) from None
    print(f"{options.notebook}: executed in {time.monotonic() - begun_s:.0f} s")
    if options.save:
        for cell in notebook.cells:
            cell.get("metadata", {}).pop("execution", None)
            if cell.cell_type == "code" and "pictures" in cell.metadata.get("tags", []):
                cell.outputs = []
        nbformat.write(notebook, options.notebook)


if __name__ == "__main__":
    main()
