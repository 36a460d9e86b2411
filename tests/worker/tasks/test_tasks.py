"""The tasks on real rows: claimed once, stored once, every end written down."""

import math
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from service.acquisitions import outcomes, simulations
from service.acquisitions import repository as acquisitions_repository
from service.acquisitions import service as acquisitions
from service.acquisitions.schemas import AcquisitionConfiguration, AcquisitionRequest, Completion
from service.campaigns import service as campaigns
from service.database.engine import unit_of_work
from service.database.models import (
    AcquisitionRound,
    DataValue,
    RankedCandidate,
    Recommendation,
    Sample,
    SimulationRun,
    Surrogate,
    SurrogatePromotion,
    ValuationRun,
)
from service.lifecycles import RecommendationStatus, RunStatus
from service.runs import service as runs
from service.settings import get_settings
from service.valuations import service as valuations
from service.valuations.schemas import ValuationConfiguration, ValuationRequest
from service.vocabulary import Arm, GateOutcome
from tests.worker.campaign import CAMPAIGN, rows, store
from worker.demo.data import campaign_document
from worker.simulation import sample_fleet
from worker.storing import finite_document
from worker.tasks import valuation
from worker.tasks.acquisition import acquisition_rank
from worker.tasks.lifecycle import ActiveRun, execute
from worker.tasks.simulation import simulation_run
from worker.tasks.valuation import configuration_of, valuation_run

Sessions = sessionmaker[Session]
QUICK = ValuationConfiguration(epochs=20, ensemble=4)


def request_valuation(sessions: Sessions, campaign_id: int, seed: int = 0) -> int:
    with unit_of_work(sessions) as session:
        campaign = campaigns.get(session, campaign_id)
        request = ValuationRequest(configuration=QUICK, seed=seed)
        return valuations.request_run(session, campaign, request, actor="test").id


def request_round(sessions: Sessions, campaign_id: int, **configuration: Any) -> int:
    with unit_of_work(sessions) as session:
        campaign = campaigns.get(session, campaign_id)
        request = AcquisitionRequest(
            configuration=AcquisitionConfiguration.model_validate({"batch_size": 5, **configuration})
        )
        return acquisitions.request_round(session, campaign, request, actor="test").id


def read(sessions: Sessions, kind: type[Any], key: int) -> Any:
    with sessions() as session:
        return session.get_one(kind, key)


def valued_campaign(sessions: Sessions, candidates: int = 30) -> int:
    campaign_id = store(sessions, rows(24, candidates, holdout=8))
    valuation_run(request_valuation(sessions, campaign_id))
    return campaign_id


def recommendations(sessions: Sessions, round_id: int) -> list[Recommendation]:
    with sessions() as session:
        statement = (
            select(Recommendation).where(Recommendation.round_id == round_id).order_by(Recommendation.rank)
        )
        return list(session.scalars(statement))


def test_a_valuation_run_stores_values_surrogate_and_snapshot(worker_sessions: Sessions) -> None:
    campaign_id = store(worker_sessions, rows(24, 6, holdout=8))
    run_id = request_valuation(worker_sessions, campaign_id)
    valuation_run(run_id)
    run = read(worker_sessions, ValuationRun, run_id)
    assert (run.status, run.progress, run.device) == (RunStatus.SUCCEEDED, 1.0, "cpu")
    assert run.metrics["measured_on"] == "holdout"
    assert run.metrics["rmse"] < run.metrics["baseline_rmse"]
    assert len(run.data_hash) == 64
    with worker_sessions() as session:
        values = session.scalars(select(DataValue).where(DataValue.valuation_run_id == run_id)).all()
        assert sorted(value.rank for value in values) == list(range(1, 25))
        assert sum(value.weight for value in values) == pytest.approx(24)
        surrogate = session.scalars(select(Surrogate)).one()
        assert surrogate.metrics == run.metrics
        held_out = session.scalars(
            select(Sample.id).where(Sample.split == "holdout").order_by(Sample.id)
        ).all()
        assert surrogate.assessment["holdout"]["sample_ids"] == held_out
        promotion = session.scalars(select(SurrogatePromotion)).one()
        assert (promotion.surrogate_id, promotion.outcome) == (surrogate.id, GateOutcome.FIRST)


def test_the_load_case_of_the_campaign_has_figures_of_its_own(worker_sessions: Sessions) -> None:
    *others, body = CAMPAIGN["feature_schema"]
    document = CAMPAIGN | {"feature_schema": [*others, body | {"load_case": True}]}
    run_id = request_valuation(worker_sessions, store(worker_sessions, rows(24, 6, holdout=8), document))
    valuation_run(run_id)
    found = read(worker_sessions, ValuationRun, run_id).metrics
    assert set(found["holdout"]["load_cases"]) <= {"sedan", "suv"}
    assert sum(case["rows"] for case in found["holdout"]["load_cases"].values()) == 8
    assert sum(case["rows"] for case in found["out_of_fold"]["plain"]["load_cases"].values()) == 24


def test_the_configuration_of_the_request_is_that_of_the_computation() -> None:
    request = ValuationConfiguration(mode="normalized", epochs=20, ensemble=4)
    found = configuration_of(request.model_dump(mode="json"))
    assert (found.mode, found.epochs, found.members) == ("normalized", 20, 4)


def test_numbers_that_are_not_finite_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"holdout\.rmse is nan: nothing is stored"):
        finite_document({"a": 1.0, "holdout": {"rows": 3, "rmse": math.nan}})


def test_the_same_seed_and_data_give_the_same_bytes(worker_sessions: Sessions) -> None:
    campaign_id = store(worker_sessions, rows(24, 6))
    for seed in (3, 3, 4):
        valuation_run(request_valuation(worker_sessions, campaign_id, seed))
    with worker_sessions() as session:
        first, same, other = session.scalars(select(Surrogate.artefact_sha256).order_by(Surrogate.id))
    assert first == same
    assert first != other


def test_a_message_that_comes_twice_computes_once(worker_sessions: Sessions) -> None:
    run_id = request_valuation(worker_sessions, store(worker_sessions, rows(24, 6)))
    valuation_run(run_id)
    finished = read(worker_sessions, ValuationRun, run_id).finished_at
    valuation_run(run_id)
    assert read(worker_sessions, ValuationRun, run_id).finished_at == finished
    assert read(worker_sessions, ValuationRun, run_id).attempt == 1


def test_a_result_that_comes_too_late_is_noted_and_not_stored(
    worker_sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that stood still for a long time comes to its end after another one has done the run."""
    run_id = request_valuation(worker_sessions, store(worker_sessions, rows(24, 6)))
    real = valuation.store_valuation

    def then_store(*arguments: Any) -> None:
        monkeypatch.setattr(valuation, "store_valuation", real)
        with unit_of_work(worker_sessions) as session:
            row = session.get_one(ValuationRun, run_id)
            runs.lose(session, row, attempts=3, reason="no sign of life")
            row.worker = "nobody"  # else the heartbeat takes the run back
        valuation_run(run_id)
        real(*arguments)

    monkeypatch.setattr(valuation, "store_valuation", then_store)
    valuation_run(run_id)
    with worker_sessions() as session:
        surrogate = session.scalars(select(Surrogate)).one()
        assert len(session.scalars(select(DataValue)).all()) == 24
        history = runs.history(session, session.get_one(ValuationRun, run_id))
    assert [(line.attempt, line.outcome.value) for line in history] == [
        (1, "lost"),
        (2, "succeeded"),
        (1, "late"),
    ]
    assert history[2].artefact_sha256 == surrogate.artefact_sha256  # it would have been the same
    assert history[2].metrics == surrogate.metrics


def test_labels_without_variance_fail_the_run_with_a_remedy(worker_sessions: Sessions) -> None:
    same = [row | {"target": 20.0} for row in rows(24, 0)]
    run_id = request_valuation(worker_sessions, store(worker_sessions, same))
    valuation_run(run_id)
    run = read(worker_sessions, ValuationRun, run_id)
    assert run.status is RunStatus.FAILED
    assert run.error_code == "invalid_data"
    assert "target" in run.error_message


def test_a_cancelled_run_stops_at_its_next_report(worker_sessions: Sessions) -> None:
    run_id = request_valuation(worker_sessions, store(worker_sessions, rows(24, 6)))

    def compute(run: ActiveRun) -> None:
        run.report(0.1, "started")
        with unit_of_work(worker_sessions) as session:
            valuations.cancel(session, run_id, actor="test")
        run.beat()
        run.report(0.2, "never written")
        raise AssertionError("the report must end the run")

    execute(ValuationRun, run_id, compute, sessions=worker_sessions, settings=get_settings())
    run = read(worker_sessions, ValuationRun, run_id)
    assert run.status is RunStatus.CANCELLED
    assert run.progress_message == "cancelled while it ran"


def test_a_run_cancelled_while_it_waits_is_never_computed(worker_sessions: Sessions) -> None:
    run_id = request_valuation(worker_sessions, store(worker_sessions, rows(24, 6)))
    with unit_of_work(worker_sessions) as session:
        valuations.cancel(session, run_id, actor="test")
    valuation_run(run_id)
    assert read(worker_sessions, ValuationRun, run_id).attempt == 0


def lose(sessions: Sessions, run_id: int) -> Callable[[ActiveRun], None]:
    """A computation during which another worker takes the run over."""

    def compute(run: ActiveRun) -> None:
        with unit_of_work(sessions) as session:
            session.get_one(ValuationRun, run_id).attempt += 1
        run.beat()
        run.report(0.5, "too late")

    return compute


def test_a_lost_run_is_left_to_its_new_owner(worker_sessions: Sessions) -> None:
    run_id = request_valuation(worker_sessions, store(worker_sessions, rows(24, 6)))
    execute(
        ValuationRun, run_id, lose(worker_sessions, run_id), sessions=worker_sessions, settings=get_settings()
    )
    run = read(worker_sessions, ValuationRun, run_id)
    assert (run.status, run.attempt) == (RunStatus.RUNNING, 2)


def test_an_unexpected_error_is_written_down_and_raised(worker_sessions: Sessions) -> None:
    run_id = request_valuation(worker_sessions, store(worker_sessions, rows(24, 6)))

    def compute(_run: ActiveRun) -> None:
        raise ZeroDivisionError("the network went flat")

    with pytest.raises(ZeroDivisionError):
        execute(ValuationRun, run_id, compute, sessions=worker_sessions, settings=get_settings())
    run = read(worker_sessions, ValuationRun, run_id)
    assert (run.status, run.error_code) == (RunStatus.FAILED, "internal")
    assert "the network went flat" in run.error_message


def test_two_rounds_that_store_the_same_candidate_at_once_leave_one(worker_sessions: Sessions) -> None:
    campaign_id = valued_campaign(worker_sessions)
    first, second = (request_round(worker_sessions, campaign_id) for _ in range(2))
    acquisition_rank(first)
    taken = recommendations(worker_sessions, first)[0]

    def propose_it_too(run: ActiveRun) -> None:
        with run.transaction() as session:
            columns = (
                "campaign_id",
                "sample_id",
                "score",
                "components",
                "reason",
                "acquisition_cost",
                "currency",
            )
            row = {name: getattr(taken, name) for name in columns}
            row |= {"round_id": second, "rank": 1, "arm": Arm.CHOSEN}
            acquisitions_repository.insert_recommendations(session, [row], actor="test")

    execute(AcquisitionRound, second, propose_it_too, sessions=worker_sessions, settings=get_settings())
    round_ = read(worker_sessions, AcquisitionRound, second)
    assert (round_.status, round_.error_code) == (RunStatus.FAILED, "conflict")
    assert "request this one again" in round_.error_message
    assert recommendations(worker_sessions, second) == []


def test_a_round_proposes_a_batch_within_the_budget(worker_sessions: Sessions) -> None:
    campaign_id = valued_campaign(worker_sessions)
    round_id = request_round(worker_sessions, campaign_id, budget="700000")
    acquisition_rank(round_id)
    round_ = read(worker_sessions, AcquisitionRound, round_id)
    assert round_.status is RunStatus.SUCCEEDED
    assert (round_.pool_size, round_.metrics["evidence"]) == (30, "not_enough_data")
    batch = recommendations(worker_sessions, round_id)
    assert [item.rank for item in batch] == list(range(1, len(batch) + 1))
    assert sum(item.acquisition_cost for item in batch) <= 700_000
    assert {item.status for item in batch} == {RecommendationStatus.PROPOSED}
    assert {item.arm for item in batch} == {Arm.CHOSEN, Arm.CONTROL}
    assert round_.metrics["target_sd_after"] < round_.metrics["target_sd_before"]
    assert all(item.reason and item.components["nearest_labelled"].startswith("row-") for item in batch)
    assert sum(item.components["gain_share"] for item in batch) == pytest.approx(1)
    for components in (item.components for item in batch):
        assert 0 < components["price_share"] <= 1
        assert (
            next(near["sample_id"] for near in components["neighbours"]) == components["nearest_labelled_id"]
        )
        assert all(near["target"] > 0 < near["data_weight"] for near in components["neighbours"])
        assert components["region"]["text"]
    assert all(item.components["region"]["text"] in item.reason for item in batch)


@pytest.mark.parametrize("strategy", ["variance_reduction", "lcmd", "random"])
def test_open_recommendations_are_never_proposed_again(worker_sessions: Sessions, strategy: str) -> None:
    campaign_id = valued_campaign(worker_sessions)
    proposed: list[int] = []
    for _ in range(2):
        round_id = request_round(worker_sessions, campaign_id, strategy=strategy)
        acquisition_rank(round_id)
        proposed += [item.sample_id for item in recommendations(worker_sessions, round_id)]
    assert len(proposed) == len(set(proposed)) == 10


def test_two_rounds_of_one_snapshot_are_the_same(worker_sessions: Sessions) -> None:
    campaign_id = valued_campaign(worker_sessions)
    picks = []
    for _ in range(2):
        round_id = request_round(worker_sessions, campaign_id)
        acquisition_rank(round_id)
        batch = recommendations(worker_sessions, round_id)
        picks.append([(item.sample_id, item.score, item.reason) for item in batch])
        with unit_of_work(worker_sessions) as session:
            for item in batch:
                acquisitions.change(
                    session, item.id, RecommendationStatus.REJECTED, actor="test", reason="again"
                )
    assert picks[0] == picks[1]


def ranking(sessions: Sessions, round_id: int) -> list[RankedCandidate]:
    with sessions() as session:
        statement = (
            select(RankedCandidate).where(RankedCandidate.round_id == round_id).order_by(RankedCandidate.rank)
        )
        return list(session.scalars(statement))


def test_a_ranking_is_kept_as_far_as_it_is_asked_for(worker_sessions: Sessions) -> None:
    campaign_id = valued_campaign(worker_sessions)
    kept = {}
    for stored_rows in (0, 8, 1000):
        round_id = request_round(worker_sessions, campaign_id, stored_rows=stored_rows)
        acquisition_rank(round_id)
        kept[stored_rows] = ranking(worker_sessions, round_id)
        batch = [item.sample_id for item in recommendations(worker_sessions, round_id)]
        assert [line.sample_id for line in kept[stored_rows][:5]] == batch[:stored_rows]
        with unit_of_work(worker_sessions) as session:
            for item in recommendations(worker_sessions, round_id):
                acquisitions.change(
                    session, item.id, RecommendationStatus.REJECTED, actor="test", reason="again"
                )
    assert [len(lines) for lines in kept.values()] == [0, 8, 30]
    assert [line.rank for line in kept[1000]] == list(range(1, 31))
    scores = [line.score for line in kept[1000][5:]]
    assert scores == sorted(scores, reverse=True)
    assert all(line.predicted_std > 0 and line.relevance == 1 and line.eligible for line in kept[1000])


def test_a_pool_without_candidates_fails_the_round_with_a_remedy(worker_sessions: Sessions) -> None:
    round_id = request_round(worker_sessions, valued_campaign(worker_sessions, candidates=0))
    acquisition_rank(round_id)
    round_ = read(worker_sessions, AcquisitionRound, round_id)
    assert round_.status is RunStatus.FAILED
    assert "pool" in round_.error_message


def test_a_budget_below_every_price_fails_the_round_with_a_remedy(worker_sessions: Sessions) -> None:
    round_id = request_round(worker_sessions, valued_campaign(worker_sessions), budget="10")
    acquisition_rank(round_id)
    round_ = read(worker_sessions, AcquisitionRound, round_id)
    assert round_.status is RunStatus.FAILED
    assert "budget" in round_.error_message.lower()


def test_pending_counts_as_known_and_results_as_labels(worker_sessions: Sessions) -> None:
    campaign_id = valued_campaign(worker_sessions)
    first = request_round(worker_sessions, campaign_id)
    acquisition_rank(first)
    approved, reported, *_ = recommendations(worker_sessions, first)
    with unit_of_work(worker_sessions) as session:
        for item in (approved, reported):
            acquisitions.change(session, item.id, RecommendationStatus.APPROVED, actor="test")
        acquisitions.change(session, reported.id, RecommendationStatus.ORDERED, actor="test")
        outcomes.complete(session, reported.id, Completion(target=25.0), actor="test")
    second = request_round(worker_sessions, campaign_id)
    acquisition_rank(second)
    metrics = read(worker_sessions, AcquisitionRound, second).metrics
    assert metrics["pending"] == 1
    assert "25 labelled" in metrics["evidence_sentence"]


def simulation_campaign(sessions: Sessions, generator: Any) -> int:
    """A campaign of the occupant model with one candidate simulation, proposed by hand-made rows."""
    designs = sample_fleet(26, generator)
    found = [
        {
            "external_id": f"s{number}",
            "source": "simulation",
            "planned_features": {key: value for key, value in design.items() if key != "platform"},
            **({"target": 20.0 + number % 7} if number < 25 else {}),
        }
        for number, design in enumerate(designs)
    ]
    document = campaign_document("simulated") | {
        "target_domain": {"conditions": [{"feature": "test_mass_kg", "minimum": 800}]}
    }
    return store(sessions, found, document)


def test_an_approved_simulation_is_run_and_comes_back_as_a_label(worker_sessions: Sessions, rng: Any) -> None:
    campaign_id = simulation_campaign(worker_sessions, rng)
    valuation_run(request_valuation(worker_sessions, campaign_id))
    round_id = request_round(worker_sessions, campaign_id, batch_size=1, control_fraction=0)
    acquisition_rank(round_id)
    (item,) = recommendations(worker_sessions, round_id)
    with unit_of_work(worker_sessions) as session:
        acquisitions.change(session, item.id, RecommendationStatus.APPROVED, actor="test")
        simulations.simulate(session, item.id, actor="test")
        run_id = session.scalars(select(SimulationRun.id)).one()
    simulation_run(run_id)
    simulation_run(run_id)  # delivered twice: nothing left to do
    assert read(worker_sessions, SimulationRun, run_id).status is RunStatus.SUCCEEDED
    assert read(worker_sessions, Recommendation, item.id).status is RecommendationStatus.COMPLETED
    sample = read(worker_sessions, Sample, item.sample_id)
    assert 5 < sample.target < 80
    assert sample.label_definition == "rolc/1"
    assert sample.executed_features["impact_speed_kmh"] == pytest.approx(
        sample.planned_features["impact_speed_kmh"], abs=2
    )
