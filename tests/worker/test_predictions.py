"""Predictions without torch: equal to those of the worker, in every mode whose networks can serve, and over HTTP."""

from typing import Any

import numpy as np
import pytest
import torch
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.campaigns import service as campaigns
from service.database.engine import unit_of_work
from service.database.models import Surrogate as SurrogateRow
from service.errors import ConflictError
from service.predictions.network import StoredSurrogate
from service.predictions.service import MOST_CACHED, Predictors
from service.predictions.support import Support
from service.valuations import service as valuations
from service.valuations.schemas import ValuationConfiguration, ValuationRequest
from tests.support import API, assert_problem, create_campaign, pointers
from tests.worker.campaign import rows as campaign_rows
from tests.worker.campaign import store
from tests.worker.tasks.test_tasks import request_valuation, valued_campaign
from worker.lossval.encoding import FeatureEncoder, FeatureSpec
from worker.lossval.intervals import Calibration
from worker.lossval.network import EnsembleNetwork
from worker.lossval.surrogate import Surrogate, TargetScaling
from worker.tasks.valuation import valuation_run

Sessions = sessionmaker[Session]
FEATURES = [
    FeatureSpec("speed", "continuous"),
    FeatureSpec("bags", "integer"),
    FeatureSpec("belt", "boolean"),
    FeatureSpec("body", "categorical", ("sedan", "suv", "van")),
    FeatureSpec("constant", "continuous"),
]


def random_rows(rng: np.random.Generator, count: int, *, missing: float) -> list[dict[str, Any]]:
    return [
        {
            "speed": None if rng.random() < missing else float(rng.normal(50, 8)),
            "bags": int(rng.integers(0, 9)),
            "belt": bool(rng.random() < 0.5),
            "body": None if rng.random() < missing else str(rng.choice(["sedan", "suv", "lorry"])),
            "constant": 3.0,
        }
        for _ in range(count)
    ]


def random_surrogate(
    rng: np.random.Generator, *, missing: float, members: int, hidden: list[int]
) -> Surrogate:
    encoder = FeatureEncoder.fit(FEATURES, random_rows(rng, 200, missing=missing))
    generator = torch.Generator().manual_seed(int(rng.integers(1000)))
    network = EnsembleNetwork(members, len(encoder.columns), hidden, 1, generator=generator)
    scores = np.sort(rng.exponential(size=50))
    calibration = Calibration(1.3, scores, np.arange(1, 51) / 51, 0.05)
    return Surrogate(encoder, network, TargetScaling(25.0, 4.0), 0.7, 1.0, calibration)


@pytest.mark.parametrize("missing", [0.0, 0.2])
@pytest.mark.parametrize(("members", "hidden"), [(2, [8]), (8, [64, 64]), (3, [])])
def test_numpy_predicts_what_torch_predicts(
    rng: np.random.Generator, missing: float, members: int, hidden: list[int]
) -> None:
    original = random_surrogate(rng, missing=missing, members=members, hidden=hidden)
    stored = StoredSurrogate.from_bytes(original.to_bytes())
    rows = random_rows(rng, 9000, missing=0.3)  # more than one block
    np.testing.assert_array_equal(stored.encoder.transform(rows), original.encoder.transform(rows))
    assert [name for name, _ in stored.encoder.columns] == [
        column.partition("=")[0] for column in original.encoder.columns
    ]
    found = stored.predict(rows)
    mean, std = original.predict(rows)
    np.testing.assert_allclose(found.mean, mean, rtol=1e-5)
    np.testing.assert_allclose(found.std, std, rtol=1e-4)
    lower, upper = original.interval(rows, 0.9)
    assert found.half_width is not None
    np.testing.assert_allclose(found.mean - found.half_width, lower, rtol=1e-4)
    np.testing.assert_allclose(found.mean + found.half_width, upper, rtol=1e-4)


def test_bytes_that_are_no_surrogate_are_refused(rng: np.random.Generator) -> None:
    whole = random_surrogate(rng, missing=0, members=2, hidden=[4]).to_bytes()
    for damaged in (b"", b"weights", whole[:-8], whole.replace(b'version\\": 2', b'version\\": 9')):
        assert damaged != whole
        with pytest.raises(ConflictError, match="cannot be read"):
            StoredSurrogate.from_bytes(damaged)


def test_the_support_ends_where_labelled_designs_are_lonely() -> None:
    line = np.stack([np.arange(101.0), np.zeros(101)], axis=1)
    support = Support.of(line, [("a", False), ("body", True)])
    assert support.limit == pytest.approx(1 / np.sqrt(2))  # every design keeps a distance of one
    outside = support.judge(np.array([[50.5, 0.0], [101.0, 0.0], [101.5, 0.0], [-9.0, 0.0], [50.0, 1.0]]))
    assert outside.ratio.tolist() == pytest.approx([0.5, 1.0, 1.5, 9.0, 1.0])
    assert outside.is_outside.tolist() == [False, False, True, True, True]
    assert outside.features == [[], ["a"], ["a"], ["a"], ["body"]]
    assert Support.of(line[:1], support.columns).judge(line[:2]).is_outside.tolist() == [False, True]


def designs(**changes: Any) -> list[dict[str, Any]]:
    features = {"impact_speed_kmh": 50.0, "test_mass_kg": 2000.0, "body": "suv"}
    return [
        {"source": source, "planned_features": features | changes}
        for source in ("full_vehicle", "simulation")
    ]


def predict(client: TestClient, campaign_id: int, found: list[dict[str, Any]], **more: Any) -> Any:
    return client.post(f"{API}/campaigns/{campaign_id}/predictions", json={"designs": found, **more})


@pytest.mark.parametrize("mode", ["normalized", "published"])
def test_the_served_surrogate_of_each_mode_answers_over_http(
    worker_sessions: Sessions, client: TestClient, mode: str
) -> None:
    campaign_id = store(worker_sessions, campaign_rows(24, 4, holdout=8))
    with unit_of_work(worker_sessions) as session:
        request = ValuationRequest(configuration=ValuationConfiguration(mode=mode, epochs=20, ensemble=4))
        campaign = campaigns.get(session, campaign_id)
        run_id = valuations.request_run(session, campaign, request, actor="test").id
    valuation_run(run_id)
    with worker_sessions() as session:
        artefact = session.scalars(select(SurrogateRow.artefact)).one()
    assert artefact is not None
    original = Surrogate.from_bytes(artefact)
    posted = [*designs(), *designs(test_mass_kg=None)]
    response = predict(client, campaign_id, posted)
    assert response.status_code == 200, response.text
    rows = [{**design["planned_features"], "source": design["source"]} for design in posted]
    mean, std = original.predict(rows)
    lower, upper = original.interval(rows)
    found = response.json()["predictions"]
    assert [line["predicted"] for line in found] == pytest.approx(mean.tolist(), rel=1e-5)
    assert [line["predicted_std"] for line in found] == pytest.approx(std.tolist(), rel=1e-4)
    assert [line["interval_90"][0] for line in found] == pytest.approx(lower.tolist(), rel=1e-4)
    assert [line["interval_90"][1] for line in found] == pytest.approx(upper.tolist(), rel=1e-4)
    assert response.json()["target_unit"] == "g"


def test_far_designs_are_marked(worker_sessions: Sessions, client: TestClient) -> None:
    campaign_id = valued_campaign(worker_sessions)
    near, far = (
        predict(client, campaign_id, designs(impact_speed_kmh=speed)).json()["predictions"][0]
        for speed in (50.0, 79.0)
    )
    assert not near["outside_support"]
    assert near["outside_features"] == []
    assert far["outside_support"]
    assert far["support_ratio"] > 1 > near["support_ratio"]
    assert far["outside_features"] == ["impact_speed_kmh"]


def test_without_a_surrogate_the_way_to_one_is_named(client: TestClient) -> None:
    campaign_id = create_campaign(client)
    problem = assert_problem(predict(client, campaign_id, designs()), 409, "conflict")
    assert "valuation-runs" in problem["hint"]


def test_bad_designs_are_named_and_old_surrogates_can_be_asked(
    worker_sessions: Sessions, client: TestClient
) -> None:
    campaign_id = valued_campaign(worker_sessions, candidates=3)
    bad = [*designs(), {"source": "full_vehicle", "planned_features": {"impact_speed_kmh": 5, "body": "suv"}}]
    problem = assert_problem(predict(client, campaign_id, bad), 422, "invalid_input")
    assert list(pointers(problem)) == ["/designs/2/planned_features/impact_speed_kmh"]
    first = predict(client, campaign_id, designs()).json()
    valuation_run(request_valuation(worker_sessions, campaign_id, seed=9))
    newest = predict(client, campaign_id, designs()).json()
    assert newest["surrogate_id"] > first["surrogate_id"]
    assert predict(client, campaign_id, designs(), surrogate_id=first["surrogate_id"]).json() == first
    assert len(client.app.state.predictors) == 2
    problem = assert_problem(predict(client, campaign_id, designs(), surrogate=1), 422, "invalid_input")
    assert list(pointers(problem)) == ["/surrogate"]


def test_the_cache_forgets_what_was_used_longest_ago() -> None:
    kept: Any = Predictors()
    for key in range(MOST_CACHED):
        kept.keep((key, ""), f"predictor {key}")
    assert kept.get((0, "")) == "predictor 0"
    kept.keep((99, ""), "predictor 99")
    assert len(kept) == MOST_CACHED
    assert kept.get((1, "")) is None
    assert kept.get((0, "")) == "predictor 0"
