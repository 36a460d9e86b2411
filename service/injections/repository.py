"""SQL of injections."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import ColumnElement, exists, select
from sqlalchemy.orm import Session, contains_eager

from service.database.models import Injection, Recommendation, Sample
from service.pagination import PageRequest
from service.vocabulary import SampleStatus


def add(session: Session, injections: Iterable[Injection]) -> None:
    session.add_all(injections)
    session.flush()  # callers want the ids


def get(session: Session, injection_id: int) -> Injection | None:
    return session.get(Injection, injection_id)


def get_for_update(session: Session, injection_id: int) -> Injection | None:
    return session.get(Injection, injection_id, with_for_update=True)


def standing_for(session: Session, sample_ids: Iterable[int]) -> Sequence[Injection]:
    """Injections for these samples that nobody has withdrawn, locked."""
    statement = select(Injection).where(
        Injection.sample_id.in_(list(sample_ids)), Injection.withdrawn_at.is_(None)
    )
    return session.scalars(statement.order_by(Injection.id).with_for_update()).all()


def _fulfilled() -> ColumnElement[bool]:
    """A round has proposed the sample since it was injected."""
    return exists().where(
        Recommendation.sample_id == Injection.sample_id, Recommendation.created_at >= Injection.created_at
    )


def standing(session: Session, campaign_id: int) -> Sequence[Injection]:
    """What shall be in the next round, with samples, their vetoes and sources, oldest first."""
    statement = (
        select(Injection)
        .join(Injection.sample)
        .join(Sample.source)
        .outerjoin(Sample.veto)
        .options(
            contains_eager(Injection.sample).options(
                contains_eager(Sample.source), contains_eager(Sample.veto)
            )
        )
        .where(
            Injection.campaign_id == campaign_id,
            Injection.withdrawn_at.is_(None),
            Sample.status == SampleStatus.CANDIDATE,
            ~_fulfilled(),
        )
        .order_by(Injection.id)
    )
    return session.scalars(statement).all()


def page(session: Session, campaign_id: int, request: PageRequest) -> Sequence[Injection]:
    """Every injection of the campaign, withdrawn ones included, oldest first."""
    statement = select(Injection).where(Injection.campaign_id == campaign_id, Injection.id > request.after)
    return session.scalars(statement.order_by(Injection.id).limit(request.limit + 1)).all()
