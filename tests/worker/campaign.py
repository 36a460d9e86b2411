"""A small campaign with two sources, a target domain and labels that a network can learn."""

from typing import Any

import numpy as np
from sqlalchemy.orm import Session, sessionmaker

from service.campaigns import service as campaigns
from service.campaigns.schemas import CampaignCreate
from service.database.engine import unit_of_work
from service.samples import service as samples
from service.samples.schemas import OnError

CAMPAIGN: dict[str, Any] = {
    "name": "small",
    "feature_schema": [
        {"name": "impact_speed_kmh", "unit": "km/h", "minimum": 20, "maximum": 80},
        {"name": "test_mass_kg", "unit": "kg", "minimum": 700, "maximum": 4000, "required": False},
        {"name": "body", "kind": "categorical", "categories": ["sedan", "suv"]},
    ],
    "target_domain": {"conditions": [{"feature": "test_mass_kg", "minimum": 2200}]},
    "sources": [
        {"name": "full_vehicle", "kind": "physical_test", "acquisition_cost": "300000"},
        {"name": "simulation", "kind": "simulation", "acquisition_cost": "3000"},
    ],
    "budget": "2000000",
}


def design(generator: np.random.Generator) -> dict[str, Any]:
    return {
        "impact_speed_kmh": round(float(generator.uniform(40, 60)), 2),
        "test_mass_kg": round(float(generator.uniform(1000, 3000)), 1),
        "body": str(generator.choice(["sedan", "suv"])),
    }


def rolc_g(features: dict[str, Any], generator: np.random.Generator) -> float:
    slope = 0.4 * features["impact_speed_kmh"] - 0.002 * (features["test_mass_kg"] - 2000)
    return float(slope + generator.normal(0, 0.2) + 5)


def rows(labelled: int, candidates: int, holdout: int = 0, seed: int = 0) -> list[dict[str, Any]]:
    generator = np.random.default_rng(seed)
    found = []
    for number in range(labelled + candidates + holdout):
        features = design(generator)
        row: dict[str, Any] = {
            "external_id": f"row-{number}",
            "source": "full_vehicle" if number % 3 else "simulation",
            "group": f"group-{number}",
            "planned_features": features,
        }
        if number < labelled or number >= labelled + candidates:
            row["target"] = rolc_g(features, generator)
        if number >= labelled + candidates:
            row["split"] = "holdout"
        found.append(row)
    return found


def store(
    sessions: sessionmaker[Session], found: list[dict[str, Any]], document: dict[str, Any] | None = None
) -> int:
    """Store campaign and rows; the campaign's id."""
    with unit_of_work(sessions) as session:
        request = CampaignCreate.model_validate(document or CAMPAIGN)
        campaign = campaigns.create(session, request, actor="test")
        samples.create_bulk(session, campaign, found, OnError.REJECT_ALL, actor="test")
        return campaign.id
