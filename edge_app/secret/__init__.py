"""Texts that may hold a password: shown masked by construction, and kept out of everything else that is said.

    Secret      a text of the settings; whatever prints, formats, logs, dumps or pickles it gets the masked text
    masked      shows a text of the user's that never became a setting, such as a word in the wrong place
    know        makes the secrets in such texts known, wherever they are used; `remember` one that is a text of its own
    scrubbed    takes the known secrets out of another text: a server's answer, a library's error, a traceback
    scrub_error takes them out of an exception and its causes

Every error of the package scrubs its texts, see `errors.EdgeAppError`; so do the log and the messages to systemd.
`masking` finds what is secret in a text, `_known` keeps it.
"""

from __future__ import annotations

from typing import Any, NoReturn, SupportsIndex

from edge_app.secret._known import know, masked, masked_value, remember, scrub_error, scrubbed

__all__ = ["Secret", "know", "masked", "masked_value", "remember", "scrub_error", "scrubbed"]


class Secret:
    """A text of the user's that may hold a password, such as the address of a camera; immutable.

    Only `reveal` returns it as it is. It is no `str`, so no text can be made of it by accident.

    Args:
        text: as the user wrote it.
        shown: what to show instead of the masked text.
    """

    __slots__ = ("_shown", "_text")
    _shown: str
    _text: str

    def __init__(self, text: str, shown: str | None = None) -> None:
        object.__setattr__(self, "_text", text)
        usual = masked(text)
        object.__setattr__(self, "_shown", scrubbed(usual if shown is None else shown))

    @classmethod
    def of(cls, text: Secret | str) -> Secret:
        """Return a text as a secret, and a secret as it is."""
        return text if isinstance(text, Secret) else cls(text)

    def reveal(self) -> str:
        """Return the text as the user wrote it: for whoever opens what it names, never for a message."""
        return self._text

    def __str__(self) -> str:
        """Return the text with its secrets masked."""
        return self._shown

    def __repr__(self) -> str:
        """Return the masked text like a str's repr."""
        return repr(self._shown)

    def __format__(self, spec: str) -> str:
        """Format the masked text."""
        return format(self._shown, spec)

    def __eq__(self, other: object) -> bool:
        """Compare with another secret."""
        return self._text == other._text if isinstance(other, Secret) else NotImplemented

    def __hash__(self) -> int:
        """Hash like the text."""
        return hash(self._text)

    def __bool__(self) -> bool:
        """Return whether the text is not empty."""
        return bool(self._text)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        """Refuse."""
        raise AttributeError("a secret is immutable")

    def __copy__(self) -> Secret:
        """Return itself: `__reduce_ex__` would lose the secret."""
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Secret:
        """Return itself."""
        return self

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        """Pickle the masked text: what is pickled leaves the process."""
        return Secret, (self._shown,)

    def __getstate__(self) -> None:
        """Return nothing: the default would hold the text."""
        return
