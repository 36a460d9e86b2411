"""The published loop as a user would write it: one member, autograd, one Adam, geomloss, float32.

Needs the extra `benchmarks`. It shares nothing with `worker.lossval`, so it is a yardstick for speed and for
what the published values are on a given draw.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

_NETWORKS = {"regression": (3, 90, nn.Tanh), "classification": (5, 100, nn.ReLU)}


def published_network(task: str, inputs: int, outputs: int) -> nn.Sequential:
    """The paper's network: linear layers of one width; a softmax at the end for classes."""
    layers, width, activation = _NETWORKS[task]
    modules: list[nn.Module] = [nn.Linear(inputs, width), activation()]
    for _ in range(layers - 2):
        modules += [nn.Linear(width, width), activation()]
    modules.append(nn.Linear(width, outputs))
    return nn.Sequential(*modules, *([nn.Softmax(-1)] if task == "classification" else []))


def train_on_geomloss(
    X: NDArray[np.float64],
    y: NDArray[np.float64],
    target: NDArray[np.float64],
    *,
    task: str,
    epochs: int,
    seed: int,
) -> NDArray[np.float64]:
    """(n,) weights after `epochs` passes; arguments as for `worker.lossval.published.train_published`."""
    from geomloss import SamplesLoss

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        features, validation = torch.from_numpy(X).float(), torch.from_numpy(target).float()
        classes = task == "classification"
        truth = nn.functional.one_hot(torch.from_numpy(y).long()) if classes else torch.from_numpy(y)[:, None]
        network = published_network(task, X.shape[1], truth.shape[1])
        weights = nn.Parameter(torch.ones(len(X)))
        optimizer = torch.optim.Adam([weights, *network.parameters()], lr=0.01)
        for _ in range(epochs):
            for rows in torch.randperm(len(X)).split(32):
                optimizer.zero_grad()
                batch, w = features[rows], weights.index_select(0, rows)
                outputs, wanted = network(batch), truth[rows].float()
                losses = -wanted * (outputs + 1e-8).log() if classes else (wanted - outputs) ** 2
                diameter = 1.1 * torch.cdist(batch, validation).max().item()
                sinkhorn = SamplesLoss("sinkhorn", diameter=diameter, backend="tensorized")
                divergence = sinkhorn(w, batch, torch.ones(len(validation)), validation)
                ((w @ losses.sum(dim=1)) * divergence**2).backward()
                optimizer.step()
        return weights.detach().double().numpy()
