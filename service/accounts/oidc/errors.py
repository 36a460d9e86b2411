"""Why a sign-in by the provider did not work; each tells the person at the browser what to do."""

from __future__ import annotations

from service.errors import ForbiddenError, UnavailableError


class ProviderUnavailableError(UnavailableError):
    """The provider does not answer, or not as a provider should: nothing that the user can change."""


class UntrustedAnswerError(ForbiddenError):
    """What came back does not belong to this sign-in, or was not made by the provider for us."""


class NoAccessError(ForbiddenError):
    """The provider knows them, and here they may do nothing."""
