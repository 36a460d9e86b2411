"""Rules of replays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from service.acquisitions import service as acquisitions
from service.database.models import Replay
from service.errors import ConflictError, NotFoundError
from service.lifecycles import RunStatus
from service.pagination import PageRequest, cut_page
from service.replays import repository
from service.runs import service as runs

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def request_replay(session: Session, round_id: int, *, actor: str) -> Replay:
    """A queued replay of a succeeded round.

    Raises:
        NotFoundError: if there is no such round.
        ConflictError: if it has not succeeded, is a dry run, or its moment was not kept.
    """
    round_ = acquisitions.get_round(session, round_id)
    if round_.status is not RunStatus.SUCCEEDED:
        message = f"Round {round_id} is {round_.status}: there is no ranking to compare with."
        raise ConflictError(message, hint="Wait until it has succeeded.")
    if round_.dry_run:
        message = f"Round {round_id} is a dry run: it has proposed nothing that could be compared."
        raise ConflictError(message, hint="Request another dry run with the same seed.")
    if round_.frozen_at is None:
        message = f"Round {round_id} was ranked before the moment of the snapshot was kept."
        raise ConflictError(message, hint="Request a new round; that can be replayed.")
    replay = Replay(
        campaign_id=round_.campaign_id,
        round_id=round_.id,
        configuration=round_.configuration,
        seed=round_.seed,
        requested_by=actor,
    )
    repository.add(session, replay)
    runs.submit(session, replay, actor=actor)
    return replay


def get(session: Session, replay_id: int) -> Replay:
    """The replay.

    Raises:
        NotFoundError: if there is none with this id.
    """
    replay = repository.get(session, replay_id)
    if replay is None:
        raise NotFoundError(f"There is no replay {replay_id}.")
    return replay


def cancel(session: Session, replay_id: int, *, actor: str) -> Replay:
    """Cancel the replay.

    Raises:
        NotFoundError: if there is none with this id.
        ConflictError: if it has ended already.
    """
    replay = repository.get_for_update(session, replay_id)
    if replay is None:
        raise NotFoundError(f"There is no replay {replay_id}.")
    runs.cancel(session, replay, actor=actor)
    return replay


def page(session: Session, round_id: int, request: PageRequest) -> tuple[Sequence[Replay], bool]:
    """Replays of a round, oldest first.

    Raises:
        NotFoundError: if there is no such round.
    """
    acquisitions.get_round(session, round_id)
    return cut_page(repository.of_round(session, round_id, request), request.limit)
