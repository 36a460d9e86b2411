"""SQL of replays: their rows, and the samples, vetoes and recommendations as they stood at a moment in the past."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session, joinedload

from service.database.models import Recommendation, Replay
from service.pagination import PageRequest

# Temporary relations come before those of the schema: whatever reads `samples` reads this view, as it did the table.
_MOMENT = """
CREATE TEMPORARY VIEW moment AS SELECT current_setting('crashscout.moment')::timestamptz AS t
"""
_SAMPLES = """
CREATE TEMPORARY VIEW samples AS
SELECT s.id, s.campaign_id, s.source_id, s.upload_id, s.repeats_sample_id, s.external_id,
       CASE WHEN l.target IS NOT NULL THEN 'labelled'
            WHEN s.status = 'abandoned' AND EXISTS (
                SELECT FROM public.recommendations r
                JOIN public.recommendation_changes c ON c.recommendation_id = r.id
                WHERE r.sample_id = s.id AND c.to_status = 'abandoned' AND c.created_at <= moment.t
            ) THEN 'abandoned'
            ELSE 'candidate' END::varchar(32) AS status,
       s.split, s.group_name, s.planned_features,
       CASE WHEN l.target IS NOT NULL THEN s.executed_features END AS executed_features,
       l.target, l.label_definition, l.label_details, s.provenance, s.created_at,
       CASE WHEN l.target IS NOT NULL THEN s.labelled_at END AS labelled_at
FROM moment
JOIN public.samples s ON s.created_at <= moment.t
LEFT JOIN LATERAL (
    SELECT c.target, c.label_definition, c.label_details FROM public.label_changes c
    WHERE c.sample_id = s.id AND c.created_at <= moment.t ORDER BY c.id DESC LIMIT 1
) l ON true
"""
_RECOMMENDATIONS = """
CREATE TEMPORARY VIEW recommendations AS
SELECT r.id, r.campaign_id, r.round_id, r.sample_id, r.sample_split, r.rank, r.score, r.components, r.reason, r.arm,
       r.selection_probability, r.acquisition_cost, r.currency, r.is_late, r.created_at, r.changed_at,
       (SELECT c.to_status FROM public.recommendation_changes c
        WHERE c.recommendation_id = r.id AND c.created_at <= moment.t ORDER BY c.id DESC LIMIT 1) AS status
FROM moment JOIN public.recommendations r ON r.created_at <= moment.t
"""
_VETOES = """
CREATE TEMPORARY VIEW sample_vetoes AS
SELECT v.id, v.campaign_id, v.sample_id, v.reason, v.actor, v.created_at,
       CASE WHEN v.lifted_at <= moment.t THEN v.lifted_at END AS lifted_at
FROM moment JOIN public.sample_vetoes v ON v.created_at <= moment.t
"""


@contextmanager
def as_of(session: Session, moment: datetime) -> Iterator[None]:
    """Inside the block, this session reads samples, vetoes and recommendations as they stood at `moment`.

    Membership, labels and statuses come from the histories. Features have none: executed features are the present
    ones. Nothing is written, and the views are gone when the block ends: a savepoint is rolled back.

    Cost: one index look-up per sample more than a plain read.
    """
    savepoint = session.begin_nested()
    try:
        session.execute(
            text("SELECT set_config('crashscout.moment', :moment, true)"), {"moment": moment.isoformat()}
        )
        for view in (_MOMENT, _SAMPLES, _RECOMMENDATIONS, _VETOES):
            session.execute(text(view))
        yield
    finally:
        savepoint.rollback()


def add(session: Session, replay: Replay) -> Replay:
    session.add(replay)
    session.flush()  # the message and the Location header need the id
    return replay


def get(session: Session, replay_id: int) -> Replay | None:
    return session.get(Replay, replay_id)


def get_for_update(session: Session, replay_id: int) -> Replay | None:
    return session.get(Replay, replay_id, with_for_update=True)


def of_round(session: Session, round_id: int, request: PageRequest) -> Sequence[Replay]:
    statement = select(Replay).where(Replay.round_id == round_id, Replay.id > request.after)
    return session.scalars(statement.order_by(Replay.id).limit(request.limit + 1)).all()


def batch(session: Session, round_id: int) -> Sequence[Recommendation]:
    """The stored batch of a round in the order of its ranks."""
    statement = (
        select(Recommendation)
        .where(Recommendation.round_id == round_id)
        .options(joinedload(Recommendation.sample))
        .order_by(Recommendation.rank)
    )
    return session.scalars(statement).all()
