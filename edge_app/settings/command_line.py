"""From the words of the command line to checked settings: flags over environment over file over defaults."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import CliSettingsSource
from pydantic_settings.exceptions import SettingsError

from edge_app.errors import UsageError
from edge_app.settings import flags, layers, sections
from edge_app.settings.flags import Group
from edge_app.system.masking import masked

# What a value is called in the help, by the name of its type.
_METAVARS = {
    "str": "TEXT",
    "int": "N",
    "float": "X",
    "Path": "FILE",
    "list[str]": "NAME",
    "list[int]": "N",
    "list[Path]": "FILE",
}
# What it is called where the type does not tell.
_METAVARS_OF_FLAGS = {
    "--sink": "NAME[:ARGUMENT]",
    "--size": "WIDTHxHEIGHT",
    "--data": "PATH",
    "--out": "FOLDER",
    "--pictures": "FOLDER",
    "--wheels": "FOLDER",
    "--from": "PATH",
}
_EMPTY_DEFAULTS = (" (default: None)", " (default: [])", " (default: False)")


def _add_argument(parser: Any, *names: str, **details: Any) -> Any:
    """Add a flag with a readable name for its value, and without a default that says nothing."""
    metavar = str(details.get("metavar"))
    if metavar in _METAVARS:
        is_text = metavar in ("str", "Path", "list[str]", "list[Path]")
        details["metavar"] = (is_text and _METAVARS_OF_FLAGS.get(names[-1])) or _METAVARS[metavar]
    elif metavar.startswith("list["):  # of a few words
        details["metavar"] = metavar.removeprefix("list[").removesuffix("]")
    if details.get("action") == "append":  # --model a b as well as --model a --model b
        details |= {"action": "extend", "nargs": "+"}
    for empty in _EMPTY_DEFAULTS:
        details["help"] = (details.get("help") or "").replace(empty, "")
    return parser.add_argument(*names, **details)


def _add_parser(subparsers: Any, name: str, **details: Any) -> Any:
    """Add a command; the list of commands shows the first line of its help, the command's own help all of it."""
    details["help"] = (details.get("help") or "").strip().partition("\n")[0]
    return subparsers.add_parser(name, **details)


def parse(arguments: Sequence[str]) -> tuple[str, type[Group], dict[str, Any]]:
    """Read the command line.

    Returns:
        Name of the command ("models show"), its class, and the flags given, unchecked; ("", App, ...) for none.

    Raises:
        SystemExit: with 0 after printing help.
        UsageError: a word or flag does not exist, lacks its value, or has one with brackets that do not match.
    """
    # Only the parser of this command is built: those of all take longer than loading the model.
    words = [word for word in arguments[:1] if word in flags.WORDS]
    kind = flags.of(*words)
    try:
        given: dict[str, Any] = CliSettingsSource[Any](
            kind,
            cli_prog_name=" ".join(["edge-app", *words]),
            cli_parse_args=_with_values(arguments[len(words) :]),
            cli_exit_on_error=False,  # argparse would quote passwords
            add_argument_method=_add_argument,
            add_parser_method=_add_parser,
        )()
    except SettingsError as error:
        words += [word for word in arguments[len(words) :][:1] if word in subcommands(kind)]
        help_ = f"see '{' '.join(['edge-app', *words])} --help'"
        raise UsageError(_explained(str(error), arguments), help_) from error
    while True:
        chosen = [name for name, value in given.items() if name in subcommands(kind) and isinstance(value, dict)]
        if not chosen:
            return " ".join(words), kind, {k: v for k, v in given.items() if k not in subcommands(kind)}
        words.append(chosen[0])
        kind, given = subcommands(kind)[chosen[0]], given[chosen[0]]


def _with_values(arguments: Sequence[str]) -> list[str]:
    """Return the words, `--crop -5,0,10,10` as `--crop=-5,0,10,10`: argparse takes -5,0,10,10 for an unknown flag."""
    joined: list[str] = []
    for word in arguments:
        follows_flag = bool(joined) and joined[-1].startswith("--") and "=" not in joined[-1] and "--" not in joined
        if follows_flag and _NEGATIVE.match(word) and not _NUMBER.fullmatch(word):
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


_NEGATIVE = re.compile(r"-\.?\d")  # No flag begins like a negative number.
_NUMBER = re.compile(r"-(\d+|\d*\.\d+)")  # Argparse takes these for values by itself.


def _explained(message: str, arguments: Sequence[str]) -> str:
    """Return a parser's message in our words, and without the passwords in the words it quotes."""
    message = message.removeprefix("error parsing CLI: ")
    message = message.replace("Parsing error encountered for ", "cannot read the value of ")
    values = [word.partition("=")[2] if word.startswith("-") else word for word in arguments]
    for value in sorted(values, key=len, reverse=True):
        public = masked(value)
        # A password with a space in it is two words, and nothing but the @ behind the second gives it away.
        if public == value and "@" in value:
            public = f"***{value[value.rindex('@') :]}"
        if public != value:
            message = message.replace(value, public).replace(repr(value)[1:-1], public)
    return message


def settle(words: str, kind: type[Group], given: dict[str, Any]) -> Any:
    """Put flags over environment over file over defaults, and check the flags.

    Raises:
        ConfigError: file or environment are wrong.
        UsageError: a flag's value is wrong; all of them are named.
    """
    if not words:
        return kind.model_construct()
    # Not by name alone: `train` has a rate, a size and threads too, and they mean something else there.
    shared = [name for name, section in sections.SECTION_OF.items() if issubclass(kind, sections.SECTIONS[section])]
    settings = {}
    if shared:
        file = Path(given["config"]) if given.get("config") else None
        found = layers.load(file, for_service=bool(given.get("service")))
        settings = {name: found[name].value for name in shared}
    try:
        return kind.model_validate(settings | given)
    except ValidationError as error:
        problems = [_refused(detail) for detail in error.errors()]
        raise UsageError.together(problems, f"see 'edge-app {words} --help'") from error


def _refused(detail: Mapping[str, Any]) -> UsageError:
    what, remedy = layers.explain(detail)
    return UsageError(f"--{str(detail['loc'][0]).replace('_', '-')}: {what}", remedy)


def subcommands(kind: type[Group]) -> dict[str, type[Group]]:
    """Return a command's own commands by the word that chooses them."""
    found = {}
    for name, field in kind.model_fields.items():
        classes = [part for part in getattr(field.annotation, "__args__", ()) if isinstance(part, type)]
        if classes and issubclass(classes[0], Group):
            found[field.alias or name] = classes[0]
    return found
