"""State of an interrupted training as bytes: tensors and a JSON document, never pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

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
