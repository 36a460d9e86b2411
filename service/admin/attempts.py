"""A change that a page asks for: done, or told on the same page why not, with nothing changed."""

from __future__ import annotations

from collections.abc import Callable

from fastapi.responses import RedirectResponse

from service.admin.flash import redirect
from service.admin.plain_errors import place_of_pointer
from service.dependencies import SessionDep
from service.errors import ConflictError, CrashscoutError, FieldError, InputError


def attempt(session: SessionDep, back: str, change: Callable[[], str]) -> RedirectResponse:
    """Do it and go back; what the rules refuse is told on the same page, with nothing changed."""
    try:
        text = change()
    except (ConflictError, InputError) as error:
        session.rollback()
        return redirect(back, "error", sentence(error))
    return redirect(back, "ok", text)


def sentence(error: CrashscoutError) -> str:
    """What was refused, and what to do."""
    details = "; ".join(_told(item) for item in error.errors)
    return " ".join(part for part in (error.message, details, error.hint) if part)


def _told(error: FieldError) -> str:
    place = place_of_pointer(error.pointer)
    return f"{place}: {error.message}" if place else error.message
