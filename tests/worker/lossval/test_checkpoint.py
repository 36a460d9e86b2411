"""Checkpoints come back as they were, and foreign bytes are refused."""

from __future__ import annotations

import pytest
import torch

from worker.lossval.checkpoint import CheckpointError, pack, unpack

TENSORS = {"weights": torch.arange(6, dtype=torch.float64).view(2, 3).T, "mask": torch.tensor([True, False])}


def test_tensors_and_state_come_back_and_equal_states_give_equal_bytes():
    data = pack(TENSORS, {"epoch": 3, "curve": [0.1, 1e-300]})
    tensors, state = unpack(data)
    assert state == {"epoch": 3, "curve": [0.1, 1e-300]}
    assert {name: tensor.tolist() for name, tensor in tensors.items()} == {
        name: tensor.tolist() for name, tensor in TENSORS.items()
    }
    assert pack(dict(reversed(tensors.items())), state) == data


@pytest.mark.parametrize("data", [b"", b"pickle", pack(TENSORS, {})[:-3], torch.zeros(4).numpy().tobytes()])
def test_foreign_and_truncated_bytes_are_refused(data):
    with pytest.raises(CheckpointError, match="start the run from the beginning"):
        unpack(data)
