"""Expectations kept in tests/fixtures/contract: compared on each run, and written anew when a change is intended.

    CONTRACT=write python -m pytest tests/contract
    git diff tests/fixtures/contract

Nothing in this folder imports the package, so that it goes on working however the package is rearranged.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent / "fixtures" / "contract"
WRITING = os.environ.get("CONTRACT") == "write"
WIDTH = 110


def kept(name: str) -> Any:
    """Return what is stored under a name; nothing if nothing is."""
    path = FOLDER / f"{name}.json"
    return json.loads(path.read_text("utf-8")) if path.exists() else {}


def check(name: str, found: Any) -> None:
    """Compare with what is stored, and name every difference; with CONTRACT=write, store it instead."""
    if WRITING:
        FOLDER.mkdir(exist_ok=True)
        (FOLDER / f"{name}.json").write_text(pretty(found) + "\n", "utf-8")
        return
    told = list(differences(kept(name), json.loads(json.dumps(found))))
    assert not told, "\n".join([f"{len(told)} differences from tests/fixtures/contract/{name}.json:", *told])


def differences(expected: Any, found: Any, path: str = "") -> Iterator[str]:
    """Yield a line for each place where two structures differ: the path to it, what was expected, what was found."""
    if isinstance(expected, dict) and isinstance(found, dict):
        yield from _differences_of_keys(expected, found, path)
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        for index, (old, new) in enumerate(zip(expected, found, strict=True)):
            yield from differences(old, new, f"{path}[{index}]")
    elif type(expected) is not type(found) or expected != found:
        yield f"  {path}: expected {json.dumps(expected)}, found {json.dumps(found)}"


def _differences_of_keys(expected: dict[str, Any], found: dict[str, Any], path: str) -> Iterator[str]:
    for key in expected:
        place = f"{path} -> {key}" if path else key
        if key in found:
            yield from differences(expected[key], found[key], place)
        else:
            yield f"  {place}: expected {json.dumps(expected[key])}, found nothing"
    for key in found:
        if key not in expected:
            yield f"  {path} -> {key}: expected nothing, found {json.dumps(found[key])}"
    common = [key for key in expected if key in found]
    if common != [key for key in found if key in expected]:
        yield f"  {path}: expected the order {', '.join(expected)}, found {', '.join(found)}"


def pretty(value: Any, indent: str = "") -> str:
    """Return JSON with one line for whatever fits on one."""
    line = json.dumps(value, ensure_ascii=False)
    if len(indent + line) <= WIDTH or not isinstance(value, dict | list) or not value:
        return line
    deeper = indent + "  "
    if isinstance(value, list):
        return "[\n" + ",\n".join(deeper + pretty(entry, deeper) for entry in value) + f"\n{indent}]"
    entries = (f"{deeper}{json.dumps(key, ensure_ascii=False)}: {pretty(part, deeper)}" for key, part in value.items())
    return "{\n" + ",\n".join(entries) + f"\n{indent}}}"
