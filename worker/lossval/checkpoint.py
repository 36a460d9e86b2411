"""State of an interrupted training as bytes: tensors and a JSON document, never pickle."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from worker.lossval.config import Progress
from worker.lossval.errors import LossValError

FORMAT = "crashscout-checkpoint"
_SAVE_SECONDS = 1.0  # packing the state of 100,000 samples takes some milliseconds

Checkpoint = Callable[[bytes], None]
Result_co = TypeVar("Result_co", covariant=True)


class CheckpointError(LossValError):
    """Bytes that are no checkpoint of this training."""


def pack(tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> bytes:
    """Checkpoint bytes; equal states give equal bytes.

    Args:
        tensors: any dtype; moved to the CPU.
        state: JSON-able; finite floats survive the round trip exactly.
    """
    metadata = {FORMAT: json.dumps(dict(state), sort_keys=True, allow_nan=False)}
    return safetensors.torch.save(
        {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, metadata
    )


def unpack(data: bytes) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What `pack` was given.

    Raises:
        CheckpointError: truncated or foreign bytes.
    """
    try:
        length = int.from_bytes(data[:8], "little")
        state = json.loads(json.loads(data[8 : 8 + length])["__metadata__"][FORMAT])
        return safetensors.torch.load(data), dict(state)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError("these bytes are no checkpoint; start the run from the beginning") from error


def training_tensors(
    network: nn.Module, optimizer: torch.optim.Optimizer, generator: torch.Generator
) -> dict[str, Tensor]:
    """What every training keeps: parameters, moments of the optimiser, and the generator."""
    moments = {
        f"optimizer.{index}.{name}": tensor
        for index, state in optimizer.state_dict()["state"].items()
        for name, tensor in state.items()
    }
    parameters = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    return {**parameters, **moments, "generator": generator.get_state()}


def restore_training(
    tensors: Mapping[str, Tensor],
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    generator: torch.Generator,
) -> None:
    """Put back what `training_tensors` took."""
    parameters = {name[8:]: tensor for name, tensor in tensors.items() if name.startswith("network.")}
    network.load_state_dict(parameters)
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, index, moment = name.split(".", 2)
            moments.setdefault(int(index), {})[moment] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})
    generator.set_state(tensors["generator"])


def check_identity(state: Mapping[str, Any], identity: Mapping[str, Any]) -> None:
    """Refuse a checkpoint of another run.

    Args:
        state: what `unpack` gave.
        identity: what it must agree with.

    Raises:
        CheckpointError: any entry differs.
    """
    # Through JSON as `state` went: tuples are lists there.
    expected = json.loads(json.dumps(dict(identity)))
    if any(state.get(name) != value for name, value in expected.items()):
        raise CheckpointError("the checkpoint is of another run; start the run from the beginning")


class Resumable(Protocol[Result_co]):
    """A training that can stop between two epochs and go on to the same bytes."""

    @property
    def done(self) -> bool:
        """Whether all epochs are trained."""
        ...

    def train_epoch(self, progress: Progress) -> None:
        """One pass over the training rows; what `progress` raises passes through."""
        ...

    def state(self) -> bytes:
        """Checkpoint between two epochs."""
        ...

    def restore(self, data: bytes) -> None:
        """Go on from `state()` of a run with the same data, settings and seed."""
        ...

    def finish(self) -> Result_co:
        """The result after the last epoch."""
        ...


def drive(
    run: Resumable[Result_co], *, progress: Progress, checkpoint: Checkpoint | None, resume: bytes | None
) -> Result_co:
    """Train to the end.

    Args:
        run: at its beginning.
        progress: passed on.
        checkpoint: called with the state between two epochs, at most once a second; None: nobody keeps it.
        resume: a state to go on from.

    Raises:
        CheckpointError: `resume` is of another run.
    """
    if resume is not None:
        run.restore(resume)
    saved = time.monotonic()
    while not run.done:
        run.train_epoch(progress)
        if checkpoint is not None and time.monotonic() - saved >= _SAVE_SECONDS:
            checkpoint(run.state())
            saved = time.monotonic()
    return run.finish()
