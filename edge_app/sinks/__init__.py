"""Sinks by name: every module here whose name has no leading underscore is a sink. See `_contract`."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil

from edge_app.errors import UsageError, closest
from edge_app.secret import Secret
from edge_app.sinks._contract import Destination, Sink
from edge_app.sinks._guard import Guard
from edge_app.system import credentials

__all__ = ["Destination", "Guard", "Sink", "check", "connect", "names"]


def names() -> list[str]:
    """Return the name of every sink."""
    # Lists files without importing them: a sink whose library is missing still has a name.
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))


def connect(text: Secret | str, destination: Destination) -> Sink:
    """Open the sink selected by `NAME` or `NAME:ARGUMENT`.

    Raises:
        UsageError: no sink has that name.
        ConfigError: a secret it refers to cannot be read, see `credentials`.
        StartError: the sink cannot be opened.
    """
    check(text)
    name, _, argument = credentials.filled(Secret.of(text)).reveal().partition(":")
    module = importlib.import_module(f"{__name__}.{name}")
    sink: Sink = module.connect(dataclasses.replace(destination, argument=Secret(argument)))
    return sink


def check(text: Secret | str) -> None:
    """Check that a sink has the name in `NAME` or `NAME:ARGUMENT`.

    Raises:
        UsageError: none has.
        ConfigError: a secret it refers to cannot be read, see `credentials`.
    """
    name = credentials.filled(Secret.of(text)).reveal().partition(":")[0]
    if name not in names():
        close = closest(name, names())
        hint = f"did you mean {close!r}?" if close else f"choose one of {', '.join(names())}"
        raise UsageError(f"no sink is called {str(Secret.of(text)).partition(':')[0]!r}", hint)
