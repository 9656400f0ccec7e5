"""Float weights as files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from edge_app.errors import ModelRefused, UsageError
from edge_app.train import recipes, weights

LABELS = ("a", "b", "c")


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """Write the weights of a fresh nano network."""
    torch.manual_seed(1)
    network = recipes.find("nano").build(3, (32, 32))
    path = tmp_path / "x.safetensors"
    path.write_bytes(weights.serialise(network, "nano", LABELS, (32, 32)))
    return path


def test_a_file_is_enough_to_build_the_network(written: Path) -> None:
    """The file has recipe, labels and size; reading it gives the weights as rounded for shipping."""
    torch.manual_seed(1)
    network = recipes.find("nano").build(3, (32, 32)).eval()
    weights.round_to_shipped(network)
    found = weights.read(str(written))
    assert (found.recipe, found.labels, found.shape) == ("nano", LABELS, (32, 32))
    pixels = torch.rand(2, 3, 32, 32) * 255
    with torch.inference_mode():
        assert torch.allclose(found.network()(pixels), network(pixels), atol=1e-6)
    assert all(torch.equal(found.tensors[name], value) for name, value in network.state_dict().items())


def test_the_same_weights_give_the_same_file(written: Path) -> None:
    """Files of the same weights are identical in every process, so hashes can be compared."""
    code = (
        "import sys, torch; from edge_app.train import recipes, weights; torch.manual_seed(1); "
        "network = recipes.find('nano').build(3, (32, 32)); "
        f"sys.stdout.buffer.write(weights.serialise(network, 'nano', {LABELS!r}, (32, 32)))"
    )
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
        assert done.stdout == written.read_bytes()


def test_half_the_size_of_float32(written: Path) -> None:
    """Matrices and filters take two bytes a number."""
    count = sum(weight.numel() for weight in recipes.find("nano").build(3, (32, 32)).parameters())
    assert written.stat().st_size < 2.1 * count + 20_000


@pytest.mark.parametrize("content", [b"", b"garbage", b"\xff" * 100])
def test_a_damaged_file_is_refused(written: Path, content: bytes) -> None:
    """In one line that names it."""
    written.write_bytes(content)
    with pytest.raises(ModelRefused, match="x.safetensors is damaged"):
        weights.read(str(written))


def test_a_model_without_weights_says_which_have_some() -> None:
    """The lecture's model ships without weights; the error lists the models that have some."""
    with pytest.raises(ModelRefused, match="no float weights in .*tests/fixtures"):
        weights.read("tests/fixtures/mean_uint8.tflite")


def test_all_but_the_last_layer_is_taken_over(written: Path) -> None:
    """With other labels the last layer stays untrained; with the same labels everything is copied."""
    source = weights.read(str(written))
    other, same = (recipes.find("nano").build(n, (48, 48)) for n in (5, 3))
    fresh = other.output.weight.clone()
    weights.take_over(other, source, ("v", "w", "x", "y", "z"))
    weights.take_over(same, source, LABELS)
    assert torch.equal(other.output.weight, fresh)
    assert torch.equal(same.output.weight, source.tensors["output.weight"])
    assert torch.equal(other.stages[3].conv.weight, source.tensors["stages.3.conv.weight"])


def test_another_network_does_not_fit(written: Path) -> None:
    """The message says which network the weights belong to."""
    with pytest.raises(UsageError, match="recipe nano, 32x32"):
        weights.take_over(recipes.find("base").build(3, (32, 32)), weights.read(str(written)), LABELS)


def test_weights_of_other_layers_are_refused(written: Path) -> None:
    """A readable file whose tensors do not fit its recipe is refused in one line as damaged."""
    from safetensors.torch import load_file, save_file

    tensors = load_file(written)
    with weights.safe_open(written, "pt") as file:
        about = file.metadata()
    del tensors["output.bias"]
    save_file(tensors, written, about)
    with pytest.raises(ModelRefused, match="does not hold what its recipe nano needs"):
        weights.read(str(written)).network()
