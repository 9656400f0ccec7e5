"""Secrets kept outside the settings: `{credential:NAME}` is one of systemd's LoadCredential=, `{file:/PATH}` a file.

A placeholder may stand anywhere in an address. Behind `://` its content is percent-encoded, so that a password needs no
escaping; before, as in a placeholder for a whole address, it is taken as it is. A { that is meant as one is %7B.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import quote

from edge_app.errors import ConfigError
from edge_app.secret import Secret, remember
from edge_app.system import files
from edge_app.system.wording import counted

MAX_BYTES = 4096  # Longer than any password or address; systemd allows a megabyte.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


def credential_names(text: str) -> tuple[str, ...]:
    """Return the names of systemd's credentials that a text refers to, each once, in order."""
    from edge_app.secret.masking import PLACEHOLDER

    names = (found.group(2) for found in PLACEHOLDER.finditer(text) if found.group(1) == "credential")
    return tuple(dict.fromkeys(names))


def filled(text: Secret, environment: Mapping[str, str] = os.environ) -> Secret:
    """Read the secrets that a text refers to, and return it with them; it still shows itself with the placeholders.

    Args:
        text: such as an address.
        environment: holds CREDENTIALS_DIRECTORY, which systemd sets.

    Raises:
        ConfigError: a file is missing, unreadable, empty, too large, or no text of one line. It is named, not quoted.
    """
    raw = text.reveal()
    if "{" not in raw:
        return text
    from edge_app.secret.masking import PLACEHOLDER  # rarely needed: its rules take longer to load than this module

    def content(found: re.Match[str]) -> str:
        kind, place = found.groups()
        path, shown = _PATHS[kind](place, environment)
        value = _read(path, shown)
        remember(value)
        return quote(value, safe="") if "://" in raw[: found.start()] else value

    return Secret(PLACEHOLDER.sub(content, raw), shown=str(text)) if PLACEHOLDER.search(raw) else text


def _of_credential(name: str, environment: Mapping[str, str]) -> tuple[Path, str]:
    shown = f"the credential {name!r}"
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{shown} has no name of a file", "write {credential:NAME}, with LoadCredential=NAME:/PATH")
    folder = environment.get("CREDENTIALS_DIRECTORY")
    if not folder:
        raise ConfigError(
            f"{shown} is not there: CREDENTIALS_DIRECTORY is not set",
            "systemd sets it where the unit has LoadCredential=, elsewhere set it to the folder of the file",
        )
    return Path(folder, name), shown


def _of_file(name: str, _: Mapping[str, str]) -> tuple[Path, str]:
    if not name.startswith("/"):
        raise ConfigError(f"{{file:{name}}} is no absolute path", "write {file:/PATH}")
    return Path(name), f"the secret in {name}"


_PATHS: dict[str, Callable[[str, Mapping[str, str]], tuple[Path, str]]] = {
    "credential": _of_credential,
    "file": _of_file,
}


def _read(path: Path, shown: str) -> str:
    try:
        data = files.read_small(path, MAX_BYTES)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise ConfigError(f"{shown} cannot be read: {path}: {_why(error)}", _PUT_IT_THERE) from None
    try:
        value = data.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        value = "\0"  # Not raised from here: the error would keep the content.
    if not value:
        raise ConfigError(f"{shown} is empty: {path}", _PUT_IT_THERE)
    if not value.isprintable():
        raise ConfigError(f"{shown} is not one line of text: {path}", _PUT_IT_THERE)
    return value


_PUT_IT_THERE = "put the secret into that file, alone, and let this user read it"


def _why(error: OSError | ValueError) -> str:
    if not isinstance(error, OSError):
        return "no name of a file"
    too_large = f"larger than {counted(MAX_BYTES, 'byte')}"
    return too_large if error.errno == errno.EFBIG else str(error.strerror)
