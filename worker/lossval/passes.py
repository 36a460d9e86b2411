"""The valuation pass in either mode, behind one call."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from worker.lossval.checkpoint import Checkpoint
from worker.lossval.config import LossValConfig, Progress, no_progress
from worker.lossval.encoding import Matrix
from worker.lossval.network import EnsembleNetwork
from worker.lossval.published import PublishedSettings, train_published
from worker.lossval.result import LossValResult
from worker.lossval.training import train_lossval


@dataclass(frozen=True)
class Valued:
    """What a pass leaves.

    Attributes:
        result: data values and weights.
        network: the in-run network, on CPU.
        held_out: (K, n) bool, True where a member did not train on a sample; None in mode `published`, where
            every member trains on every sample.
    """

    result: LossValResult
    network: EnsembleNetwork
    held_out: Tensor | None


def value_samples(
    X: Matrix,
    y: Matrix,
    target: Matrix,
    *,
    config: LossValConfig,
    seed: int = 0,
    device: str = "cpu",
    progress: Progress = no_progress,
    checkpoint: Checkpoint | None = None,
    resume: bytes | None = None,
) -> Valued:
    """Value n samples in one training run; arguments and errors as of `training.train_lossval`."""
    if config.mode == "published":
        published = train_published(
            X,
            y,
            target,
            settings=PublishedSettings.of(config),
            seed=seed,
            device=device,
            progress=progress,
            checkpoint=checkpoint,
            resume=resume,
        )
        return Valued(published.result, published.network, None)
    normalized = train_lossval(
        X,
        y,
        target,
        config=config,
        seed=seed,
        device=device,
        progress=progress,
        checkpoint=checkpoint,
        resume=resume,
    )
    return Valued(normalized.result, normalized.network, normalized.held_out)
