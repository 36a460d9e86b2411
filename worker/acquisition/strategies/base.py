"""The contract that all strategies share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from worker.acquisition.basket import Criterion
from worker.acquisition.information import TargetPosterior
from worker.acquisition.problem import BoolArray, FloatArray, RankingProblem, Selection
from worker.acquisition.selection import select_batch


class Strategy(ABC):
    """What all strategies have in common; a subclass's constructor takes its parameters.

    Attributes:
        name: the registered name.
        uniform: True if the picks are uniform random draws, which price and relevance may not bend.
    """

    name: ClassVar[str]
    uniform: ClassVar[bool] = False

    @abstractmethod
    def start(self, problem: RankingProblem, posterior: TargetPosterior) -> Criterion:
        """The criterion for an empty batch. Deterministic; changes neither argument."""

    def select(self, problem: RankingProblem) -> Selection:
        """Choose a batch; raises what `select_batch` raises."""
        return select_batch(problem, self.start, uniform=self.uniform)


class FixedGains:
    """A criterion whose opinion does not change with the picks."""

    def __init__(self, gains: FloatArray) -> None:
        self._gains = gains

    def gains(self) -> FloatArray:
        return self._gains

    def shortlist(self, allowed: BoolArray) -> BoolArray:
        return allowed

    def add(self, index: int) -> None:
        """A pick does not change the order of the others."""
