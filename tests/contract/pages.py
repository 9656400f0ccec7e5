"""What is kept of an answer: of values their types, of a page of help its flags, of a JSON schema its names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any


def shape(value: Any) -> Any:
    """Return a structure with its values replaced by their types; of a list, the different shapes of its entries."""
    if isinstance(value, dict):
        return {key: shape(part) for key, part in value.items()}
    if isinstance(value, list):
        shapes: list[Any] = []
        for entry in map(shape, value):
            if entry not in shapes:
                shapes.append(entry)
        return shapes
    return {bool: "true or false", int: "integer", float: "number", str: "text"}.get(type(value), "null")


def flags(page: str) -> dict[str, str]:
    """Read the flags and positional arguments from a page of help, each with the value it takes and its default.

    The words that explain them are left out.
    """
    found = {}
    for entry in re.split(r"\n  (?=\S)", page):
        if not re.match(r"-|[A-Z]+\s", entry):
            continue
        named, _, explained = re.sub(r"\s{2,}", "  ", entry.partition("\n\n")[0]).partition("  ")
        flag, _, value = named.removeprefix("-h, ").partition(" ")
        default = re.search(r"\(default: (.*?)\)", explained)
        words = re.findall(r"[\w.-]+", default[1]) if default else []
        found[flag] = value + (f" = {' '.join(words)}" if words and words != ["True"] else "")
    return found


def commands(page: str) -> list[str]:
    """Read the names of the commands from a page of help."""
    braces = re.search(r"\nsubcommands:\n\s+\{(.*?)\}", page)
    return braces[1].split(",") if braces else []


def fields(schema: Mapping[str, Any], part: Any = None) -> Any:
    """Return the names of the properties a JSON schema allows, nested; a `?` follows those that may be missing."""
    part = schema if part is None else part
    if not isinstance(part, dict):  # true, false: anything, nothing
        return {}
    while "$ref" in part:
        part = schema["$defs"][part["$ref"].rpartition("/")[2]]
    branches = [part, *part.get("anyOf", ()), *part.get("oneOf", ())]
    found: dict[str, Any] = {}
    for branch in branches:
        if branch is not part or "$ref" in branch:
            found |= {name: part for name, part in fields(schema, branch).items() if name.strip("?") not in found}
        for key, below in branch.get("properties", {}).items():
            found[key + ("" if key in branch.get("required", ()) else "?")] = fields(schema, below)
        for inner, mark in (("items", "[]"), ("additionalProperties", "*")):
            if isinstance(branch.get(inner), dict) and (below := fields(schema, branch[inner])):
                found[mark] = below
    return found
