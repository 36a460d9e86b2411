"""SQL of campaigns."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session, lazyload

from service.database.models import Campaign, Recommendation, Sample, Source
from service.lifecycles import PENDING, SPENT, RecommendationStatus
from service.pagination import PageRequest
from service.vocabulary import SampleStatus, Split


def add(session: Session, campaign: Campaign) -> Campaign:
    session.add(campaign)
    session.flush()  # the caller needs the identity keys of the campaign and its sources
    session.expire_all()  # and its money as it was stored: 300000 reads 300000.00 from now on
    return campaign


def add_source(session: Session, campaign: Campaign, source: Source) -> None:
    session.add(source)
    session.flush()
    session.expire(campaign, ["sources"])
    session.expire(source)


def get(session: Session, campaign_id: int) -> Campaign | None:
    """Its sources are loaded when somebody asks for them: most requests need the campaign alone."""
    return session.get(Campaign, campaign_id, options=[lazyload(Campaign.sources)])


def exists(session: Session, campaign_id: int) -> bool:
    return session.scalar(select(Campaign.id).where(Campaign.id == campaign_id)) is not None


def lock(session: Session, campaign_id: int) -> None:
    """Wait for other transactions that decide about this campaign's money, capacity or groups.

    Rows that only refer to the campaign are added meanwhile (NO KEY UPDATE lets foreign keys pass).
    """
    session.execute(select(Campaign.id).where(Campaign.id == campaign_id).with_for_update(key_share=True))


def page(session: Session, request: PageRequest) -> Sequence[Campaign]:
    statement = select(Campaign).where(Campaign.id > request.after).order_by(Campaign.id)
    return session.scalars(statement.limit(request.limit + 1)).all()


def newest(session: Session, limit: int, *, before: int | None = None) -> Sequence[Campaign]:
    """Newest first; `before` is the last id of the page before."""
    statement = select(Campaign).order_by(Campaign.id.desc()).limit(limit)
    if before is not None:
        statement = statement.where(Campaign.id < before)
    return session.scalars(statement).all()


def status_counts(session: Session, campaign_ids: Sequence[int]) -> dict[int, dict[SampleStatus, int]]:
    """Samples by status of many campaigns at once; of the candidates, those that can be acquired."""
    statement = (
        select(Sample.campaign_id, Sample.status, func.count())
        .where(
            Sample.campaign_id.in_(campaign_ids),
            or_(Sample.status != SampleStatus.CANDIDATE, Sample.split == Split.TRAIN),
        )
        .group_by(Sample.campaign_id, Sample.status)
    )
    found: dict[int, dict[SampleStatus, int]] = {key: {} for key in campaign_ids}
    for campaign_id, status, count in session.execute(statement):
        found[campaign_id][status] = count
    return found


def proposed_counts(session: Session, campaign_ids: Sequence[int]) -> dict[int, int]:
    """Recommendations that wait for a decision, by campaign; one without any is left out."""
    statement = (
        select(Recommendation.campaign_id, func.count())
        .where(
            Recommendation.campaign_id.in_(campaign_ids),
            Recommendation.status == RecommendationStatus.PROPOSED,
        )
        .group_by(Recommendation.campaign_id)
    )
    return dict(session.execute(statement).all())


def sample_counts(session: Session, campaign_id: int) -> list[tuple[str, str, int]]:
    """(status, split, count) of the campaign's samples."""
    statement = (
        select(Sample.status, Sample.split, func.count())
        .where(Sample.campaign_id == campaign_id)
        .group_by(Sample.status, Sample.split)
    )
    return [(status.value, split.value, count) for status, split, count in session.execute(statement)]


def labelled_count(session: Session, campaign_id: int) -> int:
    """Labelled samples in split train. O(those), not O(candidates)."""
    statement = select(func.count()).where(
        Sample.campaign_id == campaign_id,
        Sample.status == SampleStatus.LABELLED,
        Sample.split == Split.TRAIN,
    )
    return session.scalars(statement).one()


def recommendation_totals(
    session: Session, campaign_id: int
) -> dict[RecommendationStatus, tuple[int, Decimal]]:
    """(count, acquisition cost) of the campaign's recommendations by status."""
    statement = (
        select(Recommendation.status, func.count(), func.sum(Recommendation.acquisition_cost))
        .where(Recommendation.campaign_id == campaign_id)
        .group_by(Recommendation.status)
    )
    return {status: (count, total) for status, count, total in session.execute(statement)}


def spent_and_committed(
    totals: dict[RecommendationStatus, tuple[int, Decimal]],
) -> tuple[Decimal, Decimal]:
    """Money gone, and money promised to pending recommendations."""
    spent = sum((totals[status][1] for status in SPENT if status in totals), Decimal(0))
    committed = sum((totals[status][1] for status in PENDING if status in totals), Decimal(0))
    return spent, committed
