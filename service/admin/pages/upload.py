"""`/uploads/{id}`: what was read from a file, what was left out and why, and the decision about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from service.admin import flash
from service.admin.attempts import attempt
from service.admin.contexts.uploads import FeatureLine, LabelView, ProposalView, UploadContext
from service.admin.feature_forms import feature_inputs, features_of, typed
from service.admin.formats import feature_value, number
from service.admin.forms import FormDep, parse_document
from service.admin.pages.uploads import upload_line, uploads_url
from service.admin.refusals import changed_or_refused, echo
from service.admin.rendering import frame, page
from service.campaigns import service as campaigns
from service.database.models import Campaign, Upload
from service.dependencies import GuardedRoute, Principal, SessionDep, SettingsDep
from service.lifecycles import UploadStatus
from service.quantities import quantity
from service.uploads import curves
from service.uploads import service as uploads
from service.uploads.schemas import Acceptance, Proposal, UploadCurvesRead
from service.vocabulary import Split

router = APIRouter(route_class=GuardedRoute)
FIGURES = (
    ("rolc_g", "ROLC", "g"),
    ("uncertainty_g", "±", "g"),
    ("t1_ms", "t1", "ms"),
    ("t2_ms", "t2", "ms"),
    ("olc_g", "OLC", "g"),
)


@router.get("/uploads/{upload_id:int}")
def show_upload(request: Request, upload_id: int, session: SessionDep) -> HTMLResponse:
    return page(request, _context(request, session, uploads.get(session, upload_id), {}))


@router.get("/uploads/{upload_id:int}/curves")
def read_upload_curves(
    upload_id: int, session: SessionDep, settings: SettingsDep, occupant: str = "driver"
) -> UploadCurvesRead:
    """For the drawing: thinned, with how many samples there are."""
    return curves.curves_of_upload(session, settings, upload_id, occupant)


def _context(request: Request, session: SessionDep, upload: Upload, form: Mapping[str, str]) -> UploadContext:
    campaign = campaigns.get(session, upload.campaign_id)
    report = upload.report or {"occupants": [], "selection": [], "quarantined": []}
    shown = frame(request, upload.filename, section="uploads", campaign=campaign)
    found = uploads.proposals(session, upload)
    return UploadContext(
        frame=shown,
        upload=upload_line(upload),
        is_busy=upload.status in {UploadStatus.QUEUED, UploadStatus.RUNNING},
        title=report.get("title") or "",
        facts=_facts(upload, report),
        channels=report["selection"],
        quarantined=report["quarantined"],
        labels=[_label(upload, seat) for seat in report["occupants"]],
        proposals=[_proposal(proposal, campaign) for proposal in found],
        samples=[(name, f"/samples/{key}") for name, key in (upload.sample_ids or {}).items()],
        inputs=feature_inputs(campaign, typed(form)),
        sources=[source.name for source in campaign.sources],
        splits=[split.value for split in Split],
        typed={name: str(upload.request.get(name) or "") for name in ("source", "split")} | echo(form),
        may_decide=upload.status is UploadStatus.PARSED and shown.may_write,
    )


def _facts(upload: Upload, report: Mapping[str, Any]) -> list[tuple[str, str]]:
    facts = [("Source", upload.request["source"]), ("Split", upload.request["split"])]
    if upload.report is not None:
        speed = number(report["initial_speed_kmh"], 1)
        facts += [
            ("Test", str(report["test_number"])),
            ("Format", report["format"]),
            ("Speed at contact", f"{speed} km/h"),
        ]
        facts += [("Platform", report.get("platform") or "not named")]
    return [*facts, ("Labels by", upload.label_definition), ("SHA-256", upload.sha256[:16])]


def _label(upload: Upload, seat: Mapping[str, Any]) -> LabelView:
    figures = [
        (label, f"{number(seat[name])} {unit}") for name, label, unit in FIGURES if seat.get(name) is not None
    ]
    has_curves = seat["rolc_g"] is not None and upload.storage_key is not None
    url = f"/uploads/{upload.id}/curves?occupant={seat['occupant']}" if has_curves else ""
    return LabelView(seat["occupant"], figures, seat["flags"], url)


def _proposal(proposal: Proposal, campaign: Campaign) -> ProposalView:
    drift = {item.feature: item for item in proposal.drift}
    executed = proposal.executed_features or {}
    lines = []
    for feature in campaign.feature_schema:
        name, unit = feature["name"], feature.get("unit", "1")
        item = drift.get(name)
        verdict = (
            ""
            if item is None
            else "not judged"
            if item.within_tolerance is None
            else (
                "within tolerance"
                if item.within_tolerance
                else f"outside of ± {number(item.tolerance)} {unit}"
            )
        )
        lines.append(
            FeatureLine(
                label=quantity(name, unit),
                planned=feature_value(proposal.planned_features.get(name), unit),
                executed=feature_value(executed[name], unit) if name in executed else "",
                verdict=verdict,
                is_outside=item is not None and item.within_tolerance is False,
            )
        )
    target = f"{number(proposal.target)} {campaign.target['unit']}"
    return ProposalView(
        proposal.occupant, proposal.external_id, target, lines, proposal.notes, proposal.drifts
    )


@router.post("/uploads/{upload_id:int}/accept")
def accept_upload(
    request: Request, upload_id: int, form: FormDep, session: SessionDep, principal: Principal
) -> Response:
    """Make samples, with what was corrected; what is refused comes back with what was typed."""
    upload = uploads.get(session, upload_id)
    campaign = campaigns.get(session, upload.campaign_id)

    def change() -> Response:
        document: dict[str, Any] = {
            name: form[name] for name in ("source", "split", "test_number") if name in form
        }
        document |= {
            "features": features_of(campaign, form),
            "accept_drift": form.get("accept_drift") == "yes",
        }
        _, made = uploads.accept(
            session, upload_id, parse_document(Acceptance, document), actor=principal.name
        )
        names = ", ".join(sample.external_id or f"sample {sample.id}" for sample in made)
        return flash.redirect(f"/uploads/{upload_id}", "ok", f"Accepted: {names}.")

    return changed_or_refused(
        request, session, change, lambda: _context(request, session, uploads.get(session, upload_id), form)
    )


@router.post("/uploads/{upload_id:int}/reject")
def reject_upload(
    upload_id: int, form: FormDep, session: SessionDep, principal: Principal
) -> RedirectResponse:
    upload = uploads.get(session, upload_id)

    def change() -> str:
        uploads.reject(session, upload_id, reason=form.get("reason", "")[:1000], actor=principal.name)
        return f"{upload.filename} is rejected; the file is kept, and may be sent again."

    return attempt(session, uploads_url(upload.campaign_id), change)
