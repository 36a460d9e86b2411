"""Whether a round's configuration fits its campaign: what it names must be there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from service.acquisitions import repository
from service.acquisitions.schemas import AcquisitionConfiguration
from service.database.models import Campaign
from service.errors import FieldError, InputError, json_pointer
from service.samples import repository as samples_repository

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def check_configuration(
    session: Session, campaign: Campaign, configuration: AcquisitionConfiguration
) -> None:
    """Refuse unknown sources, features and samples, and samples that no round can acquire.

    Raises:
        InputError: naming each.
    """
    errors = [
        *_unknown_sources(campaign, configuration),
        *_unknown_feature(campaign, configuration),
        *_not_acquirable(session, campaign, configuration),
    ]
    if errors:
        raise InputError("The configuration does not fit the campaign.", errors=errors)


def _unknown_sources(campaign: Campaign, configuration: AcquisitionConfiguration) -> Iterator[FieldError]:
    known = {source.name for source in campaign.sources}
    for field, named in (
        ("source_budgets", configuration.source_budgets),
        ("source_quotas", configuration.source_quotas),
    ):
        for name in named:
            if name not in known:
                pointer = json_pointer(["configuration", field, name])
                yield FieldError(pointer, f"unknown source: use one of {', '.join(sorted(known))}")


def _unknown_feature(campaign: Campaign, configuration: AcquisitionConfiguration) -> Iterator[FieldError]:
    known = {feature["name"] for feature in campaign.feature_schema}
    if configuration.group_feature and configuration.group_feature not in known:
        message = f"unknown feature: use one of {', '.join(sorted(known))}, or null for the samples' group"
        yield FieldError("/configuration/group_feature", message)


def _not_acquirable(
    session: Session, campaign: Campaign, configuration: AcquisitionConfiguration
) -> Iterator[FieldError]:
    """An injected candidate must also be free; a vetoed one may be proposed or pending, it is out anyway."""
    injected, vetoed = configuration.injected_sample_ids, configuration.vetoed_sample_ids
    free = samples_repository.candidates_among(session, campaign.id, [*injected, *vetoed])
    taken = repository.proposed_or_pending(session, injected) & free
    yield from _missing("vetoed_sample_ids", vetoed, free, "is no candidate of this campaign")
    yield from _missing("injected_sample_ids", injected, free, "is no candidate of this campaign")
    open_ = {*injected} - taken
    standing = samples_repository.vetoed_ids(session, campaign.id)
    yield from _missing(
        "injected_sample_ids", injected, {*injected} - standing, "is vetoed: lift the veto with :unveto first"
    )
    yield from _missing(
        "injected_sample_ids", injected, open_ | ({*injected} - free), "is proposed or pending already"
    )


def _missing(field: str, wanted: Iterable[int], good: set[int], reason: str) -> Iterator[FieldError]:
    for index, sample_id in enumerate(wanted):
        if sample_id not in good:
            yield FieldError(f"/configuration/{field}/{index}", f"sample {sample_id} {reason}")
