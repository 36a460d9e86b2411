"""SQL of wishes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import ColumnElement, exists, select
from sqlalchemy.orm import Session, contains_eager

from service.database.models import Recommendation, Sample, Wish
from service.pagination import PageRequest
from service.vocabulary import SampleStatus, WishKind


def add(session: Session, wishes: Iterable[Wish]) -> None:
    session.add_all(wishes)
    session.flush()  # callers want the ids


def get(session: Session, wish_id: int) -> Wish | None:
    return session.get(Wish, wish_id)


def get_for_update(session: Session, wish_id: int) -> Wish | None:
    return session.get(Wish, wish_id, with_for_update=True)


def standing_for(session: Session, sample_ids: Iterable[int]) -> Sequence[Wish]:
    """Wishes for these samples that nobody has withdrawn, locked."""
    statement = select(Wish).where(Wish.sample_id.in_(list(sample_ids)), Wish.withdrawn_at.is_(None))
    return session.scalars(statement.order_by(Wish.id).with_for_update()).all()


def _fulfilled() -> ColumnElement[bool]:
    """A round has proposed the sample since it was wished for."""
    return exists().where(
        Recommendation.sample_id == Wish.sample_id, Recommendation.created_at >= Wish.created_at
    )


def standing(session: Session, campaign_id: int) -> Sequence[Wish]:
    """What the next round has to heed, with samples and sources, oldest first."""
    statement = (
        select(Wish)
        .join(Wish.sample)
        .join(Sample.source)
        .options(contains_eager(Wish.sample).contains_eager(Sample.source))
        .where(
            Wish.campaign_id == campaign_id,
            Wish.withdrawn_at.is_(None),
            Sample.status == SampleStatus.CANDIDATE,
            (Wish.kind == WishKind.VETO) | ~_fulfilled(),
        )
        .order_by(Wish.id)
    )
    return session.scalars(statement).all()


def page(session: Session, campaign_id: int, request: PageRequest) -> Sequence[Wish]:
    """Every wish of the campaign, withdrawn ones included, oldest first."""
    statement = select(Wish).where(Wish.campaign_id == campaign_id, Wish.id > request.after)
    return session.scalars(statement.order_by(Wish.id).limit(request.limit + 1)).all()
