"""Errors of the acquisition algorithms; every message ends with what to do.

AcquisitionError(ValueError)
├── InvalidProblemError    shapes that do not fit, non-finite numbers, costs that are not positive
├── EmptyPoolError         there is no candidate at all
├── NoTargetDomainError    there is no point of the target domain
├── NothingEligibleError   every candidate is known, vetoed, too slow or of a source without a place
├── BudgetTooSmallError    no eligible candidate can be paid
├── InjectionError         a design that a person forces into the batch has no place in it
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
    """No candidate may be picked in this round, whatever the budget is."""


class BudgetTooSmallError(AcquisitionError):
    """No eligible candidate fits into the budget."""


class InjectionError(AcquisitionError):
    """A design that a person forces into the batch breaks one of the batch's rules."""


class UnknownStrategyError(AcquisitionError):
    """No strategy is registered under that name."""
