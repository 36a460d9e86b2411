"""`/campaigns/new`: a campaign step by step, each checked by the API's own schemas; stored is only the last."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse
from starlette.datastructures import UploadFile

from service import csrf
from service.admin import flash
from service.admin.contexts.wizard import StepLine, WizardContext
from service.admin.forms import ListsDep
from service.admin.pages.wizard_forms import (
    STEPS,
    Draft,
    check,
    condition_rows,
    draft_of,
    feature_rows,
    part_of,
    request_of,
    source_rows,
    with_step,
)
from service.admin.refusals import REFUSALS, refused
from service.admin.rendering import frame, page
from service.admin.solver_forms import choices
from service.campaigns import service as campaigns
from service.campaigns.feature_schemas import FEATURE_SCHEMAS, library_features
from service.campaigns.table_guess import guess
from service.dependencies import GuardedRoute, Principal, SessionDep, requires
from service.errors import InputError
from service.settings import Settings
from service.vocabulary import FeatureKind, Scope

router = APIRouter(route_class=GuardedRoute)
PATH = "/campaigns/new"
MOST_TABLE_BYTES = 8 * 2**20


async def _table(request: Request) -> bytes | None:
    """The file of the form, as far as it is looked at; None without one."""
    file = (await csrf.form_of(request)).get("table")
    return await file.read(MOST_TABLE_BYTES) if isinstance(file, UploadFile) and file.filename else None


TableDep = Annotated[bytes | None, Depends(_table)]


@router.get(PATH)
@requires(Scope.WRITE)
def start_campaign(request: Request) -> HTMLResponse:
    return page(request, _context(request, "basics", {}))


def _context(
    request: Request, step: str, draft: Draft, *, left_out: Sequence[tuple[str, str]] = (), told: str = ""
) -> WizardContext:
    names = list(STEPS)
    at = names.index(step)
    states = ["done" if index < at else "current" if index == at else "open" for index in range(len(names))]
    return WizardContext(
        frame=frame(request, "New campaign"),
        step=step,
        steps=[StepLine(name, STEPS[name], state) for name, state in zip(names, states, strict=True)],
        draft=draft,
        carried=json.dumps(draft, ensure_ascii=False),
        features=feature_rows(draft),
        conditions=condition_rows(draft),
        sources=source_rows(draft),
        target=part_of(draft, "target"),
        domain=part_of(draft, "target_domain"),
        rule=part_of(draft, "stop_rule"),
        kinds=[kind.value for kind in FeatureKind],
        choices=choices(_allowed(request)),
        libraries=[(schema.name, schema.title, len(schema.features)) for schema in FEATURE_SCHEMAS.values()],
        left_out=left_out,
        told=told,
    )


def _allowed(request: Request) -> Sequence[Path]:
    settings: Settings = request.app.state.settings
    return settings.oracle_commands


@router.post(PATH)
def go_on_with_campaign(
    request: Request, lists: ListsDep, table: TableDep, session: SessionDep, principal: Principal
) -> Response:
    """One step on or back, one more line, features out of a table, or, at the last step, the campaign."""
    step = next(iter(lists.get("step", [])), "basics")
    step = step if step in STEPS else "basics"
    action = next(iter(lists.get("action", [])), "next")
    draft = with_step(draft_of(next(iter(lists.get("draft", [])), "")), step, lists)
    try:
        if action == "create":
            commands = _allowed(request)
            made = campaigns.create(
                session, request_of(draft), actor=principal.name, oracle_commands=commands
            )
            return flash.redirect(
                f"/campaigns/{made.id}",
                "ok",
                f"Campaign {made.name} is created: upload tests or send samples next.",
            )
        return page(request, _stepped(request, step, action, draft, lists, table))
    except REFUSALS as error:
        session.rollback()
        return refused(request, _context(request, step, draft), error)


def _stepped(
    request: Request, step: str, action: str, draft: Draft, lists: ListsDep, table: bytes | None
) -> WizardContext:
    names = list(STEPS)
    if action == "back":  # also from what does not fit: it is kept as it was typed
        return _context(request, names[max(0, names.index(step) - 1)], draft)
    if action == "more":  # the empty line is filled in, and a new one follows
        return _context(request, step, draft)
    if action == "library":
        found = library_features(next(iter(lists.get("library", [])), ""))
        draft = draft | {"feature_schema": [feature.model_dump(mode="json") for feature in found]}
        return _context(request, "features", draft, told=f"{len(found)} features of the ready-made list.")
    if action == "table":
        return _from_table(request, draft, table)
    check(draft, step, _allowed(request))
    return _context(request, names[min(len(names) - 1, names.index(step) + 1)], draft)


def _from_table(request: Request, draft: Draft, table: bytes | None) -> WizardContext:
    if table is None:
        raise InputError("No table was chosen.", hint="Choose a CSV file whose first line names the columns.")
    try:
        text = table.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError("The table is not UTF-8 text.", hint="Save it as CSV in UTF-8.") from error
    found = guess(text, target=str(part_of(draft, "target").get("name", "rolc_g")))
    told = f"{len(found.features)} features guessed from {found.rows:,} rows: correct what is wrong."
    draft = draft | {"feature_schema": found.features}
    return _context(request, "features", draft, left_out=found.left_out, told=told)
