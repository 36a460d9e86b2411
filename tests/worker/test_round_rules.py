"""A round's configuration in terms of sources and samples, as rows and indices of the ranking."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session, sessionmaker

from service.campaigns import service as campaigns
from service.database.engine import unit_of_work
from service.database.models import Campaign
from service.errors import ConflictError
from tests.worker.campaign import CAMPAIGN, rows, store
from worker.acquisition.ranking import RankingConfig
from worker.loading import Snapshot, load_snapshot
from worker.round_rules import region_wording, row_rules, source_rules

Sessions = sessionmaker[Session]
SOURCES = [
    CAMPAIGN["sources"][0] | {"lead_time_hours": "720", "capacity": 2},
    CAMPAIGN["sources"][1] | {"lead_time_hours": "12.5", "capacity": 3},
]


@pytest.fixture
def loaded(worker_sessions: Sessions) -> tuple[Campaign, Snapshot]:
    schema = [dict(feature) for feature in CAMPAIGN["feature_schema"]]
    schema[2]["load_case"] = True
    schema.append({"name": "belted", "kind": "boolean", "required": False})
    found = rows(12, 8)
    for number, row in enumerate(found):
        row["planned_features"] = row["planned_features"] | {"belted": [True, False, None][number % 3]}
    for row in found[:6]:  # an optional feature that is not known
        row["planned_features"] = row["planned_features"] | {"test_mass_kg": None}
    campaign_id = store(worker_sessions, found, CAMPAIGN | {"sources": SOURCES, "feature_schema": schema})
    with unit_of_work(worker_sessions, frozen=True) as session:
        campaign = campaigns.get(session, campaign_id)
        return campaign, load_snapshot(session, campaign, seed=0)


class TestSources:
    def test_an_older_configuration_limits_by_capacity_only(self, loaded):
        config = RankingConfig(**source_rules({}, loaded[0], []))
        assert config.source_capacity == {0: 2, 1: 3}
        assert config.source_lead_time_hours == {0: 720.0, 1: 12.5}
        assert (config.longest_lead_time_hours, config.most_per_group, config.relevance_strength) == (
            None,
            None,
            0,
        )
        assert config.limits().source_minimums == {}

    def test_names_become_indices(self, loaded):
        document = {
            "source_quotas": {
                "simulation": {"least": 1, "most": 2},
                "full_vehicle": {"least": 1, "most": None},
            },
            "longest_lead_time_hours": "24.00",
            "max_per_group": 2,
            "relevance_strength": 0.3,
        }
        config = RankingConfig(**source_rules(document, loaded[0], []))
        assert config.source_quotas == {1: 2}
        assert config.source_minimums == {0: 1, 1: 1}
        assert (config.longest_lead_time_hours, config.most_per_group, config.relevance_strength) == (
            24.0,
            2,
            0.3,
        )

    def test_pending_candidates_take_places(self, loaded):
        campaign = loaded[0]
        test, simulation = (source.id for source in campaign.sources)
        pending = [simulation, test, test, test]
        assert source_rules({}, campaign, pending)["source_capacity"] == {0: 0, 1: 2}


class TestRows:
    def test_samples_become_rows_in_the_order_of_the_wish(self, loaded):
        ids = loaded[1].pool.ids
        document = {"injected_sample_ids": [ids[5], ids[0]], "vetoed_sample_ids": [ids[7], 10**9]}
        assert row_rules(document, ids) == {"injected": [5, 0], "vetoed": [7]}
        assert row_rules({}, ids) == {"injected": [], "vetoed": []}

    def test_an_injected_sample_that_is_no_candidate_any_more_is_named(self, loaded):
        labelled = loaded[1].train.ids[0]
        with pytest.raises(ConflictError, match=rf"Injected samples \[{labelled}\] are no longer candidates"):
            row_rules({"injected_sample_ids": [labelled]}, loaded[1].pool.ids)


def test_the_target_domain_is_told_in_original_words(loaded):
    campaign, snapshot = loaded
    wording = region_wording(campaign, snapshot)
    points = snapshot.target_rows
    assert points
    assert wording.load_case == tuple(row["body"] for row in points)
    speed, mass, belted = wording.features
    assert (speed.name, speed.unit) == ("impact speed", "km/h")
    assert mass.values == tuple(row["test_mass_kg"] for row in points)
    words = {True: "yes", False: "no", None: None}
    assert belted.values == tuple(words[row.get("belted")] for row in points)
    assert len(set(belted.values)) > 1
