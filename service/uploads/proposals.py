"""Pure: what a read file would become in its campaign, and how far the test was from its plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from service.campaigns.schemas import Feature
from service.errors import FieldError
from service.ingest.derived import with_derived
from service.samples.schemas import Measure, SampleCreate
from service.samples.validation import SampleSchema, check_features, parse_sample
from service.uploads.schemas import Drift, Occupants, Proposal, UploadRequest
from service.vocabulary import FeatureKind

Features = dict[str, Any]


@dataclass
class Made:
    """A proposal with the request that would store it; with errors there is none."""

    proposal: Proposal
    request: SampleCreate | None
    errors: list[FieldError] = field(default_factory=list)


def propose(
    report: Mapping[str, Any],
    wanted: UploadRequest,
    schema: SampleSchema,
    *,
    planned: Features | None,
    filename: str,
) -> tuple[list[Made], list[FieldError]]:
    """A sample for each wanted occupant that has a label, and why the others have none.

    Args:
        report: what `processing.report_of` stored.
        wanted: what was said beside the file.
        schema: the campaign's.
        planned: the plan of the candidate that this is the test of; without one, what the file says was
            planned, unless `wanted.features` says otherwise.
        filename: for the provenance.
    """
    seats = [
        seat
        for seat in report["occupants"]
        if wanted.occupants is Occupants.ALL or seat["occupant"] == Occupants.DRIVER
    ]
    missing = [
        FieldError(f"/occupants/{seat['occupant']}", ", ".join(seat["flags"]))
        for seat in seats
        if seat["rolc_g"] is None
    ]
    labelled = [seat for seat in seats if seat["rolc_g"] is not None]
    return [_propose(report, seat, wanted, schema, planned, filename) for seat in labelled], missing


def label_details(seat: Mapping[str, Any]) -> dict[str, Any]:
    """All that the report says about an occupant's label besides the label itself."""
    said_elsewhere = {"occupant", "location", "rolc_g", "label_definition", "features"}
    return {key: value for key, value in seat.items() if key not in said_elsewhere}


def _propose(
    report: Mapping[str, Any],
    seat: Mapping[str, Any],
    wanted: UploadRequest,
    schema: SampleSchema,
    planned: Features | None,
    filename: str,
) -> Made:
    measured, notes = _measured(seat["features"], schema, wanted.features)
    plan = {**measured, **wanted.features} if planned is None else planned
    executed = {**plan, **wanted.features, **measured}
    drift = drift_of(plan, executed, schema)
    number = wanted.test_number or report["test_number"]
    name = f"{report['format']}-{number}-{seat['occupant']}"
    document = {
        "source": wanted.source,
        "planned_features": plan,
        "executed_features": executed if drift else None,
        "target": seat["rolc_g"],
        "label_definition": seat["label_definition"],
        "label_details": label_details(seat),
        "external_id": name,
        "split": wanted.split,
        "group": report["platform"],
        "provenance": {
            "file": filename,
            "format": report["format"],
            "test_number": number,
        },
    }
    proposal = Proposal(
        occupant=seat["occupant"],
        external_id=name,
        planned_features={key: _plain(value) for key, value in plan.items()},
        executed_features={key: _plain(value) for key, value in executed.items()} if drift else None,
        target=seat["rolc_g"],
        drift=drift,
        notes=notes,
    )
    parsed = parse_sample(document)
    if isinstance(parsed, SampleCreate):
        return Made(proposal, parsed)
    return Made(proposal, None, parsed)


def _measured(
    known: Mapping[str, Any], schema: SampleSchema, given: Mapping[str, Any]
) -> tuple[Features, list[str]]:
    """Features of the file that the schema knows; a bad one is left out with a note where that is allowed.

    Files hold typing errors and codes that are younger than the schema: no reason to lose the test, as long
    as the feature may be missing or was given beside the file.
    """
    values, notes = {}, []
    for name, feature in schema.features.items():
        value = as_kind(with_derived(known).get(name), feature)
        if value is None:
            continue
        errors: list[FieldError] = []
        check_features({name: value}, schema, "", errors)
        if errors and (name in given or not feature.required):
            notes.append(f"{name} {value!r} of the file is left out: {errors[0].message}")
        else:
            values[name] = value
    return values, notes


def as_kind(value: float | str | None, feature: Feature) -> Any:  # noqa: ANN401 - any feature value
    """Files know numbers and texts only: 1.0 becomes true where the schema says boolean."""
    if feature.kind is FeatureKind.BOOLEAN and isinstance(value, float):
        return bool(value)
    return value


def drift_of(planned: Features, executed: Features, schema: SampleSchema) -> list[Drift]:
    """Features that were executed differently than planned, in the order of the schema."""
    return [
        _drift(feature, planned[name], executed[name])
        for name, feature in schema.features.items()
        if planned.get(name) is not None
        and executed.get(name) is not None
        and _plain(planned[name]) != _plain(executed[name])
    ]


def _plain(value: Any) -> Any:  # noqa: ANN401 - a feature value, or one with its unit
    return value.value if isinstance(value, Measure) else value


def _drift(feature: Feature, planned: Any, executed: Any) -> Drift:  # noqa: ANN401 - any feature value
    before, after = _plain(planned), _plain(executed)
    numbers = feature.is_number and all(isinstance(value, int | float) for value in (before, after))
    difference = float(after - before) if numbers else None
    within: bool | None = False
    if difference is not None:
        within = None if feature.tolerance is None else abs(difference) <= feature.tolerance
    return Drift(
        feature=feature.name,
        unit=feature.unit,
        planned=before if isinstance(before, bool | int | float | str) else None,
        executed=after,
        difference=difference,
        tolerance=feature.tolerance,
        within_tolerance=within,
    )
