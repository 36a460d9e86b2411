"""`acquisition.replay`: rank a round once more on what it saw, and compare."""

from __future__ import annotations

from service.acquisitions import service as acquisitions
from service.campaigns import service as campaigns
from service.database.models import Replay
from service.errors import ConflictError
from service.lifecycles import RunStatus
from service.replays import repository as replays
from service.runs import repository as runs
from service.settings import get_settings
from worker import process
from worker.advice import advice_for
from worker.device import choose_device
from worker.loading import load_snapshot
from worker.replays import compare, compared_ids, data_differences, replayed_lines, stored_lines
from worker.round_rules import grouping_of
from worker.rounds import rank_snapshot
from worker.storing import load_surrogate, recommendation_rows
from worker.tasks.lifecycle import ActiveRun, execute


def acquisition_replay(replay_id: int) -> None:
    """Claim the replay, compute without a transaction, store the comparison once; nothing is proposed."""
    execute(Replay, replay_id, _compute, sessions=process.sessions(), settings=get_settings())


def _compute(run: ActiveRun) -> None:
    row, device = run.row, choose_device(get_settings().device)
    assert isinstance(row, Replay)
    with run.transaction(frozen=True) as session:
        round_, campaign = (
            acquisitions.get_round(session, row.round_id),
            campaigns.get(session, row.campaign_id),
        )
        if (moment := round_.frozen_at) is None:
            raise ConflictError("The moment of the round was not kept.", hint="Request a new round.")
        stored = stored_lines(replays.batch(session, round_.id))
        served, advice = load_surrogate(session, round_), advice_for(session, round_)
        with replays.as_of(session, moment):
            snapshot = load_snapshot(
                session,
                campaign,
                seed=round_.seed,
                encoder=served.surrogate.encoder,
                grouping=grouping_of(round_.configuration),
            )
        same_data = snapshot.data_hash == round_.data_hash
        changed = [] if same_data else data_differences(round_, snapshot.sample_ids)
    with run.transaction() as session:
        runs.annotate(
            session,
            Replay,
            row,
            sample_ids=snapshot.sample_ids,
            data_hash=snapshot.data_hash,
            device=str(device),
        )
    with run.interruptible():
        ranking = rank_snapshot(
            snapshot, campaign, served, round_, strategy=advice.strategy, device=device, progress=run.report
        )
    replayed = replayed_lines(
        recommendation_rows(round_, campaign, snapshot, ranking, compared_ids(snapshot, ranking))
    )
    found = compare(stored, replayed) | {"same_data": same_data, "data_differences": changed}
    with run.transaction() as session:
        runs.finish(
            session, Replay, row, RunStatus.SUCCEEDED, metrics=found, progress=1.0, progress_message="done"
        )
