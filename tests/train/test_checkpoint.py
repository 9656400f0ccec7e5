"""Checkpoints: what is saved of a training, and that it is never lost."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from edge_app.errors import RunError, StartError
from edge_app.train.checkpoint import Checkpoint
from tests.full_disk import largest_file

IDENTITY = {"recipe": "nano", "seed": "1"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a checkpoint."""
    return tmp_path / "x.checkpoint"


def layer(value: float) -> torch.nn.Linear:
    """Make something with a state."""
    made = torch.nn.Linear(64, 64)
    torch.nn.init.constant_(made.weight, value)
    return made


def test_what_was_kept_comes_back(path: Path) -> None:
    """State and history of the last save are restored; without a file, zero epochs are."""
    checkpoint = Checkpoint(path, IDENTITY)
    assert checkpoint.load({"network": layer(0)}) == 0
    for epoch in (1, 2):
        checkpoint.save({"network": layer(epoch)}, {"loss": 1 / epoch})
    found, later = layer(0), Checkpoint(path, IDENTITY)
    assert later.load({"network": found}) == 2
    assert (found.weight == 2).all() and later.history == [{"loss": 1.0}, {"loss": 0.5}]


def test_another_training_is_not_gone_on_with(path: Path) -> None:
    """The error names the differences and what to try."""
    Checkpoint(path, IDENTITY).save({"network": layer(1)}, {})
    with pytest.raises(StartError, match=r"another training \(seed 1, not seed 2\).*--restart"):
        Checkpoint(path, IDENTITY | {"seed": "2"}).load({"network": layer(0)})


@pytest.mark.parametrize("content", [b"", b"garbage", None], ids=["empty", "garbage", "cut off"])
def test_a_damaged_file_says_so(path: Path, content: bytes | None) -> None:
    """A damaged file is refused in one line, not ignored."""
    Checkpoint(path, IDENTITY).save({"network": layer(1)}, {})
    path.write_bytes(path.read_bytes()[:5000] if content is None else content)
    with pytest.raises(StartError, match=r"cannot be read: damaged .*start over with --restart"):
        Checkpoint(path, IDENTITY).load({"network": layer(0)})


def test_a_full_disk_leaves_the_last_good_one(path: Path) -> None:
    """A save that fails is reported in one line; the previous checkpoint is intact, and no partial file is left."""
    checkpoint = Checkpoint(path, IDENTITY)
    checkpoint.save({"network": layer(1)}, {})
    with largest_file(4000), pytest.raises(RunError, match="cannot save the training to .*epoch 1 is kept"):
        checkpoint.save({"network": layer(2)}, {})
    found = layer(0)
    assert Checkpoint(path, IDENTITY).load({"network": found}) == 1
    assert (found.weight == 1).all()
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_network_of_another_shape_is_not_gone_on_with(path: Path) -> None:
    """A checkpoint of the same training with other layers is refused in one line, without a traceback."""
    Checkpoint(path, IDENTITY).save({"network": layer(1)}, {})
    with pytest.raises(StartError, match="another shape; start over with --restart"):
        Checkpoint(path, IDENTITY).load({"network": torch.nn.Linear(3, 3)})
