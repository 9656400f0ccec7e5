"""Every error the package raises on purpose.

    EdgeAppError                    one clear line for the user, and the program's exit code
    ├── UsageError                  the command line asks for something that does not exist (2)
    ├── ConfigError                 settings file, environment or a missing dependency (78)
    │   ├── DependencyMissing       also ImportError: a package is not installed; names the extra
    │   └── ModelRefused            a model or its card cannot be used
    ├── StartError                  could not start for another reason (3)
    │   ├── SourceError             a source cannot be opened: absent, busy, no permission, unreadable
    │   └── DataError               a data set is missing or damaged
    └── RunError                    failed while running (1)
        ├── Interrupted             a signal stopped the work, which was undone; the program ends by that signal
        ├── CameraLost              the camera stopped; live sources reopen it
        ├── CameraHung              a capture call never returned: only a new process helps
        ├── PictureError            also ValueError: this one picture cannot be decoded
        │   └── CropOutside         the crop asked for lies outside this picture
        └── SinkError               also OSError: a result could not be delivered

Each has two texts: what failed, with the object it failed on, and what to try. No code parses a message.
CameraLost and PictureError may lack the second: the run handles them by reopening or with the next picture.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Self

from edge_app.secret import scrubbed

EXIT_OK = 0
EXIT_FAILED = 1
# argparse and shell builtins also use 2 for a wrong command line.
EXIT_USAGE = 2
EXIT_NO_START = 3
EXIT_CONFIG = 78  # EX_CONFIG in sysexits.h; the systemd unit does not restart after it


class EdgeAppError(Exception):
    """The base of all errors; its text is one line that a user can act on, without any known secret.

    Args:
        what: what failed, and on which object.
        remedy: what to try; empty if nothing can be done, or if another text says it.

    Attributes:
        exit_code: the program's exit code.
    """

    exit_code = EXIT_FAILED

    def __init__(self, what: str, remedy: str = "") -> None:
        what, remedy = scrubbed(what), scrubbed(remedy)  # Servers and libraries repeat what they were given.
        # One argument: a subclass of OSError would take two as its error number and text.
        between = "\n" if "\n" in what else "; "
        super().__init__(f"{what}{between}{remedy}" if remedy else what)
        self.what, self.remedy = what, remedy
        self._parts: tuple[EdgeAppError, ...] = ()

    @classmethod
    def together(cls, errors: Sequence[EdgeAppError], remedy: str = "") -> Self:
        """Return one error that reports several.

        Args:
            errors: each with its own remedy.
            remedy: what to try about all of them.
        """
        what = "\n".join(map(str, errors))
        # Joined here: for a single error the constructor would put the common remedy on that error's line.
        whole = cls(f"{what}\n{remedy}" if remedy else what)
        whole.what, whole.remedy, whole._parts = what, scrubbed(remedy), tuple(errors)
        return whole

    @property
    def each(self) -> tuple[EdgeAppError, ...]:
        """The errors reported together; most errors are alone and return just themselves."""
        return self._parts or (self,)

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines to show: one for each error, then what to try about all of them."""
        return tuple(str(self).split("\n"))


class UsageError(EdgeAppError):
    """The command line asks for something that does not exist."""

    exit_code = EXIT_USAGE


class ConfigError(EdgeAppError):
    """The settings file or the environment is wrong."""

    exit_code = EXIT_CONFIG


class DependencyMissing(ConfigError, ImportError):
    """A package this command needs is not installed."""


class ModelRefused(ConfigError):
    """A model file or its card cannot be used."""


class StartError(EdgeAppError):
    """The program could not start for a reason that may go away by itself."""

    exit_code = EXIT_NO_START


class SourceError(StartError):
    """A source cannot be opened."""


class DataError(StartError):
    """A data set is missing or damaged."""


class RunError(EdgeAppError):
    """Something failed while running."""


class Interrupted(RunError):
    """A signal stopped the work, which was undone."""


class CameraLost(RunError):
    """The camera stopped delivering; it may come back."""


class CameraHung(RunError):
    """A capture call never returned; only a new process helps."""


class PictureError(RunError, ValueError):
    """One picture cannot be decoded."""


class CropOutside(PictureError):
    """The crop asked for lies outside this picture."""


class SinkError(RunError, OSError):
    """A sink could not deliver a result."""


def one_line(error: BaseException) -> str:
    """Return the first line of another library's error, or its type if it has no text."""
    return next(filter(None, map(str.strip, str(error).splitlines())), type(error).__name__)


def closest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word most like a misspelt one; None if none is similar."""
    import difflib  # only when needed: it would add half a millisecond to every start

    return next(iter(difflib.get_close_matches(word, list(known), 1)), None)
