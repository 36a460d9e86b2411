"""Rules of a campaign's sources: what is bought where, at what price."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from service.audit import repository as audit
from service.campaigns import repository
from service.campaigns.oracles import check_oracles
from service.campaigns.schemas import Feature, SourceCreate, SourceUpdate
from service.database.models import Campaign, Source
from service.errors import ConflictError, FieldError, InputError, NotFoundError

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def add(
    session: Session,
    campaign: Campaign,
    request: SourceCreate,
    *,
    actor: str,
    oracle_commands: Sequence[Path] = (),
) -> Source:
    """A further source of the campaign.

    Raises:
        ConflictError: if the campaign has one of that name.
        InputError: if it is priced in another currency, or its oracle runs what no operator allows.
    """
    repository.lock(session, campaign.id)
    session.refresh(campaign, ["sources"])
    if any(source.name == request.name for source in campaign.sources):
        raise ConflictError(f"There is a source '{request.name}' already.", hint="Choose another name.")
    if request.currency != campaign.currency:
        errors = [FieldError("/currency", f"the campaign counts in {campaign.currency}")]
        raise InputError("The source does not fit.", errors=errors)
    features = [Feature.model_validate(feature) for feature in campaign.feature_schema]
    check_oracles([request], features, oracle_commands)
    source = Source(campaign_id=campaign.id, **request.model_dump())
    repository.add_source(session, campaign, source)
    _audit(session, source, "create", actor, after=request.model_dump(mode="json"))
    return source


def get(campaign: Campaign, source_id: int) -> Source:
    """The source.

    Raises:
        NotFoundError: if the campaign has none with this id.
    """
    source = next((source for source in campaign.sources if source.id == source_id), None)
    if source is None:
        raise NotFoundError(f"Campaign {campaign.id} has no source {source_id}.")
    return source


def update(
    session: Session, campaign: Campaign, source_id: int, request: SourceUpdate, *, actor: str
) -> Source:
    """Change what is given, for what is proposed from now on: recommendations keep the price that they name.

    Raises:
        NotFoundError: if the campaign has none with this id.
    """
    source = get(campaign, source_id)
    changes = request.model_dump(exclude_unset=True)
    changes = {name: value for name, value in changes.items() if value is not None or name == "capacity"}
    before = SourceUpdate.model_validate({name: getattr(source, name) for name in changes})
    for name, value in changes.items():
        setattr(source, name, value)
    told = {"before": before, "after": SourceUpdate.model_validate(changes)}
    documents = {name: model.model_dump(mode="json", exclude_unset=True) for name, model in told.items()}
    _audit(session, source, "update", actor, **documents)
    return source


def _audit(session: Session, source: Source, action: str, actor: str, **told: dict[str, object]) -> None:
    audit.record(
        session,
        actor,
        action,
        "source",
        source.id,
        campaign_id=source.campaign_id,
        before=told.get("before"),
        after=told.get("after"),
    )
