"""Unit files and drop-ins as systemd reads and writes them: systemd.syntax(7), systemd.unit(5)."""

from __future__ import annotations

import re
import shlex
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

Directives = Mapping[str, list[str]]
"""The values of a unit by directive, in their order."""


def read(unit: Path, folder: Path, without: Iterable[str] = ()) -> Directives:
    """Return the directives of a unit file and its drop-ins, as systemd merges them.

    Args:
        unit: the unit file.
        folder: of its drop-ins; those in /run, which last until the next boot, are read too.
        without: names of drop-ins to leave out.
    """
    found: dict[str, Path] = {}
    for place in (folder, Path("/run/systemd/system", folder.name)):
        for path in place.glob("*.conf"):
            found.setdefault(path.name, path)
    files = [unit, *(found[name] for name in sorted(found.keys() - set(without)))]
    return parse("\n".join(path.read_text("utf-8", "replace") for path in files if path.is_file()))


def parse(text: str) -> Directives:
    """Return the directives of a text; an empty value resets those before it."""
    found: dict[str, list[str]] = defaultdict(list)
    for line in text.replace("\\\n", " ").splitlines():
        name, is_assigned, value = (part.strip() for part in line.partition("="))
        if not is_assigned or name[:1] in ("#", ";", "["):
            continue
        if value:
            found[name].append(value)
        else:
            found[name] = []
    return found


def merge(units: Iterable[Directives]) -> Directives:
    """Return the directives of a unit and its drop-ins together; empty values reset nothing here."""
    found: dict[str, list[str]] = defaultdict(list)
    for name, values in (item for unit in units for item in unit.items()):
        found[name] += values
    return found


def variables(unit: Directives) -> dict[str, str]:
    """Return the environment that a unit sets, by itself or from files."""
    lines = [word for value in unit.get("Environment", []) for word in _split(value)]
    for path in map(Path, paths(unit, "EnvironmentFile")):
        if path.is_file():
            lines += [word for line in path.read_text("utf-8", "replace").splitlines() for word in _split(line)]
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def words(unit: Directives, name: str) -> list[str]:
    """Return the words of a directive, all of its values together."""
    return [word for value in unit.get(name, []) for word in value.split()]


def paths(unit: Directives, *names: str) -> list[str]:
    """Return the paths that some directives name, without prefixes and what follows a colon."""
    found = [word for name in names for value in unit.get(name, []) for word in _split(value)]
    return [word.lstrip("-+").partition(":")[0].replace("%%", "%") for word in found]


def is_on(unit: Directives, name: str) -> bool:
    """Return whether a directive such as ProtectHome= hides anything."""
    return unit.get(name, ["no"])[-1] in ("yes", "true", "on", "1", "tmpfs")


def quoted(text: str) -> str:
    """Return a text that `can_hold` accepts as one word of a directive."""
    text = text.replace("%", "%%")
    return f'"{text}"' if re.search(r"[^\w/.%+,@=-]", text) else text


def can_hold(path: str) -> bool:
    """Return whether every directive can name a path: their parsers disagree about escaping these characters."""
    return path.isprintable() and not set(path) & set("\"'\\:")


def _split(value: str) -> list[str]:
    try:
        return shlex.split(value)
    except ValueError:  # a quote without an end, in a drop-in of the user's
        return value.split()
