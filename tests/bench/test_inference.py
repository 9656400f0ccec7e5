"""Latency of models compared in one run."""

from __future__ import annotations

import pytest

from edge_app.bench import inference
from edge_app.model import store


class Clock:
    """Nanoseconds that pass only when a fake model runs."""

    now_ns = 0

    def __call__(self) -> int:
        """Return the time."""
        return self.now_ns


class FakeInterpreter:
    """Takes a given time, and ten times as long for the first hundred inferences."""

    def __init__(self, clock: Clock, takes_ns: int) -> None:
        self._clock, self._takes_ns, self.count = clock, takes_ns, 0

    def invoke(self) -> None:
        """Let the time pass."""
        self._clock.now_ns += self._takes_ns * (10 if self.count < inference.IN_A_ROW else 1)
        self.count += 1


def test_medians_leave_the_warm_up_out() -> None:
    """Each model gets its own median, in microseconds, and as many turns as the others."""
    clock = Clock()
    models = {"quick": FakeInterpreter(clock, 20_000), "slow": FakeInterpreter(clock, 50_000)}
    assert inference.medians_us(models, clock) == {"quick": 20.0, "slow": 50.0}
    assert len({model.count for model in models.values()}) == 1


@pytest.mark.parametrize(
    "path", ["cifar10-lecture", "tests/fixtures/mean_uint8.tflite", "tests/fixtures/mean_float32.tflite"]
)
def test_models_of_every_input_type_run(path: str) -> None:
    """int8, uint8 and float32 inputs are filled with noise, and the model runs."""
    loaded = inference.interpreter(store.find(path).read_bytes())
    loaded.invoke()
    details = loaded.get_input_details()[0]
    assert loaded.get_tensor(details["index"]).std() > 1
