"""From the command line to checked settings: flags over environment over file over defaults.

A command's parser is made from the fields of its record: the name becomes the flag, the description its help text, the
type the name of its value. argparse splits the line into flags and values; pydantic checks the values, because it
reports every wrong one, not only the first.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from edge_app.errors import UsageError, closest
from edge_app.secret import masked
from edge_app.settings import flags, layers
from edge_app.settings._parser import Parser, WrongLineError, flag, kind
from edge_app.settings.sections import SECTION_OF, SECTIONS, Record


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the table of commands.

    Attributes:
        record: its settings, "run:Run" for the class Run in settings/flags/run.py; imported only when needed.
        function: runs it, "run:run" for the function in commands/run.py; None if it only has subcommands.
        has_to_finish: a signal lets it finish or undo its work; it ends the other commands at once.
    """

    record: str
    function: str | None = None
    has_to_finish: bool = False

    def load(self) -> type[Record]:
        """Return the record's class."""
        module, _, name = self.record.partition(":")
        found: type[Record] = getattr(importlib.import_module(f"{flags.__name__}.{module}"), name)
        return found


Table = Mapping[str, Entry]
"""Each command's row by its words, such as "models show"; "" is edge-app itself."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A parsed command line whose values are not checked yet.

    Attributes:
        words: the command, such as "models show"; "" for edge-app itself.
        record: the class of its settings.
        given: the typed text by flag.
    """

    words: str
    record: type[Record]
    given: dict[str, Any]


def parse(arguments: Sequence[str], table: Table) -> Asked:
    """Parse the command line.

    Args:
        arguments: the words after the program's name.
        table: all commands.

    Raises:
        SystemExit: with 0 after printing help.
        UsageError: a command or flag does not exist, or a flag lacks its value.
    """
    words, rest = _command(arguments, table)
    inner = _inner(words, table)
    if inner and rest and not rest[0].startswith("-"):
        raise UsageError.together([_no_command(rest[0], inner)], _help(words))
    record = table[words].load()  # Not every command's: loading all records takes longer than loading the model.
    parser = Parser(words, record)
    if inner and (not rest or {"-h", "--help"} & {*rest}):
        _list_commands(parser, {name: table[longer] for name, longer in inner.items()})
    try:
        # Not parse_args: it refuses unknown flags itself, without a suggestion for each.
        found, unexpected = parser.parse_known_args(_with_values(rest))
    except WrongLineError as wrong:
        raise UsageError(_public(str(wrong), arguments), _help(words)) from wrong
    if unexpected:
        raise UsageError.together(_unknown(unexpected, parser), _help(words))
    if inner and not rest:
        parser.print_help()
        raise SystemExit(0)
    return Asked(words, record, _split(vars(found), record))


def settle(asked: Asked) -> Any:
    """Merge flags over environment over file over defaults, and check the flags.

    Returns:
        The command's settings, an instance of `asked.record`.

    Raises:
        ConfigError: the file or the environment is wrong.
        UsageError: flags have wrong values; the error names all of them.
    """
    # Compare sections, not names: in `train`, rate, size and threads mean something else.
    shared = [name for name, section in SECTION_OF.items() if issubclass(asked.record, SECTIONS[section])]
    settings = {}
    if shared:
        file = Path(asked.given["config"]) if asked.given.get("config") else None
        found = layers.load(file, for_service=bool(asked.given.get("service")))
        settings = {name: found[name].value for name in shared}
    try:
        return asked.record.model_validate(settings | asked.given)
    except ValidationError as error:
        problems = [_wrong(detail) for detail in error.errors()]
        raise UsageError.together(problems, _help(asked.words)) from error


def _wrong(detail: Mapping[str, Any]) -> UsageError:
    what, remedy = layers.explain(detail)
    return UsageError(f"{flag(str(detail['loc'][0]))}: {what}", remedy)


def _help(words: str) -> str:
    return f"see '{f'edge-app {words}'.strip()} --help'"


def _command(arguments: Sequence[str], table: Table) -> tuple[str, list[str]]:
    """Return the longest command at the beginning of the words, and the remaining words."""
    words, rest = "", [*arguments]
    # An empty word, once stripped, would match the command itself and vanish without an error.
    while rest and rest[0] and f"{words} {rest[0]}".strip() in table:
        words = f"{words} {rest.pop(0)}".strip()
    return words, rest


def _inner(words: str, table: Table) -> dict[str, str]:
    """Return a command's subcommands: the last word of each, and all of its words."""
    depth = len(words.split()) + 1
    return {
        longer.split()[-1]: longer
        for longer in table
        if longer and longer.split()[:-1] == words.split() and len(longer.split()) == depth
    }


def _no_command(word: str, known: Iterable[str]) -> UsageError:
    close = closest(word, known)
    hint = f"did you mean {close!r}?" if close else f"choose one of {', '.join(known)}"
    return UsageError(f"no command is called {_hidden(word)!r}", hint)


def _list_commands(parser: argparse.ArgumentParser, entries: Table) -> None:
    listed = parser.add_subparsers(title="subcommands", parser_class=argparse.ArgumentParser)
    for name, entry in entries.items():
        summary = inspect.cleandoc(entry.load().__doc__ or "").partition("\n")[0]
        listed.add_parser(name, help=summary.replace("%", "%%"))


def _split(given: dict[str, Any], record: type[Record]) -> dict[str, Any]:
    """Return the values with `--threads 1,2` split like `--threads 1 2`; a name may contain commas."""
    kinds = {field.alias or name: kind(field) for name, field in record.model_fields.items()}
    return {
        name: [part for word in value for part in word.split(",")]
        if isinstance(value, list) and not kinds[name].is_text
        else value
        for name, value in given.items()
    }


def _unknown(unexpected: Sequence[str], parser: argparse.ArgumentParser) -> list[UsageError]:
    """Return an error for each unknown flag, whose values the other words may be; without one, for the first word."""
    wrong = list(dict.fromkeys(word.partition("=")[0] for word in unexpected if word.startswith("-")))
    if not wrong:
        return [UsageError(f"unexpected word {_hidden(unexpected[0])!r}", "leave it out, or write its flag before it")]
    # A private attribute, because argparse has no public list of its flags.
    known = [name.removeprefix("--") for name in parser._option_string_actions if name.startswith("--")]
    found = []
    for word in wrong:
        close = closest(word.removeprefix("--"), known)
        # A value may be glued to a letter, as in -psecret.
        shown = _hidden(word) if close or word.startswith("--") else word[:2]
        found.append(UsageError(f"there is no flag {shown}", f"did you mean --{close}?" if close else "leave it out"))
    return found


def _with_values(arguments: Sequence[str]) -> list[str]:
    """Return the words with `--crop -5,0,10,10` as `--crop=-5,0,10,10`: argparse takes -5,0,10,10 for a flag."""
    joined: list[str] = []
    for word in arguments:
        follows_flag = bool(joined) and joined[-1].startswith("--") and "=" not in joined[-1] and "--" not in joined
        if follows_flag and _NEGATIVE.match(word) and not _NUMBER.fullmatch(word):
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


_NEGATIVE = re.compile(r"-\.?\d")  # No flag looks like this.
_NUMBER = re.compile(r"-(\d+|\d*\.\d+)")  # argparse already accepts these as values.


def _public(message: str, arguments: Sequence[str]) -> str:
    """Return the parser's message with the passwords masked in the words that it quotes."""
    values = [word.partition("=")[2] if word.startswith("-") else word for word in arguments]
    for value in sorted(values, key=len, reverse=True):  # A short word may be part of a longer one.
        public = _hidden(value)
        if public != value:
            message = message.replace(value, public).replace(repr(value)[1:-1], public)
    return message


def _hidden(word: str) -> str:
    """Return a word of the command line with its password masked.

    An unquoted space splits a password into two words; only the @ after the second shows that it is part of one.
    """
    is_half = "@" in word and ":" not in word[: word.index("@")]
    return masked(f"***{word[word.rindex('@') :]}" if is_half else word)
