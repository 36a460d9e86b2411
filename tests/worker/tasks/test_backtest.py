"""A backtest on real rows, from the request to the evidence that a round uses."""

from typing import Any

import pytest
from sqlalchemy.orm import Session, sessionmaker

from service.backtests import service as backtests
from service.backtests.schemas import BacktestConfiguration, BacktestRequest
from service.campaigns import service as campaigns
from service.database.engine import unit_of_work
from service.database.models import AcquisitionRound, Backtest
from service.lifecycles import RunStatus
from tests.worker.campaign import rows, store
from tests.worker.tasks.test_tasks import read, request_round, request_valuation
from worker.acquisition.backtest import BacktestReport
from worker.tasks.acquisition import acquisition_rank
from worker.tasks.backtest import backtest_run
from worker.tasks.valuation import valuation_run

Sessions = sessionmaker[Session]
QUICK: dict[str, Any] = {
    "strategies": ["lcmd"], "initial": 10, "batch_size": 5, "rounds": 1, "repeats": 5, "label_precision": "equal",
}  # fmt: skip


def request_backtest(sessions: Sessions, campaign_id: int, seed: int = 0, **configuration: Any) -> int:
    with unit_of_work(sessions) as session:
        request = BacktestRequest(
            configuration=BacktestConfiguration.model_validate(QUICK | configuration), seed=seed
        )
        campaign = campaigns.get(session, campaign_id)
        return backtests.request_backtest(session, campaign, request, actor="test").id


def run(sessions: Sessions, campaign_id: int, **options: Any) -> Backtest:
    backtest_id = request_backtest(sessions, campaign_id, **options)
    backtest_run(backtest_id)
    row: Backtest = read(sessions, Backtest, backtest_id)
    assert row.status is RunStatus.SUCCEEDED, row.error_message
    return row


def test_a_backtest_stores_a_report_that_can_be_read_back(worker_sessions: Sessions) -> None:
    campaign_id = store(worker_sessions, rows(60, 5))
    row = run(worker_sessions, campaign_id)
    report = BacktestReport.from_document(row.metrics)
    assert report.to_document() == row.metrics
    assert [entry["strategy"] for entry in row.metrics["strategies"]] == ["lcmd", "as_bought"]
    assert (row.metrics["labelled"], row.progress) == (60, 1.0)
    with worker_sessions() as session:
        assert len(session.get_one(Backtest, row.id).sample_ids) == 60
    assert len(report.random_curve) == 2
    read_back = backtests.read(row)
    assert [found.strategy for found in read_back.evidence] == ["lcmd", "as_bought"]
    assert all(found.sentence and found.interval for found in read_back.evidence)


def test_too_few_labels_are_a_verdict_with_what_is_needed(worker_sessions: Sessions) -> None:
    row = run(worker_sessions, store(worker_sessions, rows(12, 5)), initial=50)
    assert row.metrics["verdict"] == "not_enough_data"
    assert row.metrics["reason"]
    assert row.metrics["reason"] in backtests.read(row).evidence[0].sentence


def test_equal_labels_fail_the_backtest_with_a_remedy(worker_sessions: Sessions) -> None:
    same = [row | {"target": 20.0} for row in rows(40, 0)]
    backtest_id = request_backtest(worker_sessions, store(worker_sessions, same))
    backtest_run(backtest_id)
    row = read(worker_sessions, Backtest, backtest_id)
    assert (row.status, row.error_code) == (RunStatus.FAILED, "invalid_data")
    assert "target" in row.error_message


@pytest.mark.parametrize("better", [True, False])
def test_auto_takes_what_the_frozen_backtest_supports(worker_sessions: Sessions, better: bool) -> None:
    campaign_id = store(worker_sessions, rows(40, 20))
    valuation_run(request_valuation(worker_sessions, campaign_id))
    row = run(worker_sessions, campaign_id)
    with unit_of_work(worker_sessions) as session:
        stored = session.get_one(Backtest, row.id)
        chosen = stored.metrics["auto"] | ({"strategy": "lcmd", "verdict": "better"} if better else {})
        stored.metrics = stored.metrics | {"auto": chosen}
    round_id = request_round(worker_sessions, campaign_id, strategy="auto")
    acquisition_rank(round_id)
    round_ = read(worker_sessions, AcquisitionRound, round_id)
    assert round_.status is RunStatus.SUCCEEDED, round_.error_message
    assert round_.backtest_id == row.id
    assert round_.metrics["strategy"] == chosen["strategy"]
    assert round_.metrics["evidence"] == chosen["verdict"]
    assert round_.metrics["evidence_sentence"] == chosen["sentence"]
