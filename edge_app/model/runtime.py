"""The TFLite runtime: choosing one, making its interpreter, counting the operators of its delegate."""

from __future__ import annotations

import importlib
import re
import sys
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from edge_app.errors import DependencyMissing, ModelRefused, one_line
from edge_app.model.store import Model
from edge_app.settings.choices import RuntimeName
from edge_app.settings.sections import ModelOptions
from edge_app.system import stderr
from edge_app.system.wording import counted

_EXPORT_AGAIN = "export the model again for this runtime, or choose another with --model"
_MODULES = {"ai-edge-litert": "ai_edge_litert.interpreter", "tflite-runtime": "tflite_runtime.interpreter"}
# "INFO: Created TensorFlow Lite XNNPACK delegate for CPU." and the like; warnings and errors do not start with INFO.
_CHATTER = re.compile(rb"INFO: .*TensorFlow Lite")


@dataclass(frozen=True, slots=True)
class Delegation:
    """How many of a model's operators XNNPACK runs."""

    delegated: int
    total: int

    def __str__(self) -> str:
        """Return it as "7/7"."""
        return f"{self.delegated}/{self.total}"

    @property
    def operators(self) -> str:
        """Return it with its noun: "7/7 operators"."""
        return counted(self.total, "operator", str(self))


def import_runtime(name: RuntimeName) -> tuple[str, ModuleType]:
    """Import a runtime and return the name of its package and its interpreter module.

    Raises:
        DependencyMissing: it is not installed, or cannot be imported.
    """
    reasons = []
    for package in _MODULES if name == "auto" else (name,):
        try:
            return package, importlib.import_module(_MODULES[package])
        except (ImportError, AttributeError) as error:  # AttributeError: built for another major version of numpy.
            reasons.append(f"{package}: {one_line(error)}")
    raise DependencyMissing(
        f"no TFLite runtime can be imported ({', '.join(reasons)})", "install one with 'pip install ai-edge-litert'"
    )


def version_of(runtime: ModuleType) -> str:
    """Return the version of the package that contains a runtime's module."""
    return str(getattr(sys.modules[runtime.__name__.partition(".")[0]], "__version__", "of unknown version"))


def load_interpreter(module: ModuleType, model: Model, options: ModelOptions) -> Any:
    """Make the runtime's interpreter for a model and allocate its tensors.

    The runtime's INFO messages are kept from standard error; its warnings and errors are not.

    Raises:
        ModelRefused: the file does not load.
    """
    resolvers = module.OpResolverType
    resolver = resolvers.BUILTIN_WITHOUT_DEFAULT_DELEGATES if options.delegate == "none" else resolvers.AUTO
    try:
        with stderr.without_lines(_CHATTER):
            # The bytes, not the path: the file may have changed since its SHA-256 was checked.
            interpreter = module.Interpreter(
                model_content=model.content, num_threads=options.threads, experimental_op_resolver_type=resolver
            )
            interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise ModelRefused(f"{model.path} does not load: {one_line(error)}", _EXPORT_AGAIN) from error
    return interpreter


def count_delegated(interpreter: Any) -> Delegation | None:
    """Count the operators that a delegate replaced.

    No public call returns this. The list of operators contains both the replaced operators and the DELEGATE operators
    that replace them: an operator between the outputs and the inputs of a DELEGATE is replaced.

    Returns:
        The count, or None if this runtime does not list its operators.
    """
    try:
        operators = interpreter._get_ops_details()
    except AttributeError:
        return None
    delegates = [op for op in operators if op["op_name"] == "DELEGATE"]
    ordinary = [op for op in operators if op["op_name"] != "DELEGATE"]
    # Without the DELEGATE operators, which have the same outputs as the operators they replace.
    producers = {int(tensor): op for op in ordinary for tensor in op["outputs"]}
    replaced: set[int] = set()
    for delegate in delegates:
        edge = {int(tensor) for tensor in delegate["inputs"]}
        open_tensors = [int(tensor) for tensor in delegate["outputs"]]
        while open_tensors:
            op = producers.get(open_tensors.pop())
            if op is not None and op["index"] not in replaced:
                replaced.add(op["index"])
                open_tensors += [int(tensor) for tensor in op["inputs"] if int(tensor) not in edge]
    return Delegation(len(replaced), len(ordinary))
