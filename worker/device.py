"""Where tensors live, and how many threads work on them."""

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


def use_threads(count: int) -> None:
    """Bind torch to `count` CPU threads.

    One is the default: the matrices of a few hundred samples are so small that a second thread mostly waits
    (a valuation of the demonstration on two cores with other load: 4 to 6 s with one, 7 to 41 s with two), and
    with a fixed count the same seed gives the same bytes on machines with other numbers of cores.
    """
    torch.set_num_threads(count)
