"""The recipes, each a network and how it is trained: `edge-app train --recipe NAME`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from edge_app.errors import UsageError, closest
from edge_app.train.architectures import Lecture, LectureDense, Network, Plain
from edge_app.train.augment import Augmentation


@dataclass(frozen=True, slots=True)
class Recipe:
    """A network and how it is trained.

    Attributes:
        name: name for `--recipe`.
        description: one line for the model's card.
        build: returns the untrained network, given the number of classes and the (height, width) of its input.
        epochs: passes over the training pictures, unless --epochs says otherwise.
        batch: pictures in a step.
        augmentation: how the pictures are changed.
        rate: peak learning rate of AdamW, which trains dense layers, biases and convolutions without batch
            normalisation.
        muon_rate: peak learning rate of Muon, which trains the convolutions with batch normalisation.
        muon_momentum: momentum of Muon.
        weight_decay: weight decay of AdamW.
        warmup: share of all steps in which the rates rise linearly to their peaks; then they fall linearly to zero.
        label_smoothing: share of the target that is spread over all classes.
        averaging_steps: horizon of the exponential moving average of the weights; the average is shipped.
        teacher: shipped model whose float weights teach this one (Hinton et al. 2015); None for none.
        teacher_temperature: divides the logits of teacher and network before they are compared.
    """

    name: str
    description: str
    build: Callable[[int, tuple[int, int]], Network]
    epochs: int
    batch: int = 250
    augmentation: Augmentation = Augmentation()  # noqa: RUF009  # frozen
    rate: float = 0.003
    muon_rate: float = 0.025
    muon_momentum: float = 0.9
    weight_decay: float = 0.0
    warmup: float = 0.05
    label_smoothing: float = 0.1
    averaging_steps: int = 200
    teacher: str | None = None
    teacher_temperature: float = 2.0


_LECTURE = partial(Recipe, batch=250, rate=0.004, weight_decay=0.01, warmup=0.2, averaging_steps=100, epochs=30)

RECIPES = {
    recipe.name: recipe
    for recipe in (
        _LECTURE(
            "lecture",
            "the CNN of the lecture: two convolutions, two dense layers, all int8",
            Lecture,
        ),
        _LECTURE(
            "lecture-dense",
            "the dense network the lecture argues against: no convolution, all int8",
            LectureDense,
        ),
        Recipe(
            "nano",
            "small and quick: whitened patches, six 3x3 convolutions, all int8",
            partial(Plain, stages=((16, 32), (64, 64), (112, 128)), stem=16, skips=False),
            epochs=50,
            augmentation=Augmentation(camera=0.25),
            teacher="cifar10-base",
        ),
        Recipe(
            "base",
            "whitened patches, seven 3x3 convolutions, all int8",
            partial(Plain, stages=((64, 64), (144, 144), (256, 256, 256))),
            epochs=70,
            batch=500,
            augmentation=Augmentation(cutout_px=8, camera=0.25, mixed=0.5),
        ),
    )
}


def find(name: str) -> Recipe:
    """Return a recipe by its name.

    Raises:
        UsageError: no recipe has this name.
    """
    if name in RECIPES:
        return RECIPES[name]
    close = closest(name, RECIPES)
    hint = f"did you mean {close!r}?" if close else f"there are {', '.join(RECIPES)}"
    raise UsageError(f"no recipe is called {name!r}", hint)
