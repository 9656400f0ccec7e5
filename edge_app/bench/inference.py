"""Latency of one inference; models are compared in one run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edge_app.model import runtime
from edge_app.model.store import Model
from edge_app.settings.sections import ModelOptions

ROUNDS = 20
IN_A_ROW = 100


def interpreter(content: bytes, name: str = "model") -> Any:
    """Load a model on one thread and set its input to noise."""
    module = runtime.import_runtime("auto")[1]
    loaded = runtime.load_interpreter(module, Model(name, Path(name), content, "", (), None), ModelOptions())
    details = loaded.get_input_details()[0]
    # A fixed seed gives every model the same noise; any byte is legal input, and only the time matters.
    noise = np.random.default_rng(0).integers(0, 256, details["shape"], np.uint8)
    is_float = details["dtype"] == np.float32
    loaded.set_tensor(details["index"], noise.astype(np.float32) if is_float else noise.view(details["dtype"]))
    return loaded


def medians_us(
    interpreters: Mapping[str, Any], clock_ns: Callable[[], int] = time.perf_counter_ns, rounds: int = ROUNDS
) -> dict[str, float]:
    """Return the median latency of each interpreter, microseconds.

    They take turns, a hundred inferences each, so that disturbances on the machine affect all alike. The first round is
    a warm-up and does not count.
    """
    taken_ns: dict[str, list[int]] = {name: [] for name in interpreters}
    for turn in range(rounds + 1):
        for name, loaded in interpreters.items():
            for _ in range(IN_A_ROW):
                begun_ns = clock_ns()
                loaded.invoke()
                if turn:
                    taken_ns[name].append(clock_ns() - begun_ns)
    return {name: statistics.median(each) / 1000 for name, each in taken_ns.items()}


def ratio(content: bytes, reference: bytes) -> float:
    """Return the latency of one model divided by that of another."""
    medians = medians_us({"this": interpreter(content), "reference": interpreter(reference)})
    return medians["this"] / medians["reference"]
