"""Rules of samples: what comes in is checked row by row against the campaign's schema."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from service.audit import repository as audit
from service.campaigns import repository as campaigns_repository
from service.campaigns.schemas import Feature, Target
from service.database.models import Campaign, LabelChange, Sample
from service.errors import ConflictError, FieldError, InputError, NotFoundError
from service.pagination import PageRequest, cut_page
from service.samples import repository
from service.samples.hygiene import inspect
from service.samples.hygiene_report import HygieneReport, HygieneRow
from service.samples.schemas import (
    BulkResult,
    OnError,
    RowError,
    RowResult,
    SampleCreate,
    SampleFilter,
    SampleRead,
)
from service.samples.tables import Row
from service.samples.validation import CheckedSample, SampleSchema, check_sample, parse_sample
from service.vocabulary import SampleStatus, Split

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

# A problem names so many rows at most; the message gives the full count.
LONGEST_ID = 19  # digits
MOST_ERRORS = 500


def schema_of(campaign: Campaign) -> SampleSchema:
    """The campaign's expectations in typed form."""
    features = [Feature.model_validate(feature) for feature in campaign.feature_schema]
    return SampleSchema(
        features={feature.name: feature for feature in features},
        target=Target.model_validate(campaign.target),
        sources={source.name: source.id for source in campaign.sources},
    )


def read(sample: Sample, source: str) -> SampleRead:
    """The sample as it goes out."""
    columns = {column.key: getattr(sample, column.key) for column in Sample.__mapper__.column_attrs}
    return SampleRead.model_validate({**columns, "source": source, "veto": sample.veto})


def create(
    session: Session, campaign: Campaign, request: SampleCreate, *, actor: str, upload_id: int | None = None
) -> Sample:
    """One sample.

    Raises:
        InputError: naming each field that does not fit.
        ConflictError: if the external id is taken.
    """
    schema = schema_of(campaign)
    checked = check_sample(request, schema)
    _refuse_leaks(session, campaign, [checked])
    if checked.errors:
        raise InputError("The sample does not fit the campaign.", errors=checked.errors)
    name = request.external_id
    if name and repository.known_external_ids(session, campaign.id, [name]):
        message = f"External id '{name}' exists already in this campaign."
        raise ConflictError(
            message, hint="Choose another (for an upload: test_number), or read the sample of that name."
        )
    row = _as_row(checked, campaign, schema) | {"upload_id": upload_id}
    (sample_id,) = repository.insert_many(session, [row])
    repository.record_labels(session, [sample_id], actor=actor, reason="")
    audit.record(
        session, actor, "create", "sample", sample_id, campaign_id=campaign.id, after={"external_id": name}
    )
    return get(session, sample_id)


def create_bulk(
    session: Session, campaign: Campaign, rows: Sequence[Row], on_error: OnError, *, actor: str
) -> BulkResult:
    """Many samples in one transaction; the good rows go in or none, as the caller chose.

    Raises:
        InputError: in mode `reject_all`, naming row, field and remedy of everything that is wrong.
    """
    schema = schema_of(campaign)
    checked = [_check_row(row, schema) for row in rows]
    parsed = [row for row in checked if isinstance(row, CheckedSample)]
    _refuse_duplicates(session, campaign, parsed)
    _refuse_leaks(session, campaign, parsed)
    bad = [index for index, result in enumerate(checked) if _errors(result)]
    if bad and on_error is OnError.REJECT_ALL:
        raise _bulk_problem(checked, bad)
    good = [
        (index, row) for index, row in enumerate(checked) if isinstance(row, CheckedSample) and not row.errors
    ]
    ids = repository.insert_many(session, [_as_row(row, campaign, schema) for _, row in good])
    labelled = [key for key, (_, row) in zip(ids, good, strict=True) if row.target is not None]
    repository.record_labels(session, labelled, actor=actor, reason="")
    if ids:
        audit.record(
            session,
            actor,
            "create_bulk",
            "sample",
            ids[0],
            campaign_id=campaign.id,
            after={"created": len(ids), "rejected": len(bad), "first_id": ids[0], "last_id": ids[-1]},
        )
    id_of_row = {index: sample_id for (index, _), sample_id in zip(good, ids, strict=True)}
    results = [_row_result(index, row, id_of_row.get(index)) for index, row in enumerate(checked)]
    return BulkResult(created=len(ids), rejected=len(bad), results=results)


def _check_row(row: Row, schema: SampleSchema) -> CheckedSample | list[FieldError]:
    parsed = row if isinstance(row, list) else parse_sample(row)
    return check_sample(parsed, schema) if isinstance(parsed, SampleCreate) else parsed


def _errors(row: CheckedSample | list[FieldError]) -> list[FieldError]:
    return row.errors if isinstance(row, CheckedSample) else row


def _refuse_duplicates(session: Session, campaign: Campaign, rows: Sequence[CheckedSample]) -> None:
    """Complain about external ids that stand twice in the request or exist already."""
    named = [(row, row.request.external_id) for row in rows if row.request.external_id]
    known = repository.known_external_ids(session, campaign.id, [name for _, name in named])
    seen: set[str] = set()
    for row, name in named:
        if name in known:
            row.errors.append(FieldError("/external_id", f"'{name}' exists already in this campaign"))
        elif name in seen:
            row.errors.append(FieldError("/external_id", f"'{name}' stands twice in this request"))
        seen.add(name)


def _refuse_leaks(session: Session, campaign: Campaign, rows: Sequence[CheckedSample]) -> None:
    """Complain about groups on both sides of the holdout: its error would be measured too low."""
    grouped = [(row, row.request.group) for row in rows if row.request.group]
    if grouped:  # two requests at once must not put one group on both sides
        campaigns_repository.lock(session, campaign.id)
    splits = repository.splits_of_groups(session, campaign.id, {group for _, group in grouped})
    for row, group in grouped:
        others = splits.setdefault(group, set())
        others.add(row.request.split)
        if Split.HOLDOUT in others and len(others) > 1:
            message = f"group '{group}' would stand in the holdout and in another split: keep groups whole"
            row.errors.append(FieldError("/split", message))


def _bulk_problem(rows: Sequence[CheckedSample | list[FieldError]], bad: Sequence[int]) -> InputError:
    errors = [
        FieldError(f"/samples/{index}{error.pointer}", error.message)
        for index in bad
        for error in _errors(rows[index])
    ]
    message = f"{len(bad):,} of {len(rows):,} rows are wrong; nothing was stored."
    hint = "Mend them, or send on_error=keep_good to store the others."
    return InputError(message, hint=hint, errors=errors[:MOST_ERRORS])


def _row_result(index: int, row: CheckedSample | list[FieldError], sample_id: int | None) -> RowResult:
    name = row.request.external_id if isinstance(row, CheckedSample) else None
    errors = [RowError(pointer=error.pointer, message=error.message) for error in _errors(row)]
    status = "rejected" if errors else "created"
    return RowResult.model_validate(
        {"row": index, "status": status, "id": sample_id, "external_id": name, "errors": errors}
    )


def _as_row(sample: CheckedSample, campaign: Campaign, schema: SampleSchema) -> dict[str, Any]:
    request, labelled = sample.request, sample.target is not None
    return {
        "campaign_id": campaign.id,
        "source_id": schema.sources[request.source],
        "upload_id": None,
        "external_id": request.external_id,
        "status": SampleStatus.LABELLED if labelled else SampleStatus.CANDIDATE,
        "split": request.split,
        "group": request.group,
        "planned_features": sample.planned,
        "executed_features": None if sample.executed is None else {**sample.planned, **sample.executed},
        "target": sample.target,
        "label_definition": (request.label_definition or schema.target.label_definition)
        if labelled
        else None,
        "label_details": request.label_details,
        "provenance": request.provenance,
        "labelled_at": datetime.now(UTC).isoformat() if labelled else None,
    }


def record_labels(session: Session, labelled: Sequence[Sample], *, actor: str, reason: str) -> None:
    """Write the labels that the samples have now into their history; call it after every change of one."""
    session.flush()
    repository.record_labels(session, [sample.id for sample in labelled], actor=actor, reason=reason)


def label_changes(session: Session, sample_id: int) -> Sequence[LabelChange]:
    """Every label that the sample ever had, oldest first.

    Raises:
        NotFoundError: if there is no such sample.
    """
    return repository.label_changes(session, get(session, sample_id).id)


def get(session: Session, sample_id: int) -> Sample:
    """The sample with its source.

    Raises:
        NotFoundError: if there is none with this id.
    """
    sample = repository.get(session, sample_id)
    if sample is None:
        message = f"There is no sample {sample_id}."
        raise NotFoundError(message, hint="GET /api/v1/campaigns/{campaign_id}/samples lists them.")
    return sample


def ids_of_names(session: Session, campaign: Campaign, names: Sequence[str]) -> dict[str, int]:
    """Ids of the campaign's samples by the names that lists show: their external ids, or `sample 12` without one."""
    numbers = {name: name.removeprefix("sample ") for name in names if name.startswith("sample ")}
    plain = {name: int(text) for name, text in numbers.items() if text.isdecimal() and len(text) < LONGEST_ID}
    unnamed = {
        row.id for row in repository.with_ids(session, plain.values()) if row.campaign_id == campaign.id
    }
    by_id = {name: key for name, key in plain.items() if key in unnamed}
    return by_id | repository.ids_of_names(session, campaign.id, names)


def page(
    session: Session, campaign: Campaign, wanted: SampleFilter, request: PageRequest
) -> tuple[Sequence[Sample], bool]:
    return cut_page(repository.page(session, campaign.id, wanted, request), request.limit)


def hygiene(session: Session, campaign: Campaign, *, limit: int) -> HygieneReport:
    """What is suspicious about the campaign's data; see `hygiene.inspect`."""
    kinds = {name: feature.kind.value for name, feature in schema_of(campaign).features.items()}
    rows = [HygieneRow(*row) for row in repository.for_hygiene(session, campaign.id)]
    return inspect(rows, kinds, limit=limit)


def add_repetitions(
    session: Session, campaign: Campaign, repeated_ids: Sequence[int], *, actor: str
) -> dict[int, int]:
    """A new candidate for each labelled sample whose test is to be repeated: same plan, source, split and group.

    Returns:
        Id of the repetition by id of what it repeats.
    """
    repeated = repository.with_ids(session, repeated_ids)
    names = Counter(row.repeats_sample_id for row in repository.repetitions(session, campaign.id))
    rows = [_repetition_of(sample, 1 + names[sample.id]) for sample in repeated]
    ids = repository.insert_many(session, rows)
    for sample, key in zip(repeated, ids, strict=True):
        after = {"repeats_sample_id": sample.id}
        audit.record(session, actor, "create", "sample", key, campaign_id=campaign.id, after=after)
    return {sample.id: key for sample, key in zip(repeated, ids, strict=True)}


def _repetition_of(sample: Sample, number: int) -> dict[str, Any]:
    copied = ("campaign_id", "source_id", "split", "group", "planned_features")
    return {
        **{name: getattr(sample, name) for name in copied},
        "repeats_sample_id": sample.id,
        "external_id": f"{sample.external_id or f'sample {sample.id}'} (repetition {number})"[:200],
        "status": SampleStatus.CANDIDATE,
        "provenance": {"repeats": sample.external_id or sample.id},
    }
