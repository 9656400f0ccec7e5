"""The float weights of a network as a file, to ship, fine-tune or teach with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from edge_app.errors import ModelRefused, UsageError, one_line
from edge_app.model import store
from edge_app.train import recipes
from edge_app.train.architectures import Network

SUFFIX = ".safetensors"
METADATA = "edge_app"  # metadata key of the JSON that describes the network


@dataclass(frozen=True, slots=True)
class Weights:
    """Contents of a file of weights.

    Attributes:
        path: path of the file.
        recipe: name of the network's recipe.
        labels: one for each output.
        shape: height and width of the input.
        tensors: float32 tensors by name.
    """

    path: Path
    recipe: str
    labels: tuple[str, ...]
    shape: tuple[int, int]
    tensors: dict[str, Tensor]

    def network(self) -> Network:
        """Build the network with these weights.

        Raises:
            ModelRefused: the weights do not fit the network of their recipe.
        """
        network = recipes.find(self.recipe).build(len(self.labels), self.shape)
        try:
            network.load_state_dict(self.tensors)
        except RuntimeError as error:
            raise ModelRefused(
                f"{self.path} does not hold what its recipe {self.recipe} needs: damaged", _COPY_AGAIN
            ) from error
        return network.to(memory_format=torch.channels_last).eval()


_COPY_AGAIN = "copy the file again from where it came"


def as_shipped(network: Network) -> dict[str, Tensor]:
    """Return the state to ship: tensors of two or more axes in bfloat16, the few other numbers unchanged."""
    return {
        name: (value.bfloat16() if value.ndim > 1 and value.is_floating_point() else value).contiguous()
        for name, value in network.state_dict().items()
    }


def round_to_shipped(network: Network) -> None:
    """Round the weights as the file will, so that every figure is measured on the shipped weights."""
    network.load_state_dict(as_shipped(network))


def serialise(network: Network, recipe: str, labels: tuple[str, ...], shape: tuple[int, int]) -> bytes:
    """Return the content of the file; its metadata suffice to rebuild the network."""
    about = {"recipe": recipe, "labels": labels, "height_px": shape[0], "width_px": shape[1]}
    # A single entry: the library writes several in random order, and the same training must give the same file.
    return bytes(save(as_shipped(network), {METADATA: json.dumps(about)}))


def read(name_or_path: str) -> Weights:
    """Read the weights of a shipped model by name, a file of weights, or the file next to a .tflite.

    Raises:
        ModelRefused: the file is missing, damaged, or was not written by edge-app.
    """
    path = find(name_or_path)
    try:
        with safe_open(path, "pt") as file:
            about = json.loads((file.metadata() or {})[METADATA])
            tensors = {name: _widened(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118  # not a mapping
        shape = int(about["height_px"]), int(about["width_px"])
        return Weights(path, recipes.find(about["recipe"]).name, tuple(about["labels"]), shape, tensors)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, UsageError) as error:
        raise ModelRefused(
            f"{path} is damaged or holds no weights of edge-app ({one_line(error)})", _COPY_AGAIN
        ) from error


def _widened(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor


def find(name_or_path: str) -> Path:
    """Return the path of a model's weights; see `read`.

    Raises:
        ModelRefused: there is no such file.
    """
    path = store.shipped_folder() / f"{name_or_path}{SUFFIX}"
    if not path.is_file():
        path = Path(name_or_path)
        path = path if path.suffix == SUFFIX else store.find(name_or_path).with_suffix(SUFFIX)
    if not path.is_file():
        shipped = sorted(found.stem for found in store.shipped_folder().glob(f"*{SUFFIX}"))
        raise ModelRefused(
            f"no float weights in {path}", f"choose one of {', '.join(shipped)}" if shipped else "name the file"
        )
    return path


def take_over(network: Network, source: Weights, labels: tuple[str, ...]) -> None:
    """Copy weights into a network; the last layer only if the labels are the same.

    Raises:
        UsageError: the networks are of different shapes.
    """
    last = () if labels == source.labels else ("output.weight", "output.bias")
    own = network.state_dict()
    kept = {name: value for name, value in source.tensors.items() if name not in last}
    unlike = [name for name, value in kept.items() if name not in own or own[name].shape != value.shape]
    if unlike or len(kept) + len(last) != len(own):
        raise UsageError(
            f"the network of {source.path} (recipe {source.recipe}, {source.shape[1]}x{source.shape[0]}) does not fit "
            f"({', '.join(unlike[:3]) or 'it has other layers'})",
            "choose its own --recipe and --size",
        )
    # Not strict: the last layer may be left out on purpose; all others were compared above.
    network.load_state_dict(kept, strict=False)
