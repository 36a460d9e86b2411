"""Rules of samples: what comes in is checked row by row against the campaign's schema."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from service.audit import repository as audit
from service.campaigns import service as campaigns
from service.campaigns.schemas import Feature, Target
from service.database.bulk import json_text
from service.database.models import Campaign, LabelChange, Sample
from service.errors import ConflictError, FieldError, InputError, NotFoundError
from service.pagination import PageRequest, cut_page
from service.samples import repository
from service.samples.batch import Batch, CheckedRow, check_rows, row_of
from service.samples.hygiene import inspect, outliers
from service.samples.hygiene_report import FeatureOutlier, HygieneReport, HygieneRow, LabelOutlier
from service.samples.schemas import (
    BulkResult,
    OnError,
    SampleCreate,
    SampleFilter,
    SampleRead,
    VetoRead,
)
from service.samples.tables import Row
from service.samples.validation import SampleSchema, check_sample
from service.vocabulary import SampleStatus, Split

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

# Of a row as it is stored; `group` and its like are the table's own names here.
_COLUMNS = (
    "campaign_id", "source_id", "upload_id", "external_id", "status", "split", "group_name", "planned_features",
    "executed_features", "target", "label_definition", "label_details", "provenance", "labelled_at",
)  # fmt: skip
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
    batch = Batch(rows=[row_of(checked)], errors={0: checked.errors} if checked.errors else {})
    _refuse_leaks(session, campaign, batch)
    if batch.errors:
        raise InputError("The sample does not fit the campaign.", errors=batch.errors[0])
    name = request.external_id
    if name and repository.known_external_ids(session, campaign.id, [name]):
        message = f"External id '{name}' exists already in this campaign."
        raise ConflictError(
            message, hint="Choose another (for an upload: test_number), or read the sample of that name."
        )
    (sample_id,) = _insert(session, campaign, schema, batch, upload_id=upload_id)
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
    batch = check_rows(rows, schema)
    _refuse_duplicates(session, campaign, batch)
    _refuse_leaks(session, campaign, batch)
    if batch.errors and on_error is OnError.REJECT_ALL:
        raise _bulk_problem(batch)
    ids = _insert(session, campaign, schema, batch)
    labelled = [key for key, (_, row) in zip(ids, batch.good(), strict=True) if row["target"] is not None]
    repository.record_labels(session, labelled, actor=actor, reason="")
    if ids:
        audit.record(
            session,
            actor,
            "create_bulk",
            "sample",
            ids[0],
            campaign_id=campaign.id,
            after={
                "created": len(ids),
                "rejected": len(batch.errors),
                "first_id": ids[0],
                "last_id": ids[-1],
            },
        )
    return _bulk_result(batch, ids)


def _refuse_duplicates(session: Session, campaign: Campaign, batch: Batch) -> None:
    """Complain about external ids that stand twice in the request or exist already."""
    named = [(index, name) for index, _, name in batch.giving("external_id")]
    known = repository.known_external_ids(session, campaign.id, [name for _, name in named])
    seen: set[str] = set()
    for index, name in named:
        if name in known:
            batch.complain(index, "/external_id", f"'{name}' exists already in this campaign")
        elif name in seen:
            batch.complain(index, "/external_id", f"'{name}' stands twice in this request")
        seen.add(name)


def _refuse_leaks(session: Session, campaign: Campaign, batch: Batch) -> None:
    """Complain about groups on both sides of the holdout: its error would be measured too low."""
    grouped = list(batch.giving("group"))
    if not grouped:
        return
    # Two requests at once must not cut one group; of those that touch no holdout, none can.
    alone = any(row["split"] == Split.HOLDOUT for _, row, _ in grouped)
    repository.hold_groups(session, campaign.id, alone=alone)
    splits = repository.splits_of_groups(session, campaign.id, {group for *_, group in grouped})
    for index, row, group in grouped:
        others = splits.setdefault(group, set())
        others.add(Split(row["split"]))
        if Split.HOLDOUT in others and len(others) > 1:
            message = f"group '{group}' would stand in the holdout and in another split: keep groups whole"
            batch.complain(index, "/split", message)


def _bulk_problem(batch: Batch) -> InputError:
    errors = [
        FieldError(f"/samples/{index}{error.pointer}", error.message)
        for index in sorted(batch.errors)
        for error in batch.errors[index]
    ]
    message = f"{len(batch.errors):,} of {len(batch.rows):,} rows are wrong; nothing was stored."
    hint = "Mend them, or send on_error=keep_good to store the others."
    return InputError(message, hint=hint, errors=errors[:MOST_ERRORS])


def _bulk_result(batch: Batch, ids: Sequence[int]) -> BulkResult:
    id_of_row = {index: key for (index, _), key in zip(batch.good(), ids, strict=True)}
    results = [
        {
            "row": index,
            "status": "rejected" if index in batch.errors else "created",
            "id": id_of_row.get(index),
            "external_id": None if row is None else row["external_id"],
            "errors": [asdict(error) for error in batch.errors.get(index, ())],
        }
        for index, row in enumerate(batch.rows)
    ]
    counts = {"created": len(ids), "rejected": len(batch.errors)}
    return BulkResult.model_validate({**counts, "results": results})


def _insert(
    session: Session, campaign: Campaign, schema: SampleSchema, batch: Batch, *, upload_id: int | None = None
) -> list[int]:
    """Store the good rows; their ids, in their order."""
    now = datetime.now(UTC).isoformat()
    definition = schema.target.label_definition
    lines = [
        (
            campaign.id,
            schema.sources[row["source"]],
            upload_id,
            row["external_id"],
            SampleStatus.CANDIDATE if row["target"] is None else SampleStatus.LABELLED,
            row["split"],
            row["group"],
            json_text(row["planned_features"]),
            _executed_text(row),
            row["target"],
            None if row["target"] is None else row["label_definition"] or definition,
            json_text(row["label_details"]),
            json_text(row["provenance"]),
            None if row["target"] is None else now,
        )
        for _, row in batch.good()
    ]
    return repository.insert_lines(session, _COLUMNS, lines)


def _executed_text(row: CheckedRow) -> str | None:
    """What was not said to have been run differently was run as planned."""
    executed = row["executed_features"]
    return None if executed is None else json_text({**row["planned_features"], **executed})


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


def with_ids(session: Session, sample_ids: Sequence[int]) -> Sequence[Sample]:
    """The samples, in the order of their ids."""
    return repository.with_ids(session, sample_ids)


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
    session: Session, campaign_id: int, wanted: SampleFilter, request: PageRequest
) -> tuple[list[SampleRead], bool]:
    """Samples by id, and whether there are more.

    Raises:
        NotFoundError: if there is no such campaign.
    """
    found = repository.page(session, campaign_id, wanted, request)
    rows, more = cut_page(campaigns.listed(session, campaign_id, found), request.limit)
    return [_read_row(row) for row in rows], more


def _read_row(row: dict[str, Any]) -> SampleRead:
    veto = {name: row[f"veto_{name}"] for name in VetoRead.model_fields}
    return SampleRead.model_validate({**row, "veto": veto if veto["reason"] is not None else None})


def hygiene(session: Session, campaign: Campaign, *, limit: int) -> HygieneReport:
    """What is suspicious about the campaign's data; see `hygiene.inspect`."""
    kinds = {name: feature.kind.value for name, feature in schema_of(campaign).features.items()}
    rows = [HygieneRow(*row) for row in repository.for_hygiene(session, campaign.id)]
    return inspect(rows, kinds, limit=limit)


def labelled_outliers(
    session: Session, campaign: Campaign
) -> tuple[list[FeatureOutlier], list[LabelOutlier]]:
    """Labelled training samples with a value or label far from all others, worst first. O(labelled samples)."""
    kinds = {name: feature.kind.value for name, feature in schema_of(campaign).features.items()}
    found = repository.for_hygiene(session, campaign.id, only_trained_on=True)
    return outliers([HygieneRow(*row) for row in found], kinds)


def has_open_repetition(session: Session, sample: Sample) -> bool:
    """Whether a candidate is to repeat its test."""
    return any(
        row.repeats_sample_id == sample.id and row.status is SampleStatus.CANDIDATE
        for row in repository.repetitions(session, sample.campaign_id)
    )


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
