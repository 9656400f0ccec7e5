"""Loads and runs an unknown model in a child process under limits.

A damaged file can crash the process that loads it, and one of half a kilobyte can ask for gigabytes or for hours. What
has passed the trial is loaded by this process with the memory and time it took there.
"""

from __future__ import annotations

import resource
import signal
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
_CPU_LIMIT_S = 30  # a model that takes that long for one picture is of no use with a camera
# A file has at most 64 MiB (`store.MAX_BYTES`): it is held here, copied by the runtime, and packed again by XNNPACK.
# As much again is left for activations; the whole child takes 58 MiB for cifar10-base (measured).
MEMORY_LIMIT_MIB = 384
_LIMITS = {
    resource.RLIMIT_DATA: MEMORY_LIMIT_MIB << 20,
    resource.RLIMIT_CPU: _CPU_LIMIT_S,
    resource.RLIMIT_FSIZE: 0,
    resource.RLIMIT_CORE: 0,
    resource.RLIMIT_NOFILE: 64,
}
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
    if outcome.code == -signal.SIGXCPU:
        raise ModelRefused(
            f"{model.path} needs more than {_CPU_LIMIT_S} s of processor time for one inference", _CHOOSE_ANOTHER
        )
    if outcome.code < 0:
        raise ModelRefused(
            f"{model.path} crashes the runtime (signal {-outcome.code}) or needs more than {MEMORY_LIMIT_MIB} MiB: "
            "damaged or hostile",
            _CHOOSE_ANOTHER,
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
    package = import_runtime(runtime)[1]  # before the limits: its libraries are not the model's doing
    limit()
    options = ModelOptions(delegate=delegate)
    interpreter = load_interpreter(package, _nameless(path, content), options)
    for details in interpreter.get_input_details():
        interpreter.set_tensor(details["index"], np.zeros(details["shape"], details["dtype"]))
    interpreter.invoke()
    # Make the calls the classifier will make: a damaged model, such as one with invalid names, fails here instead.
    interpreter.get_output_details()
    count_delegated(interpreter)


def limit() -> None:
    """Limit what this process may use from now on; a limit that is lower already stays."""
    for kind, wanted in _LIMITS.items():
        _, hard = resource.getrlimit(kind)
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(kind, (most, most))


def _nameless(path: str, content: bytes) -> Model:
    from pathlib import Path

    return Model(path, Path(path), content, "", (), None)
