"""Loads and runs an unknown model in a child process: a damaged file can crash the process that loads it."""

from __future__ import annotations

import sys
import threading

import numpy as np

from edge_app.errors import ConfigError, ModelRefused
from edge_app.model.runtime import (
    count_delegated,
    import_runtime,
    load_interpreter,
)
from edge_app.model.store import Model
from edge_app.settings.choices import DelegateName, RuntimeName
from edge_app.settings.sections import ModelOptions
from edge_app.system import children

_TRIAL_LIMIT_S = 60
_CHOOSE_ANOTHER = "copy it again from its origin, or choose another with --model"


def try_in_child(model: Model, options: ModelOptions, stop: threading.Event) -> None:
    """Load and run an unknown model in a child process.

    Raises:
        ModelRefused: it does not load, crashes, or does not finish.
    """
    # The child reads these bytes from standard input, not the file, which may have changed since it was checked.
    arguments = (str(model.path), options.runtime, options.delegate)
    outcome = children.call(f"{__name__}:run", arguments, stop, _TRIAL_LIMIT_S, model.content)
    if outcome.code is None:
        raise ModelRefused(
            f"{model.path} did not finish one inference in {_TRIAL_LIMIT_S} s, or the run was stopped", _CHOOSE_ANOTHER
        )
    if outcome.code < 0:
        raise ModelRefused(
            f"{model.path} crashes the runtime (signal {-outcome.code}): damaged or hostile", _CHOOSE_ANOTHER
        )
    if isinstance(outcome.error, ConfigError):
        raise outcome.error
    if outcome.error is not None:
        raise ModelRefused(f"{model.path} does not run: {outcome.error.what}", _CHOOSE_ANOTHER)


def run(path: str, runtime: RuntimeName, delegate: DelegateName) -> None:
    """Read a model from standard input, load it and run it once. Runs in the child.

    Args:
        path: path of the model, for messages.
        runtime: the package to use.
        delegate: whether XNNPACK may run its operators.

    Raises:
        DependencyMissing: no runtime is installed.
        ModelRefused: it does not load.
        ValueError, RuntimeError: it does not run; the message is the runtime's.
    """
    content = sys.stdin.buffer.read()
    options = ModelOptions(delegate=delegate)
    interpreter = load_interpreter(import_runtime(runtime)[1], _nameless(path, content), options)
    for details in interpreter.get_input_details():
        interpreter.set_tensor(details["index"], np.zeros(details["shape"], details["dtype"]))
    interpreter.invoke()
    # Make the calls the classifier will make: a damaged model, such as one with invalid names, fails here instead.
    interpreter.get_output_details()
    count_delegated(interpreter)


def _nameless(path: str, content: bytes) -> Model:
    from pathlib import Path

    return Model(path, Path(path), content, "", (), None)
