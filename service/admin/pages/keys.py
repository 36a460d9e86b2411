"""`/api-keys`: keys of tools; a new one is shown once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from service.accounts import service as accounts
from service.accounts.schemas import ApiKeyCreate, Rotation
from service.admin import shown_once
from service.admin.attempts import attempt
from service.admin.contexts.administration import KeyLine, KeysContext
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
from service.database.models import ApiKey
from service.dependencies import GuardedRoute, Principal, SessionDep, SettingsDep, requires
from service.errors import FieldError, InputError
from service.pagination import PageRequest
from service.vocabulary import Scope

router = APIRouter(route_class=GuardedRoute, dependencies=ADMINISTRATION)
PATH = "/api-keys"
MOST_DAYS = 3650
SCOPES = {
    Scope.READ: "look",
    Scope.WRITE: "send data, start runs",
    Scope.APPROVE: "commit money",
    Scope.ADMIN: "users, keys, webhooks, audit",
}


@router.get(PATH)
@requires(Scope.ADMIN)
def show_keys(request: Request, session: SessionDep, after: After = 0) -> HTMLResponse:
    response = page(request, _context(request, session, after=after, new_key=shown_once.read(request)))
    shown_once.forget(request, response)
    return response


def _context(
    request: Request,
    session: SessionDep,
    *,
    after: int = 0,
    form: Mapping[str, str] | None = None,
    chosen: Sequence[str] = ("read",),
    new_key: str = "",
) -> KeysContext:
    rows, more = accounts.keys_page(session, PageRequest(after, PAGE_SIZE))
    now = datetime.now(UTC)
    return KeysContext(
        frame=frame(request, "Keys", section="keys"),
        keys=[_line(key, now) for key in rows],
        scopes={scope.value: text for scope, text in SCOPES.items()},
        typed=echo(form or {}),
        chosen=chosen,
        new_key=new_key,
        next_url=next_url(PATH, rows, more=more),
    )


def _line(key: ApiKey, now: datetime) -> KeyLine:
    expired = key.expires_at is not None and key.expires_at <= now
    state = "revoked" if key.revoked_at else "expired" if expired else "active"
    return KeyLine(
        id=key.id,
        public_id=key.public_id,
        name=key.name,
        scopes=[scope for scope in Scope if scope in key.scopes],
        campaigns=campaigns_in_words(key.campaign_ids),
        state=state,
        is_valid=state == "active",
        replaces=key.replaces_id,
        created_by=key.created_by,
        created_at=key.created_at,
        expires_at=key.expires_at,
        last_used_at=key.last_used_at,
    )


@router.post(PATH)
@requires(Scope.ADMIN)
def add_key(
    request: Request,
    form: FormDep,
    lists: ListsDep,
    session: SessionDep,
    principal: Principal,
    settings: SettingsDep,
) -> Response:
    chosen = lists.get("scopes", [])

    def change() -> Response:
        wanted = parse_document(ApiKeyCreate, _document(form, chosen))
        secret_key = settings.secret_key.get_secret_value()
        key, token = accounts.create_key(session, wanted, actor=principal.name, secret_key=secret_key)
        return shown_once.redirect_with(request, PATH, f"Key {key.name} is made.", token)

    return changed_or_refused(
        request, session, change, lambda: _context(request, session, form=form, chosen=chosen)
    )


def _document(form: Mapping[str, str], chosen: Sequence[str]) -> dict[str, Any]:
    return {
        "name": form.get("name", ""),
        "scopes": chosen,
        "campaign_ids": campaign_ids_of(form.get("campaign_ids", "")),
        "expires_at": _expiry(form["days"]) if "days" in form else None,
    }


def _expiry(days: str) -> datetime:
    """So many days from now.

    Raises:
        InputError: if it is no number of days.
    """
    if not days.isdecimal() or not 1 <= int(days[:9]) <= MOST_DAYS:
        errors = [FieldError("/days", f"expects a whole number from 1 to {MOST_DAYS:,}")]
        raise InputError("The key was not made.", errors=errors)
    return datetime.now(UTC) + timedelta(days=int(days))


@router.post("/api-keys/{key_id:int}/rotate")
@requires(Scope.ADMIN)
def rotate_key(
    request: Request,
    key_id: int,
    form: FormDep,
    session: SessionDep,
    principal: Principal,
    settings: SettingsDep,
) -> Response:
    key = accounts.get_key(session, key_id)

    def change() -> Response:
        wanted = parse_document(Rotation, {"overlap_hours": form.get("overlap_hours", "24")})
        secret_key = settings.secret_key.get_secret_value()
        _, token = accounts.rotate_key(session, key.id, wanted, actor=principal.name, secret_key=secret_key)
        text = f"Key {key.name} has a successor; the old one works on for {wanted.overlap_hours:g} h."
        return shown_once.redirect_with(request, PATH, text, token)

    return changed_or_refused(request, session, change, lambda: _context(request, session))


@router.post("/api-keys/{key_id:int}/revoke")
@requires(Scope.ADMIN)
def revoke_key(key_id: int, session: SessionDep, principal: Principal) -> RedirectResponse:
    key = accounts.get_key(session, key_id)

    def change() -> str:
        accounts.revoke_key(session, key.id, actor=principal.name)
        return f"Key {key.name} is refused from now on."

    return attempt(session, PATH, change)
