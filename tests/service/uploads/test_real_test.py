"""NHTSA test 10146 as its owner would send it: the zipped folder, EV5 or ISO-MME, becomes labelled samples."""

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.ev5_writer import zipped
from tests.service.uploads.uploading import accept, parsed
from tests.support import create_campaign

FOLDER = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "nhtsa_10146"
pytestmark = pytest.mark.skipif(
    not FOLDER.exists(), reason="the files of test 10146 lie beside the repository, not in it"
)
ISO_FOLDER = FOLDER.with_name("isomme_10146")
FEATURES = [
    {"name": "impact_speed_kmh", "unit": "km/h", "minimum": 20, "maximum": 80},
    {"name": "test_mass_kg", "unit": "kg", "minimum": 700, "maximum": 4000},
    {"name": "wheelbase_mm", "unit": "mm", "minimum": 2000, "maximum": 4500},
    {"name": "model_year", "unit": "year", "kind": "integer", "minimum": 1980, "maximum": 2030},
]


def test_the_zipped_folder_becomes_the_samples_of_driver_and_passenger(client: TestClient) -> None:
    campaign_id = create_campaign(client, feature_schema=FEATURES)
    archive = zipped({path.name: path.read_bytes() for path in FOLDER.iterdir()}, folder="v10146")
    answer = accept(client, parsed(client, campaign_id, archive, occupants="all"))
    assert answer.status_code == 200, answer.text
    driver, passenger = answer.json()["samples"]
    assert driver["target"] == pytest.approx(25.83, abs=0.05)
    assert driver["label_details"]["t1_ms"] == pytest.approx(23.7, abs=0.1)
    assert driver["label_details"]["t2_ms"] == pytest.approx(95.5, abs=0.1)
    assert driver["label_details"]["olc_g"] == pytest.approx(29.39, abs=0.05)
    assert passenger["target"] == pytest.approx(28.2, abs=0.05)
    assert driver["planned_features"] == {
        "impact_speed_kmh": 57.09,
        "test_mass_kg": 1719,
        "wheelbase_mm": 2825,
        "model_year": 2018,
    }
    assert {driver["group"], passenger["group"]} == {"16-03"}


@pytest.mark.skipif(
    not ISO_FOLDER.exists(), reason="the ISO-MME form of test 10146 lies beside the repository"
)
def test_the_iso_mme_form_gives_the_same_label(client: TestClient) -> None:
    campaign_id = create_campaign(client, feature_schema=FEATURES[:2])
    files = {
        path.relative_to(ISO_FOLDER).as_posix(): path.read_bytes()
        for path in ISO_FOLDER.rglob("*")
        if path.is_file()
    }
    answer = accept(client, parsed(client, campaign_id, zipped(files)))
    assert answer.status_code == 200, answer.text
    (driver,) = answer.json()["samples"]
    assert driver["provenance"]["format"] == "iso_mme"
    assert driver["target"] == pytest.approx(25.83, abs=0.02)
    assert driver["planned_features"]["impact_speed_kmh"] == pytest.approx(57.09, abs=0.01)
