"""A thousand damaged model files."""

from __future__ import annotations

import random
import shutil
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from edge_app.errors import ModelRefused
from edge_app.model import classifier, store
from edge_app.settings.sections import ModelOptions
from tests.conftest import DATA

MUTATIONS = 1000
CHANGED = (1, 8, 64)  # bytes; in the first 4 kB and the last, where the structure is, or anywhere


def mutated(content: bytes, number: int) -> bytes:
    """Return a file with some bytes changed, or, every tenth, cut short."""
    chance = random.Random(number)
    if number % 10 == 0:
        return content[: chance.randrange(len(content))]
    changed = bytearray(content)
    ranges = ((8, 4096), (len(content) - 4096, len(content)), (8, len(content)))
    low, high = ranges[number % 3]
    for _ in range(chance.choice(CHANGED)):
        changed[chance.randrange(low, high)] = chance.randrange(256)
    return bytes(changed)


def outcome(path: Path) -> str:
    """Load a file nobody vouches for, and run it if it is taken; say what came of it."""
    try:
        model = classifier.load(ModelOptions(model=str(path), labels=DATA / "cifar10.txt"), stop=threading.Event())
    except ModelRefused as refused:
        assert "\n" not in str(refused) and str(path) in str(refused)
        return "crashed the trial" if "crashes the runtime" in str(refused) else "refused"
    assert np.isfinite(model.scores(np.zeros((*model.shape, 3), np.uint8))).all()
    return "runs"


def test_a_thousand_mutations_never_end_this_process(tmp_path: Path) -> None:
    """Each is refused in one line that names it, or runs; what crashes does so in the trial's child."""
    content = (store.shipped_folder() / "cifar10-lecture.tflite").read_bytes()

    def try_one(number: int) -> str:
        folder = tmp_path / str(number)
        folder.mkdir()
        path = folder / "mutated.tflite"
        path.write_bytes(mutated(content, number))
        found = outcome(path)
        shutil.rmtree(folder)
        return found

    with ThreadPoolExecutor(2) as pool:
        counts = Counter(pool.map(try_one, range(MUTATIONS)))
    print(dict(counts))
    assert counts.total() == MUTATIONS
    assert counts["refused"] > 0 and counts["runs"] > 0
