"""A campaign some months old: rounds with results, surrogates, a backtest, a schedule, an open round."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session, sessionmaker

from service.database.engine import unit_of_work
from service.database.models import (
    AcquisitionRound,
    Backtest,
    Campaign,
    CampaignRound,
    DataValue,
    Recommendation,
    Schedule,
    Surrogate,
    ValuationRun,
)
from service.lifecycles import RecommendationStatus, RoundStep, RunStatus
from service.vocabulary import Arm, MisfireRule, ScheduledAction, TriggerKind
from tests.service.admin.rows import Rows, add_campaign, new_run
from tests.service.ledger.rows import Pick, add_round, add_surrogate

RMSE = (2.31, 1.98, 1.74, 1.69)
CONFIGURATION = {
    "strategies": ["variance_reduction", "lcmd"], "initial": 50, "batch_size": 10, "rounds": 5, "repeats": 10,
    "holdout_fraction": 0.2, "budget": None, "cost_exponent": 0.5, "label_precision": "lossval", "as_bought": True,
}  # fmt: skip


@dataclass(frozen=True)
class Story:
    """Ids of what `tell` stored; `rows` is the campaign that it began with."""

    rows: Rows
    backtest_id: int
    round_id: int

    @property
    def campaign_id(self) -> int:
        return self.rows.campaign_id


def tell(sessions: sessionmaker[Session], **changes: Any) -> Story:
    """Three rounds of eight picks, six chosen and two at random, each learned from; then an open round decides."""
    rows = add_campaign(sessions, stop_rule={"target_error": 1.5, "value_per_unit": "4000000"}, **changes)
    with unit_of_work(sessions) as session:
        before = session.query(Surrogate).filter_by(campaign_id=rows.campaign_id).one().id
    learned: list[int] = []
    for number, rmse in enumerate(RMSE[1:]):
        learned += add_round(sessions, rows.campaign_id, before, picks_of(number))
        report = {
            "rmse": rmse,
            "mae": rmse / 1.31,
            "q95_error": 1.9 * rmse,
            "max_error": 2.6 * rmse,
            "rows": 2,
        }
        holdout = {"measured_samples": 2, "serving": "weighted", "holdout": report}
        before = add_surrogate(sessions, rows.campaign_id, rmse, learned, **holdout)
    _give_values(sessions, rows.campaign_id)
    _date_back(sessions, rows.campaign_id)
    backtest_id = add_backtest(sessions, rows.campaign_id)
    with unit_of_work(sessions) as session:
        session.add(_schedule(rows.campaign_id))
        round_ = _open_round(rows)
        session.add(round_)
        session.flush()
        return Story(rows, backtest_id, round_.id)


def picks_of(number: int) -> list[Pick]:
    """The surrogate was more wrong at what it chose than at what was drawn at random."""
    components = {"information": 0.17 - 0.03 * number, "predicted_std": 2.4 - 0.3 * number}
    chosen = [
        Pick(26.0 + index, 26.0 + index + sign * (2.4 + 0.2 * index - 0.4 * number), components=components)
        for index, sign in enumerate((1, -1, 1, 1, -1, 1))
    ]
    control = [
        Pick(27.0, 27.0 + shift, Arm.CONTROL, probability=0.2, components=components) for shift in (0.9, -1.3)
    ]
    return chosen + control


def _give_values(sessions: sessionmaker[Session], campaign_id: int) -> None:
    """Runs know the figures of their surrogates; one sample of each has a doubtful label."""
    with unit_of_work(sessions) as session:
        for surrogate in session.query(Surrogate).filter_by(campaign_id=campaign_id):
            run = session.get_one(ValuationRun, surrogate.valuation_run_id)
            run.metrics = {"baseline_rmse": 3.982, "r2": 0.7} | surrogate.metrics
            rows = session.query(DataValue).filter_by(valuation_run_id=run.id).order_by(DataValue.rank).all()
            for row in rows:
                row.value = row.value_target_loss = 0.1 if row is rows[-1] else 0.97
                row.value_transport = 0.9


def _date_back(sessions: sessionmaker[Session], campaign_id: int) -> None:
    """A month between rounds."""
    with unit_of_work(sessions) as session:
        now = datetime.now(UTC)
        for kind in (AcquisitionRound, Surrogate, ValuationRun):
            found = session.query(kind).filter_by(campaign_id=campaign_id).order_by(kind.id).all()
            for age, row in enumerate(reversed(found)):
                row.created_at = now - timedelta(days=30 * age + 1)
        done = session.query(Recommendation).filter_by(status=RecommendationStatus.COMPLETED)
        for row in done.filter_by(campaign_id=campaign_id):
            row.changed_at = now - timedelta(days=2)
        found = session.get_one(Campaign, campaign_id)
        found.budget = 10_000_000


def _schedule(campaign_id: int) -> Schedule:
    return Schedule(
        campaign_id=campaign_id, name="every night", trigger_kind=TriggerKind.CRON,
        trigger={"kind": "cron", "expression": "0 2 * * *"}, time_zone="Europe/Berlin", misfire=MisfireRule.RUN_ONCE,
        action=ScheduledAction.ROUND, configuration={}, next_due_at=datetime.now(UTC) + timedelta(hours=9),
        created_by="tester",
    )  # fmt: skip


def _open_round(rows: Rows) -> CampaignRound:
    """The round that proposed the designs of `add_campaign`, which wait for a decision."""
    return CampaignRound(
        campaign_id=rows.campaign_id, step=RoundStep.DECIDE, configuration={}, valuation_run_id=rows.run_id,
        acquisition_round_id=rows.round_id, decide_by=datetime.now(UTC) + timedelta(hours=30), requested_by="schedule",
    )  # fmt: skip


def curve(start: float, fall: float) -> list[dict[str, float]]:
    """Six points: the initial set and five batches."""
    errors = [start * (1 - fall) ** number for number in range(6)]
    return [
        {"round": number, "labels": 50.0 + 10 * number, "acquisition_cost": 3.0e6 * number, "rmse": rmse,
         "q95_error": 1.9 * rmse, "max_error": 2.7 * rmse,
         "rmse_low": 0.92 * rmse, "rmse_high": 1.1 * rmse}
        for number, rmse in enumerate(errors)
    ]  # fmt: skip


def strategy(name: str, verdict: str, middle: float, half: float, **changes: Any) -> dict[str, Any]:
    """One strategy of a report; `middle` and `half` of the interval of its log ratio."""
    saved = {"amount": 18.0, "share": 0.36, "interval": [0.2, 0.5]}
    return {
        "strategy": name, "verdict": verdict, "sentence": f"{name}: {verdict}.", "log_ratio": middle,
        "interval": [middle - half, middle + half], "bootstrap_interval": [middle - half / 2, middle + half / 2],
        "learns": True, "log_ratios": [middle + shift * half for shift in (-0.9, -0.4, -0.1, 0.2, 0.5, 0.7)],
        "labels_saved": saved, "money_saved": saved | {"amount": 5.4e6}, "curve": curve(3.1, 0.09 - middle / 4),
    } | changes  # fmt: skip


def report(**changes: Any) -> dict[str, Any]:
    """Of a backtest in which variance reduction was better than random picks, and LCMD not."""
    figures = "RMSE −20 % against random (95 % interval −29 % to −9 %)"
    better = f"Better than random picks. With variance reduction: {figures}."
    lcmd = "Not better than random picks. With lcmd: RMSE −3 % against random (95 % interval −14 % to +10 %)."
    none_saved = {"amount": -2.0, "share": -0.04, "interval": [-0.2, 0.15]}
    entries = [
        strategy("variance_reduction", "better", -0.22, 0.12, sentence=better),
        strategy(
            "lcmd",
            "not_better",
            -0.03,
            0.12,
            sentence=lcmd,
            labels_saved=none_saved,
            money_saved=none_saved | {"amount": -6e5},
        ),
        strategy("as_bought", "not_better", 0.05, 0.15, labels_saved=None, money_saved=None),
    ]
    return {
        "version": 1, "verdict": "better", "strategies": entries, "random_curve": curve(3.1, 0.08),
        "auto": entries[0] | {"sentence": better}, "reason": "", "labelled": 142, "holdout_rows": 28.0, "groups": 61,
        "repeats": 10, "level": 0.95, "configuration": CONFIGURATION,
    } | changes  # fmt: skip


def add_backtest(
    sessions: sessionmaker[Session], campaign_id: int, status: RunStatus = RunStatus.SUCCEEDED, **changes: Any
) -> int:
    with unit_of_work(sessions) as session:
        columns = {
            "configuration": CONFIGURATION,
            "metrics": report() if status is RunStatus.SUCCEEDED else None,
        }
        backtest = new_run(Backtest, campaign_id, status, **(columns | changes))
        session.add(backtest)
        session.flush()
        return backtest.id
