"""The argparse parser of one command, made from the fields of its record."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NoReturn, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from edge_app.secret import Secret
from edge_app.settings.flags import Positional
from edge_app.settings.sections import Record
from edge_app.settings.values import Shown


class WrongLineError(Exception):
    """A command line that argparse refuses, with its message."""


class Parser(argparse.ArgumentParser):
    """The flags of one command. The parsed namespace holds only the flags that were typed."""

    def __init__(self, words: str, record: type[Record]) -> None:
        super().__init__(
            prog=f"edge-app {words}".strip(),
            description=inspect.cleandoc(record.__doc__ or ""),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            # A default in the namespace would look typed, and override the file and the environment.
            argument_default=argparse.SUPPRESS,
            # An abbreviation in a script would break as soon as a new flag begins alike.
            allow_abbrev=False,
        )
        for name, field in record.model_fields.items():
            _add_argument(self, field.alias or name, field)

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing: the message may quote a password, which `parse` masks."""
        raise WrongLineError(message.removeprefix("argument "))


@dataclass(frozen=True, slots=True)
class Kind:
    """The kind of value that a flag takes.

    Attributes:
        metavar: the name of a value in the help.
        is_list: the flag takes several values.
        is_text: any text is a valid value.
    """

    metavar: str
    is_list: bool
    is_text: bool


def flag(name: str) -> str:
    """Return a field's flag: `log_when` becomes `--log-when`."""
    return f"--{name.replace('_', '-')}"


def _add_argument(parser: argparse.ArgumentParser, name: str, field: FieldInfo) -> None:
    if any(isinstance(mark, Positional) for mark in field.metadata):
        several: dict[str, Any] = {"nargs": "+"} if kind(field).is_list else {}
        parser.add_argument(name, metavar=name.upper(), help=_help(field), **several)
    elif field.annotation is bool and field.default:
        parser.add_argument(flag(f"no_{name}"), action="store_false", dest=name, help=_help(field))
    elif field.annotation is bool:
        parser.add_argument(flag(name), action="store_true", dest=name, help=_help(field))
    else:
        value = kind(field)
        # Accept --model a b as well as --model a --model b.
        many: dict[str, Any] = {"action": "extend", "nargs": "+"} if value.is_list else {}
        parser.add_argument(flag(name), dest=name, metavar=value.metavar, help=_help(field), **many)


def kind(field: FieldInfo) -> Kind:
    """Return the kind of value that a field's flag takes."""
    return _kind_of(field.annotation, field.metadata)


def _help(field: FieldInfo) -> str:
    text, default = field.description or "", field.get_default()
    # None, [] and booleans have no value to print: their descriptions state the default where it matters.
    if not (field.is_required() or default is None or default == [] or isinstance(default, bool)):
        text += f" (default: {' '.join(map(str, default)) if isinstance(default, list) else default})"
    return text.replace("%", "%%")  # argparse formats help texts with %


_METAVARS: dict[Any, str] = {str: "TEXT", int: "N", float: "X", Path: "FILE"}


def _kind_of(annotation: Any, marks: Sequence[Any] = (), is_list: bool = False) -> Kind:
    """Return the kind of value that a type describes; `marks` is the metadata of its `Annotated`."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kind_of(parts[0], [*marks, *parts[1:]], is_list)
    if origin in (Union, UnionType):
        return _kind_of(next(part for part in parts if part is not NoneType), marks, is_list)
    if origin is list:
        return _kind_of(parts[0], marks, True)
    shown = [mark.metavar for mark in marks if isinstance(mark, Shown)]
    if origin is Literal:
        usual = f"{{{','.join(map(str, parts))}}}"
    else:
        usual = "NAME" if is_list and annotation is str else _METAVARS.get(annotation, "VALUE")
    return Kind(shown[0] if shown else usual, is_list, annotation in (str, Path, Secret))
