"""`/campaigns/{id}/samples/{id}`: everything that is known about one sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from service.admin.contexts.samples import (
    DecisionLine,
    Fact,
    FeatureLine,
    LabelLine,
    RunValueLine,
    SampleContext,
)
from service.admin.formats import NONE, feature_value, number, words
from service.admin.pages.charts import short
from service.admin.pages.review_decisions import decision_line, forms_of
from service.admin.pages.value_lines import sample_name
from service.admin.pages.wording import target_name
from service.admin.rendering import frame, page
from service.database.models import Campaign, DataValue, Sample
from service.dependencies import CampaignDep, GuardedRoute, SessionDep, SettingsDep
from service.errors import NotFoundError
from service.quantities import quantity
from service.reviews import service as reviews
from service.reviews.suspects import Suspect, still_waiting, suspicious
from service.samples import service as samples
from service.uploads import curves
from service.uploads import service as uploads
from service.uploads.proposals import drift_of
from service.uploads.schemas import CurvesRead, Drift
from service.valuations import service as valuations

router = APIRouter(route_class=GuardedRoute)
KIB = 1024
UNITS = frozenset({"g", "ms", "kmh", "mps", "mm", "kg"})


def _sample(session: SessionDep, campaign: Campaign, sample_id: int) -> Sample:
    sample = samples.get(session, sample_id)
    if sample.campaign_id != campaign.id:
        raise NotFoundError(f"Campaign {campaign.id} has no sample {sample_id}.")
    return sample


@router.get("/campaigns/{campaign_id:int}/samples/{sample_id:int}")
def show_sample(request: Request, campaign: CampaignDep, session: SessionDep, sample_id: int) -> HTMLResponse:
    sample = _sample(session, campaign, sample_id)
    run = valuations.newest_succeeded(session, campaign)
    suspect = next((s for s in suspicious(session, campaign, run) if _is(s, sample)), None) if run else None
    waits = run is not None and suspect is not None and bool(still_waiting(session, run, [suspect]))
    unit, base = campaign.target["unit"], f"/campaigns/{campaign.id}"
    values = reviews.values_of(session, sample)
    repeats = sample.repeats_sample_id
    context = SampleContext(
        frame=frame(request, sample_name(sample), section="data-values", campaign=campaign),
        name=sample_name(sample),
        status=sample.status.value,
        split=sample.split.value,
        source=sample.source.name,
        group=sample.group or "",
        target="" if sample.target is None else f"{number(sample.target)} {unit}",
        target_name=target_name(campaign),
        definition=sample.label_definition or "",
        details=facts(sample.label_details or {}),
        features=_features(campaign, sample),
        was_executed=sample.executed_features is not None,
        labels=_labels(session, sample, unit),
        values=[_run_value(row) for row in reversed(values)],
        charts={"values": [_point(row) for row in values]},
        findings=[Fact(words(f.finding), f.sentence) for f in suspect.findings] if suspect else [],
        waits=waits,
        forms=forms_of(campaign, sample, waits=waits, back="sample") if run else None,
        decisions=_decisions(session, sample, unit),
        provenance=facts(sample.provenance),
        upload=_upload(session, sample),
        repeats_url=f"{base}/samples/{repeats}" if repeats is not None else None,
        curves_url=f"{base}/samples/{sample.id}/curves" if sample.upload_id is not None else None,
        values_url=f"{base}/data-values",
    )
    return page(request, context)


@router.get("/campaigns/{campaign_id:int}/samples/{sample_id:int}/curves")
def read_curves(
    campaign: CampaignDep, session: SessionDep, settings: SettingsDep, sample_id: int
) -> CurvesRead:
    """The curves for the script of the page; the API has the same under its own address."""
    return curves.curves_of(session, settings, _sample(session, campaign, sample_id).id)


def _is(suspect: Suspect, sample: Sample) -> bool:
    return suspect.row.sample_id == sample.id


def facts(document: Mapping[str, Any]) -> list[Fact]:
    """Any JSON object as names and values in words."""
    return [Fact(_name(name), _text(value)) for name, value in document.items()]


def _name(name: str) -> str:
    """`t1_ms` with its unit apart: t1 (ms)."""
    quantity_, _, unit = name.rpartition("_")
    return f"{words(quantity_)} ({unit})" if quantity_ and unit in UNITS else words(name)


def _text(value: Any) -> str:  # noqa: ANN401 - any JSON value
    if value is None or value in ([], {}):
        return NONE
    if isinstance(value, Mapping):
        return ", ".join(f"{_name(str(name))} {_text(item)}" for name, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value))
    if isinstance(value, str):
        return value  # a name of a file, say: not ours to write in words
    return feature_value(short(value) if isinstance(value, float) else value, "1")


def _features(campaign: Campaign, sample: Sample) -> list[FeatureLine]:
    planned, executed = sample.planned_features, sample.executed_features or sample.planned_features
    drifts = {item.feature: item for item in drift_of(planned, executed, samples.schema_of(campaign))}
    return [
        _feature(
            feature,
            planned.get(feature["name"]),
            executed.get(feature["name"]),
            drifts.get(feature["name"]),
        )
        for feature in campaign.feature_schema
    ]


def _feature(feature: Mapping[str, Any], planned: Any, executed: Any, drift: Drift | None) -> FeatureLine:  # noqa: ANN401 - feature values
    unit = feature.get("unit", "1")
    difference = (
        "" if drift is None or drift.difference is None else feature_value(short(drift.difference), unit)
    )
    return FeatureLine(
        name=quantity(feature["name"], unit),
        planned=feature_value(planned, unit),
        executed=feature_value(executed, unit),
        difference=difference or ("changed" if drift else ""),
        tone="error" if drift and drift.within_tolerance is False else "",
    )


def _labels(session: SessionDep, sample: Sample, unit: str) -> list[LabelLine]:
    return [
        LabelLine(f"{number(row.target)} {unit}", row.label_definition, row.actor, row.reason, row.created_at)
        for row in samples.label_changes(session, sample.id)
    ]


def _run_value(row: DataValue) -> RunValueLine:
    sides = number(row.value_target_loss), number(row.value_transport)
    return RunValueLine(row.valuation_run_id, row.rank, number(row.value), number(row.spread), *sides)


def _point(row: DataValue) -> list[float]:
    figures = (row.value, row.spread, row.value_target_loss, row.value_transport)
    return [row.valuation_run_id, *map(short, figures)]


def _decisions(session: SessionDep, sample: Sample, unit: str) -> list[DecisionLine]:
    return [decision_line(row, sample, unit) for row in reversed(reviews.of_sample(session, sample))]


def _upload(session: SessionDep, sample: Sample) -> Sequence[Fact]:
    if sample.upload_id is None:
        return []
    upload = uploads.get(session, sample.upload_id)
    return [
        Fact("upload", str(upload.id)),
        Fact("file", upload.filename),
        Fact("size", f"{number(upload.size_bytes / KIB, 0)} KiB"),
        Fact("SHA-256", upload.sha256),
        Fact("original", "kept" if upload.storage_key else "not kept"),
    ]
