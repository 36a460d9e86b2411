"""Errors of the acquisition algorithms; every message ends with what to do.

AcquisitionError(ValueError)
├── InvalidProblemError    shapes that do not fit, non-finite numbers, costs that are not positive
├── EmptyPoolError         there is no candidate at all
├── NoTargetDomainError    there is no point of the target domain
├── NothingEligibleError   every candidate is pending or repeats a known design
├── BudgetTooSmallError    no eligible candidate can be paid
└── UnknownStrategyError   no strategy has that name

Tasks show the message as it is and need no other text.
"""

from __future__ import annotations


class AcquisitionError(ValueError):
    """Base of all errors that a ranking raises on purpose."""


class InvalidProblemError(AcquisitionError):
    """The numbers that describe the round do not fit together."""


class EmptyPoolError(AcquisitionError):
    """There is nothing to choose from."""


class NoTargetDomainError(AcquisitionError):
    """Nothing says where the surrogate has to be good."""


class NothingEligibleError(AcquisitionError):
    """Every candidate is pending already or repeats a known design."""


class BudgetTooSmallError(AcquisitionError):
    """No eligible candidate fits into the budget."""


class UnknownStrategyError(AcquisitionError):
    """No strategy is registered under that name."""
