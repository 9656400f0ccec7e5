"""Merges settings: defaults < TOML file < environment; `command_line` adds the flags on top."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from edge_app.errors import ConfigError, closest, one_line
from edge_app.secret import know, masked, masked_value
from edge_app.settings.sections import SECTION_OF, SECTIONS
from edge_app.system import files

PREFIX = "EDGE_APP_"
# Variables with this prefix that are not settings: the settings file, the data set, how a child reports errors.
RESERVED = ("EDGE_APP_CONFIG", "EDGE_APP_CIFAR10", "EDGE_APP_ERRORS")

MOST_DEEP = 8  # a list of numbers in a section is four deep
LONGEST_SHOWN = 200  # characters of a wrong value in a message
_TOO_DEEP = "a settings file has sections, keys and values, and at most a list of values"


@dataclass(frozen=True, slots=True)
class Setting:
    """One value and its origin: "default", or the name of a file or a variable."""

    value: Any
    origin: str


def load(
    file: Path | None = None, environment: Mapping[str, str] = os.environ, for_service: bool = False
) -> dict[str, Setting]:
    """Read file and environment, and report all of their errors at once.

    Args:
        file: the settings file; default: the file in `EDGE_APP_CONFIG`, else the user's own if it exists.
        environment: the environment variables.
        for_service: start from the defaults of a service.

    Returns:
        Setting by field name, for every field of every section, defaults included.

    Raises:
        ConfigError: one line for each error, with what to try.
    """
    path = file or _usual_file(environment)
    know(str(path or ""), *(text for name, text in environment.items() if name.startswith(PREFIX)))
    problems: list[ConfigError] = []
    settings = {name: Setting(value, "default") for name, value in _defaults()}
    if for_service:
        settings |= {name: Setting(value, "default of the service") for name, value in _of_service(environment)}
    if path is not None:
        # Checked apart from the environment: a wrong value is reported even where a variable overrides it.
        settings |= _checked(_from_file(path, problems), problems)
    settings |= _checked(_from_environment(environment, problems), problems)
    if problems:
        raise ConfigError.together(problems)
    return settings


def _defaults() -> Iterator[tuple[str, Any]]:
    for section in SECTIONS.values():
        for name, field in section.model_fields.items():
            yield name, field.get_default()


def _of_service(environment: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    """Yield the defaults that differ in a service: nobody watches, and one line a frame would wear out an SD card."""
    yield "preview", "none"
    yield "log_when", "change"
    if environment.get("LOGS_DIRECTORY"):  # systemd.exec(5)
        # systemd separates several folders by colons.
        yield "log", str(Path(environment["LOGS_DIRECTORY"].split(":")[0], "results.jsonl"))


def _usual_file(environment: Mapping[str, str]) -> Path | None:
    if environment.get("EDGE_APP_CONFIG"):
        return Path(environment["EDGE_APP_CONFIG"])
    # Not Path.home(): without HOME it raises for a user who is missing from the password database.
    home = environment.get("XDG_CONFIG_HOME") or Path(environment.get("HOME", "/nonexistent"), ".config")
    path = Path(home, "edge-app", "config.toml")
    try:
        return path if path.is_file() else None
    except PermissionError:  # HOME may belong to another user, as it can in a service.
        return None


@dataclass(frozen=True, slots=True)
class _Raw:
    """An unchecked value, its origin, and its place as a message names it."""

    value: Any
    origin: str
    place: str


def _from_file(path: Path, problems: list[ConfigError]) -> dict[str, _Raw]:
    import tomllib  # Most runs have no file, and start faster without it.

    try:
        tables = tomllib.loads(files.read_small(path).decode("utf-8"))
    except OSError as error:
        problems.append(
            ConfigError(
                f"{path}: cannot be read: {error.strerror}", "name a file of at most 1 MiB that this user may read"
            )
        )
        return {}
    except ValueError as error:  # tomllib's own, a wrong encoding, or a number of too many digits
        # Some of Python's messages quote a key, which may be an address.
        problems.append(ConfigError(f"{path}: not TOML: {masked(one_line(error))}", "see toml.io for its rules"))
        return {}
    except RecursionError:
        problems.append(ConfigError(f"{path}: nested too deeply", _TOO_DEEP))
        return {}
    if _depth(tables) > MOST_DEEP:
        problems.append(ConfigError(f"{path}: nested too deeply", _TOO_DEEP))
        return {}
    masked_value(tables)  # A password in the wrong place is then kept out of later messages too.
    found: dict[str, _Raw] = {}
    for table, content in tables.items():
        if table not in SECTIONS or not isinstance(content, dict):
            problems.append(_unknown_table(path, table))
            continue
        for key, value in content.items():
            if key in SECTIONS[table].model_fields:
                found[key] = _Raw(value, str(path), f"{path}: [{table}] {key}")
            else:
                problems.append(_unknown_key(path, table, key))
    return found


def _depth(value: object) -> int:
    """Return how deeply lists and tables are nested; without recursion, of which Python has a limit."""
    depth, level = 0, [value]
    while level:
        level = [
            inner
            for outer in level
            if isinstance(outer, list | dict)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        depth += 1
    return depth


def _unknown_table(path: Path, name: str) -> ConfigError:
    if name in SECTIONS:
        return ConfigError(f"{path}: {name!r} is a section, not a value", f"write [{name}] and its keys below")
    if name in SECTION_OF:
        return ConfigError(f"{path}: {name!r} is outside its section", f"write it below [{SECTION_OF[name]}]")
    close = closest(name, SECTIONS)
    remedy = f"did you mean [{close}]?" if close else f"known: {_listed(SECTIONS)}"
    return ConfigError(f"{path}: unknown section [{masked(name)}]", remedy)


def _unknown_key(path: Path, table: str, key: str) -> ConfigError:
    if key in SECTION_OF:
        return ConfigError(f"{path}: [{table}] {key} is in the wrong section", f"write it below [{SECTION_OF[key]}]")
    close = closest(key, SECTIONS[table].model_fields) or closest(key, SECTION_OF)
    known = f"known: {_listed(SECTIONS[table].model_fields)}"
    remedy = f"did you mean [{SECTION_OF[close]}] {close}?" if close else known
    return ConfigError(f"{path}: unknown key [{table}] {masked(key)}", remedy)


def _listed(names: Mapping[str, Any]) -> str:
    return ", ".join(names)


def _from_environment(environment: Mapping[str, str], problems: list[ConfigError]) -> dict[str, _Raw]:
    known = {PREFIX + name.upper(): name for name in SECTION_OF}
    found: dict[str, _Raw] = {}
    for variable, text in sorted(environment.items()):
        if not variable.startswith(PREFIX) or variable in RESERVED:
            continue
        if variable in known:
            value = text.split() if known[variable] == "sink" else text
            found[known[variable]] = _Raw(value, variable, variable)
        else:
            close = closest(variable, known)
            remedy = f"did you mean {close}?" if close else "unset it"
            problems.append(ConfigError(f"unknown variable {masked(variable)}", remedy))
    return found


def _checked(raw: dict[str, _Raw], problems: list[ConfigError]) -> dict[str, Setting]:
    """Validate values section by section; append errors to `problems` and return the valid sections."""
    good: dict[str, Setting] = {}
    for section in SECTIONS.values():
        mine = {name: entry for name, entry in raw.items() if name in section.model_fields}
        if not mine:
            continue  # Building a validator that nothing needs costs more than the rest of this module.
        try:
            checked = section.model_validate({name: entry.value for name, entry in mine.items()})
        except ValidationError as error:
            problems += [_refused(mine[str(detail["loc"][0])].place, detail) for detail in error.errors()]
        else:
            good |= {name: Setting(getattr(checked, name), entry.origin) for name, entry in mine.items()}
    return good


def _refused(place: str, detail: Mapping[str, Any]) -> ConfigError:
    what, remedy = explain(detail)
    return ConfigError(f"{place}: {what}", remedy)


def explain(detail: Mapping[str, Any]) -> tuple[str, str]:
    """Return one of pydantic's errors as two texts: the wrong value, masked, and what is allowed."""
    message = str(detail["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    shown = repr(masked_value(detail["input"]))
    return f"{shown if len(shown) <= LONGEST_SHOWN else f'{shown[:LONGEST_SHOWN]}...'} is wrong", message
