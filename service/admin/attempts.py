"""A change that a page asks for: done, or told on the same page why not, with nothing changed."""

from __future__ import annotations

from collections.abc import Callable

from fastapi.responses import RedirectResponse

from service.admin.flash import redirect
from service.dependencies import SessionDep
from service.errors import ConflictError, CrashscoutError, InputError


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
    details = "; ".join(f"{item.pointer.strip('/')}: {item.message}" for item in error.errors)
    return " ".join(part for part in (error.message, details, error.hint) if part)
