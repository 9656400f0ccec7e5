"""Compare latencies of models in one run: tools/latency_beside.py MODEL ... --beside REFERENCE.tflite ...

Prints the median latency of each on one thread and its ratio to each reference, three times.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from edge_app.bench import inference
from edge_app.model import store


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+", help="name of a shipped model, or a .tflite file")
    parser.add_argument("--beside", nargs="+", type=Path, default=[], help=".tflite files to compare with")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=100, help="turns of a hundred inferences for each model")
    options = parser.parse_args()
    files = {name: store.find(name) for name in options.models} | {path.name: path for path in options.beside}
    for repetition in range(options.repetitions):
        loaded = {name: inference.interpreter(path.read_bytes(), name) for name, path in files.items()}
        medians = inference.medians_us(loaded, rounds=options.rounds)
        for name, median_us in medians.items():
            ratios = "  ".join(f"{median_us / medians[path.name]:5.2f} x {path.name}" for path in options.beside)
            print(f"{repetition + 1}  {name:<36} p50 {median_us:7.1f} us  {ratios}")


if __name__ == "__main__":
    main()
