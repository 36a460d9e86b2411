"""Sources that run a solver: what an operator allows, what a template may name, what comes back."""

import re
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from service.campaigns.oracles import check_oracles
from service.campaigns.placeholders import complaints, render
from service.campaigns.schemas import Feature, SourceCreate
from service.settings import Settings
from tests.support import API, SOURCES, assert_problem, campaign_document, open_client, pointers, post_json

DOCS = Path(__file__).parents[3] / "docs" / "automation.md"
SOLVER = "/opt/solver/run"
RESULT = {"reader": "number", "path": "result.json", "field": "rolc"}
ORACLE: dict[str, Any] = {
    "command": [SOLVER, "i=main.k", "speed=@{impact_speed_kmh:.1f}"],
    "input_files": {"main.k": "$ deck\n@{test_mass_kg:10.3f}@{barrier}\n"},
    "result": RESULT,
}


@pytest.fixture
def allowing(database_url: str, broker_url: str) -> Any:
    """A client of an application whose operator allows the solver."""
    settings = Settings(
        _env_file=None, database_url=database_url, broker_url=broker_url, oracle_commands=[Path(SOLVER)]
    )
    with open_client(settings) as client:
        yield client


def document(settings: Any, **source: Any) -> dict[str, Any]:
    simulation = SOURCES[1] | {"oracle": "command", "oracle_settings": settings} | source
    return campaign_document(sources=[SOURCES[0], simulation])


def refusal(client: TestClient, settings: Any, **source: Any) -> dict[str, str]:
    response = post_json(client, f"{API}/campaigns", document(settings, **source))
    return pointers(assert_problem(response, 422, "invalid_input"))


def test_a_source_comes_back_as_it_was_stored(allowing: TestClient) -> None:
    created = allowing.post(f"{API}/campaigns", json=document(ORACLE))
    assert created.status_code == 201, created.text
    source = allowing.get(created.headers["location"]).json()["sources"][1]
    assert source["oracle"] == "command"
    stored = source["oracle_settings"]
    assert {name: stored[name] for name in ORACLE} == ORACLE
    assert (stored["timeout_s"], stored["exit_codes"], stored["environment"]) == (86_400, [0], [])


def test_without_an_operator_no_command_is_accepted(client: TestClient) -> None:
    (message,) = refusal(client, ORACLE).values()
    assert "CRASHSCOUT_ORACLE_COMMANDS (it is empty)" in message


@pytest.mark.parametrize("executable", ["/bin/sh", "/opt/solver/../solver/run", "/opt/solver/run/"])
def test_only_the_very_paths_of_the_operator_are(allowing: TestClient, executable: str) -> None:
    found = refusal(allowing, ORACLE | {"command": [executable]})
    assert f"it names {SOLVER}" in found["/sources/1/oracle_settings/command/0"]


def test_unknown_placeholders_are_named_where_they_stand(allowing: TestClient) -> None:
    wrong = {"command": [SOLVER, "@{speed}"], "input_files": {"a/b.k": "@{test_mass_kg:10q}\n@{barrier"}}
    found = refusal(allowing, ORACLE | wrong)
    assert "unknown placeholder '@{speed}'" in found["/sources/1/oracle_settings/command/1"]
    assert "impact_speed_kmh" in found["/sources/1/oracle_settings/command/1"]
    assert "/sources/1/oracle_settings/input_files/a~1b.k" in found


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"command": []}, "at least 1"),
        ({"command": ["run"]}, "absolute path"),
        ({"command": ["/opt/@{barrier}"]}, "without placeholders"),
        ({"input_files": {"../x": ""}}, "inside the working folder"),
        ({"input_files": {"/etc/x": ""}}, "inside the working folder"),
        ({"environment": ["CRASHSCOUT_API_KEY"]}, "may hold a secret"),
        ({"environment": ["A=B"]}, "match pattern"),
        ({"timeout_s": 0}, "greater than or equal to 1"),
        ({"exit_codes": [300]}, "less than or equal to 255"),
        ({"result": {"reader": "excel", "path": "x"}}, "number"),
        ({"result": RESULT | {"path": "../../secret.json"}}, "inside the working folder"),
        ({"result": {"reader": "csv"}}, "needs its `mapping`"),
        ({"result": {"reader": "csv", "mapping": {"time": 3}}}, "Field required"),
        ({"result": {"reader": "binout", "units": "lb-in-s"}}, "system of units"),
        ({"result": {"reader": "binout", "speed_feature": "barrier"}}, "no feature that holds a number"),
        ({"shell": True}, "not permitted"),
        ({"command": [SOLVER, "a\x00b"]}, "NUL"),
    ],
)
def test_settings_that_cannot_work_are_refused(
    allowing: TestClient, changes: dict[str, Any], words: str
) -> None:
    found = refusal(allowing, ORACLE | changes)
    assert words in " ".join(found.values())


@pytest.mark.parametrize(
    ("settings", "source", "words"),
    [
        (None, {}, "give `oracle_settings`"),
        (ORACLE, {"oracle": "occupant_model"}, "and only there"),
        (ORACLE, {"kind": "physical_test"}, "only simulations have an oracle"),
        (None, {"kind": "physical_test", "oracle": "occupant_model"}, "only simulations have an oracle"),
    ],
)
def test_oracle_settings_and_kind_fit_together(
    allowing: TestClient, settings: Any, source: dict[str, Any], words: str
) -> None:
    assert words in " ".join(refusal(allowing, settings, **source).values())


@pytest.mark.skipif(not DOCS.exists(), reason="this checkout has no docs")
def test_the_example_of_the_documentation_is_a_source() -> None:
    text = DOCS.read_text()
    block = re.search(r"```json\n(\{\"name\": \"ls_dyna\".*?)```", text, re.DOTALL)
    assert block
    source = SourceCreate.model_validate_json(block[1])
    features = [Feature(name="impact_speed_kmh")]
    check_oracles([source], features, [Path("/opt/solvers/run-dyna")])


class TestPlaceholders:
    def test_values_stand_in_their_formats(self) -> None:
        text = "$ @@{kept} a@b @{speed:8.2f}|@{body}|@{belted}|@{cells:05d}"
        values = {"speed": 56.004, "body": "suv", "belted": True, "cells": 7}
        assert render(text, values) == "$ @{kept} a@b    56.00|suv|1|00007"
        assert list(complaints(text, values)) == []

    @pytest.mark.parametrize("text", ["@{x}", "@{speed", "@{}", "@{speed:d}", "@{ speed }", "@{speed\n}"])
    def test_what_would_fail_later_is_told_now(self, text: str) -> None:
        assert len(list(complaints(text, {"speed": 1.5}))) == 1

    def test_a_missing_value_is_no_text(self) -> None:
        with pytest.raises(ValueError, match="'speed' has no value"):
            render("@{speed}", {"speed": None})
