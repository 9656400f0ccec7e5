"""An unknown model is loaded and run in a child process first: a damaged file can crash the process that loads it."""

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
_CHOOSE_ANOTHER = "copy it again from where it came, or choose another with --model"


def try_in_child(model: Model, options: ModelOptions, stop: threading.Event) -> None:
    """Load and run an unknown model in a child process first: a bad file can crash the process that loads it.

    Raises:
        ModelRefused: it does not load, crashes, or does not end.
    """
    # The child reads the bytes from its standard input: what was checked is what is tried and what will run.
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
    """Load the model that stands on stdin and run it once: what the child does.

    Args:
        path: of the model, for messages.
        runtime: which package.
        delegate: whether XNNPACK may run its operators.

    Raises:
        DependencyMissing: there is no runtime.
        ModelRefused: it does not load.
        ValueError, RuntimeError: it does not run; the text is the runtime's.
    """
    content = sys.stdin.buffer.read()
    options = ModelOptions(delegate=delegate)
    interpreter = load_interpreter(import_runtime(runtime)[1], _nameless(path, content), options)
    for details in interpreter.get_input_details():
        interpreter.set_tensor(details["index"], np.zeros(details["shape"], details["dtype"]))
    interpreter.invoke()
    # Whatever is asked of a model later on: names that are no text raise here, not in the process that classifies.
    interpreter.get_output_details()
    count_delegated(interpreter)


def _nameless(path: str, content: bytes) -> Model:
    from pathlib import Path

    return Model(path, Path(path), content, "", (), None)
