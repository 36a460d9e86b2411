"""Where tensors live."""

from __future__ import annotations

import torch


def choose_device(wanted: str) -> torch.device:
    """`auto` takes the first GPU if there is one, else the CPU; CUDA is first touched here, after any fork.

    Raises:
        ValueError: if a GPU is asked for and there is none.
    """
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(wanted)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError("CRASHSCOUT_DEVICE asks for CUDA, which this machine does not have: set auto or cpu")
    return device
