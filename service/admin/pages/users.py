"""`/users`: who signs in, as what, and what is changed about them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from service.accounts import service as accounts
from service.accounts.schemas import UserCreate, UserUpdate
from service.admin import flash
from service.admin.attempts import attempt
from service.admin.contexts.administration import UserLine, UsersContext
from service.admin.forms import FormDep, ListsDep, parse_document
from service.admin.pages.administration import (
    ADMINISTRATION,
    PAGE_SIZE,
    After,
    campaign_ids_of,
    campaigns_in_words,
    next_url,
)
from service.admin.refusals import changed_or_refused, echo
from service.admin.rendering import frame, page
from service.database.models import User
from service.dependencies import GuardedRoute, Principal, SessionDep, requires
from service.pagination import PageRequest
from service.vocabulary import Role, Scope

router = APIRouter(route_class=GuardedRoute, dependencies=ADMINISTRATION)
PATH = "/users"
ROLES = {
    Role.VIEWER: "looks only",
    Role.ENGINEER: "also sends data and starts runs",
    Role.APPROVER: "also approves tests, which commits money",
    Role.ADMIN: "also manages users, keys and webhooks",
}


@router.get(PATH)
@requires(Scope.ADMIN)
def show_users(request: Request, session: SessionDep, principal: Principal, after: After = 0) -> HTMLResponse:
    return page(request, _context(request, session, principal, after=after))


def _context(
    request: Request,
    session: SessionDep,
    principal: Principal,
    *,
    after: int = 0,
    form: Mapping[str, str] | None = None,
) -> UsersContext:
    rows, more = accounts.users_page(session, PageRequest(after, PAGE_SIZE))
    return UsersContext(
        frame=frame(request, "Users", section="users"),
        users=[_line(user, principal.name) for user in rows],
        roles={role.value: text for role, text in ROLES.items()},
        typed=echo(form or {}),
        next_url=next_url(PATH, rows, more=more),
    )


def _line(user: User, asking: str) -> UserLine:
    return UserLine(
        id=user.id,
        name=user.name,
        role=user.role,
        campaigns=campaigns_in_words(user.campaign_ids),
        campaign_ids=", ".join(map(str, user.campaign_ids or [])),
        is_active=user.is_active,
        is_self=user.name == asking,
        has_password=user.has_password,
        provider=urlsplit(user.issuer).hostname if user.issuer else None,
        signed_in_at=user.signed_in_at,
        created_by=user.created_by,
        created_at=user.created_at,
    )


@router.post(PATH)
@requires(Scope.ADMIN)
def add_user(
    request: Request, form: FormDep, lists: ListsDep, session: SessionDep, principal: Principal
) -> Response:
    def change() -> Response:
        wanted = parse_document(UserCreate, _document(form, lists))
        user = accounts.create_user(session, wanted, actor=principal.name)
        return flash.redirect(PATH, "ok", f"{user.name} can sign in now, as {user.role}.")

    return changed_or_refused(
        request, session, change, lambda: _context(request, session, principal, form=form)
    )


def _document(form: Mapping[str, str], lists: Mapping[str, list[str]]) -> dict[str, Any]:
    """A form as a request; a password is taken as it was typed, with its blanks."""
    document: dict[str, Any] = {name: form[name] for name in ("name", "role") if name in form}
    if password := "".join(lists.get("password", [])):
        document["password"] = password
    return document | {"campaign_ids": campaign_ids_of(form.get("campaign_ids", ""))}


@router.post("/users/{user_id:int}/change")
@requires(Scope.ADMIN)
def change_user(
    user_id: int, form: FormDep, lists: ListsDep, session: SessionDep, principal: Principal
) -> RedirectResponse:
    """Role, campaigns and password in one form; an empty password stays what it was."""
    user = accounts.get_user(session, user_id)

    def change() -> str:
        wanted = parse_document(UserUpdate, _document(form, lists))
        accounts.update_user(session, user.id, wanted, actor=principal.name)
        return f"{user.name} is changed: {user.role}, {campaigns_in_words(user.campaign_ids)}."

    return attempt(session, PATH, change)


@router.post("/users/{user_id:int}/deactivate")
@requires(Scope.ADMIN)
def deactivate_user(user_id: int, session: SessionDep, principal: Principal) -> RedirectResponse:
    return _set_active(user_id, session, principal, is_active=False)


@router.post("/users/{user_id:int}/activate")
@requires(Scope.ADMIN)
def activate_user(user_id: int, session: SessionDep, principal: Principal) -> RedirectResponse:
    return _set_active(user_id, session, principal, is_active=True)


def _set_active(
    user_id: int, session: SessionDep, principal: Principal, *, is_active: bool
) -> RedirectResponse:
    user = accounts.get_user(session, user_id)

    def change() -> str:
        accounts.update_user(session, user.id, UserUpdate(is_active=is_active), actor=principal.name)
        return f"{user.name} can sign in again." if is_active else f"{user.name} can no longer sign in."

    return attempt(session, PATH, change)


@router.post("/users/{user_id:int}/end-sessions")
@requires(Scope.ADMIN)
def end_sessions_of_user(user_id: int, session: SessionDep, principal: Principal) -> RedirectResponse:
    user = accounts.get_user(session, user_id)

    def change() -> str:
        accounts.end_sessions(session, user.id, actor=principal.name)
        return f"{user.name} is signed out everywhere."

    return attempt(session, PATH, change)
