"""The training loop, top to bottom.

An epoch depends only on the seed, its own number and the checkpoint: a training that was killed resumes after its last
whole epoch and ends with the same weights.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from edge_app.errors import RunError
from edge_app.records import LabelledPictures
from edge_app.train.architectures import Network
from edge_app.train.augment import augment, mix
from edge_app.train.checkpoint import Checkpoint
from edge_app.train.data import Split
from edge_app.train.optimise import Muon
from edge_app.train.recipes import Recipe

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that defines one training besides its pictures.

    Attributes:
        recipe: the network and how to train it.
        epochs: passes over the training pictures.
        seed: determines initial weights, order and augmentation.
        device: "cpu" or "cuda".
        stop: stops the training when set.
    """

    recipe: Recipe
    epochs: int
    seed: int
    device: str = "cpu"
    stop: threading.Event = field(default_factory=threading.Event)


def fit(
    plan: Plan,
    network: Network,
    split: Split,
    checkpoint: Checkpoint,
    teacher: nn.Module | None = None,
) -> Network:
    """Train a network and return the moving average of its weights.

    Args:
        plan: recipe, epochs, seed and device.
        network: new, or with weights to fine-tune; changed in place.
        split: the network learns from `split.train`; accuracy on `split.validation` is only reported.
        checkpoint: resumed if its file exists; saved after each epoch.
        teacher: classifies the same pictures; the network learns its logits as well as the labels.

    Raises:
        StartError: the checkpoint is damaged, or belongs to another training.
        RunError: stopped, diverged, or the checkpoint cannot be written; finished epochs are kept.
    """
    network.to(plan.device, memory_format=torch.channels_last)
    optimisers = make_optimisers(network, plan.recipe)
    peaks = [[group["lr"] for group in optimiser.param_groups] for optimiser in optimisers]
    steps = max(1, len(split.train.labels) // plan.recipe.batch)
    decay = averaging_decay(plan.recipe.averaging_steps, plan.epochs * steps)
    # Batch normalisation's statistics are buffers: they must be averaged like the weights they belong to.
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)
    parts = {"network": network, "average": average, **{f"optimiser {n}": o for n, o in enumerate(optimisers)}}
    done = checkpoint.load(parts)
    if done:
        log.warning("resuming after epoch %d of %d", done, plan.epochs)

    with progress(plan, steps * min(plan.recipe.batch, len(split.train.labels)), done) as bar:
        for epoch in range(done, plan.epochs):
            network.train()
            torch.manual_seed(plan.seed * 10_007 + epoch)  # for dropout; a resumed epoch must draw the same
            for step, (pictures, targets) in enumerate(batches(split.train, plan, epoch)):
                if plan.stop.is_set():
                    raise RunError(
                        f"stopped in epoch {epoch + 1}", f"{epoch} are kept, the same command resumes from there"
                    )
                share = rate_at((epoch * steps + step) / (plan.epochs * steps), plan.recipe.warmup)
                for optimiser, rates in zip(optimisers, peaks, strict=True):
                    for group, peak in zip(optimiser.param_groups, rates, strict=True):
                        group["lr"] = peak * share
                with torch.autocast(plan.device, torch.bfloat16):
                    loss = loss_of(network, teacher, pictures, targets, plan.recipe)
                network.zero_grad()
                loss.backward()
                for optimiser in optimisers:
                    optimiser.step()
                average.update_parameters(network)
                bar.update(len(targets))
            with torch.autocast(plan.device, torch.bfloat16):
                right = accuracy(average.module, split.validation, plan.device)
            # Before saving: a checkpoint with NaN weights would resume only to diverge again.
            if not math.isfinite(loss.item()):
                raise RunError(
                    f"the loss became {loss.item()} in epoch {epoch + 1}: the training has diverged",
                    "choose a lower --rate and start over with --restart",
                )
            checkpoint.save(parts, {"loss": loss.item(), "validation": right})
            tell(bar, f"epoch {epoch + 1}/{plan.epochs}, loss {loss.item():.3f}, validation {right:.2%}")
    return average.module.cpu()


def make_optimisers(network: Network, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """Return Muon for the convolutions that batch normalisation follows, AdamW for all other trained weights."""
    filters = network.filters()
    taken = {id(weight) for weight in filters}
    rest = [weight for weight in network.parameters() if weight.requires_grad and id(weight) not in taken]
    optimisers: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(rest, recipe.rate, betas=(0.9, 0.99), weight_decay=recipe.weight_decay)
    ]
    return [Muon(filters, recipe.muon_rate, recipe.muon_momentum), *optimisers] if filters else optimisers


def averaging_decay(horizon_steps: int, total_steps: int) -> float:
    """Return the decay that averages over the last `horizon_steps`, at most a tenth of the training."""
    return 1 - 1 / max(1.0, min(horizon_steps, total_steps / 10))


def batches(data: LabelledPictures, plan: Plan, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield one epoch of shuffled, augmented batches; drop the last, incomplete one.

    Every picture is mirrored in every other epoch, not at random (K. Jordan 2024, "alternating flip"), so that both
    versions are seen equally often.

    Yields:
        (batch, 3, H, W) float pictures of 0..255, channels last, and (batch, classes) float target probabilities,
        on the plan's device.
    """
    count, size = len(data.labels), min(plan.recipe.batch, len(data.labels))
    how, certain = plan.recipe.augmentation, np.eye(len(data.names), dtype=np.float32)
    begins_mirrored = np.random.default_rng(plan.seed).random(count) < 0.5
    generator = np.random.default_rng((plan.seed, epoch))
    order = generator.permutation(count)
    for start in range(0, count - size + 1, size):
        chosen = order[start : start + size]
        mirrored = (begins_mirrored[chosen] ^ (epoch % 2 == 1)) & how.mirror
        pictures, targets = augment(data.pictures[chosen], mirrored, how, generator), certain[data.labels[chosen]]
        if how.mixed:
            mix(pictures, targets, how.mixed, generator)
        yield to_tensor(pictures, plan.device), torch.from_numpy(targets).to(plan.device)


def rate_at(progress: float, warmup: float) -> float:
    """Return the share of the peak learning rate at a share of all steps: linear warm-up, then linear to zero."""
    return progress / warmup if progress < warmup else (1 - progress) / (1 - warmup)


def loss_of(network: nn.Module, teacher: nn.Module | None, pictures: Tensor, targets: Tensor, recipe: Recipe) -> Tensor:
    """Return cross-entropy with smoothed labels; with a teacher, a tenth of it plus 0.9 of the distance to its answers.

    The distance is the Kullback-Leibler divergence at a raised temperature T, times T^2 so that its gradients keep
    their size (Hinton, Vinyals and Dean 2015).
    """
    guess = network(pictures)
    to_labels = functional.cross_entropy(guess, targets, label_smoothing=recipe.label_smoothing)
    if teacher is None:
        return to_labels
    with torch.no_grad():
        taught = functional.log_softmax(teacher(pictures).float() / recipe.teacher_temperature, 1)
    softened = functional.log_softmax(guess.float() / recipe.teacher_temperature, 1)
    distance = functional.kl_div(softened, taught, reduction="batchmean", log_target=True)
    # Softening shrinks the gradients by the temperature squared (Hinton et al. 2015): the factor restores them.
    return 0.9 * recipe.teacher_temperature**2 * distance + 0.1 * to_labels


def to_tensor(pictures: npt.NDArray[np.uint8], device: str = "cpu") -> Tensor:
    """Turn (N, H, W, 3) uint8 pictures into a (N, 3, H, W) float tensor of 0..255, channels last in memory."""
    # Bytes travel to the GPU and become floats there: a quarter of the traffic.
    return torch.from_numpy(pictures).to(device).permute(0, 3, 1, 2).float()


def logits(network: nn.Module, pictures: npt.NDArray[np.uint8], device: str = "cpu") -> Tensor:
    """Return the network's (N, classes) float32 logits, without gradients."""
    network.eval()
    with torch.inference_mode():
        return torch.cat(
            [network(to_tensor(pictures[i : i + 500], device)) for i in range(0, len(pictures), 500)]
        ).cpu()


def accuracy(network: nn.Module, data: LabelledPictures, device: str = "cpu") -> float:
    """Return the share of pictures whose highest logit is that of the true label."""
    guessed = logits(network, data.pictures, device).argmax(1)
    return float((guessed == torch.from_numpy(data.labels)).double().mean())


def progress(plan: Plan, pictures: int, done: int) -> tqdm:
    """Return a progress bar over the pictures of all epochs, with pictures a second and the time left."""
    return tqdm(
        total=plan.epochs * pictures,
        initial=done * pictures,
        unit="img",
        unit_scale=True,
        disable=None,  # hides it where stderr is not a terminal
        smoothing=0.02,
    )


def tell(bar: tqdm, text: str) -> None:
    """Show an epoch's figures on the bar, or log them if there is no bar."""
    bar.set_description(text)
    if bar.disable:
        log.warning("%s", text)
