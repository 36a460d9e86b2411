"""State of an interrupted training as bytes: tensors and a JSON document, never pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from worker.lossval.errors import LossValError

FORMAT = "crashscout-checkpoint"


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
