"""An unknown model is loaded and run in a child process first: a damaged file can crash the process that loads it."""

from __future__ import annotations

import sys
import threading

import numpy as np

from edge_app.errors import DependencyMissing, ModelRefused
from edge_app.model.runtime import count_delegated, first_line, import_runtime, load_interpreter
from edge_app.model.store import Model
from edge_app.settings.choices import DelegateName, RuntimeName
from edge_app.settings.sections import ModelOptions
from edge_app.system import process

_TRIAL_LIMIT_S = 60


def try_in_child(model: Model, options: ModelOptions, stop: threading.Event) -> None:
    """Load and run an unknown model in a child process first: a bad file can crash the process that loads it.

    Raises:
        ModelRefused: it does not load, crashes, or does not end.
    """
    command = process.python_module("edge_app.model.trial", str(model.path), options.runtime, options.delegate)
    # The child reads the bytes from its standard input: what was checked is what is tried and what will run.
    ended = process.run_child(command, stop, _TRIAL_LIMIT_S, model.content)
    if ended.code == 0:
        return
    if ended.code is None:
        raise ModelRefused(f"{model.path} did not finish one inference in {_TRIAL_LIMIT_S} s, or the run was stopped")
    if ended.code < 0:
        raise ModelRefused(f"{model.path} crashes the runtime (signal {-ended.code}): damaged or hostile")
    lines = ended.said.strip().splitlines() or ["no reason given"]
    raise ModelRefused(f"{model.path} does not run: {lines[-1]}")


def _trial(path: str, runtime: RuntimeName, delegate: DelegateName) -> None:
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


if __name__ == "__main__":
    try:
        _trial(*sys.argv[1:4])  # type: ignore[arg-type]  # three words this module wrote itself
    except (ModelRefused, DependencyMissing, ValueError, RuntimeError) as error:
        sys.exit(first_line(error))
