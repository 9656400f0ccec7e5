"""Saves a training after every epoch, and resumes it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch

from edge_app.errors import RunError, StartError
from edge_app.system import files


class Part(Protocol):
    """Anything with a state to save: a network or an optimiser."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state."""

    def load_state_dict(self, state: dict[str, Any]) -> Any:
        """Set the state."""


class Checkpoint:
    """A file that is replaced atomically: a crash or a full disk leaves the previous one.

    Args:
        path: path of the file.
        identity: facts that define the training; a checkpoint with other facts is refused.

    Attributes:
        history: loss and validation accuracy of each finished epoch.
    """

    def __init__(self, path: Path, identity: Mapping[str, Any]) -> None:
        self._path, self._identity = path, dict(identity)
        self.history: list[dict[str, float]] = []

    def load(self, parts: Mapping[str, Part]) -> int:
        """Restore the parts and return the number of finished epochs, 0 without a file.

        Raises:
            StartError: the file is damaged, or belongs to another training.
        """
        if not self._path.exists():
            return 0
        try:
            # A checkpoint is a pickle: without weights_only, one from elsewhere could run any code.
            kept = torch.load(self._path, map_location="cpu", weights_only=True)
            identity, states, history = kept["identity"], kept["states"], kept["history"]
        # Not damaged: the advice below, --restart, would throw away a good training.
        except PermissionError as error:
            raise StartError(
                f"checkpoint {self._path} cannot be read: {error.strerror}",
                "let this user read it, or name another --out",
            ) from error
        except Exception as error:  # torch documents none: zip, pickle, key, runtime and OS errors occur
            raise StartError(
                f"checkpoint {self._path} cannot be read: damaged ({type(error).__name__})", "start over with --restart"
            ) from error
        different = [name for name in self._identity if identity.get(name) != self._identity[name]]
        if different:
            was = ", ".join(f"{name} {identity.get(name)}" for name in different)
            now = ", ".join(f"{name} {self._identity[name]}" for name in different)
            raise StartError(
                f"{self._path} belongs to another training ({was}, not {now})",
                "name another --out, or start over with --restart",
            )
        try:
            for name, part in parts.items():
                part.load_state_dict(states[name])
        except (KeyError, RuntimeError, ValueError) as error:
            raise StartError(
                f"{self._path} belongs to a network of another shape", "start over with --restart"
            ) from error
        self.history = history
        return len(self.history)

    def save(self, parts: Mapping[str, Part], figures: dict[str, float]) -> None:
        """Save the parts after one more epoch.

        Raises:
            RunError: the file cannot be written; the previous one remains.
        """
        self.history.append(figures)
        states = {name: part.state_dict() for name, part in parts.items()}
        try:
            with files.replacing(self._path) as (file,):
                torch.save({"identity": self._identity, "states": states, "history": self.history}, file)
        except (OSError, RuntimeError) as error:  # torch turns a failed write into a RuntimeError
            raise RunError(
                f"cannot save the training to {self._path}: {getattr(error, 'strerror', None) or error}",
                f"epoch {len(self.history) - 1} is kept, the same command resumes from there",
            ) from error

    def remove(self) -> None:
        """Delete the file: the training is finished, or starts over."""
        self._path.unlink(missing_ok=True)
