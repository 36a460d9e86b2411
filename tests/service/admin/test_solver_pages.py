"""A simulation that workers run: the built-in model or a solver of one's own, in the wizard and in the settings."""

from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.database.models import Source
from service.settings import Settings
from tests.service.admin.html import soup_of, text_of
from tests.service.admin.rows import Rows
from tests.service.admin.wizard import URL, form_of, send, step_of, with_table
from tests.support import API

SOLVER = "/opt/solver/run"
INPUTS = {
    "command": f"{SOLVER}\r\ni=main.k", "file_path": ["main.k"], "file_text": ["$\r\n@{impact_speed_kmh:10.3f}\r\n"],
    "hours": "36", "exit_codes": "0", "log_mib": "8", "reader": "number", "path": "result.json", "field": "rolc",
}  # fmt: skip
SIMULATION = {
    "name": "ls_dyna",
    "kind": "simulation",
    "acquisition_cost": "3000",
    "capacity": "4",
    "oracle": "command",
}


@pytest.fixture
def dashboard_settings(database_url: str, broker_url: str) -> Settings:
    """An operator allows one solver."""
    return Settings(
        _env_file=None, database_url=database_url, broker_url=broker_url, oracle_commands=[Path(SOLVER)]
    )


def at_sources(client: TestClient) -> BeautifulSoup:
    soup = send(client, form_of(with_table(client)), "next")
    return send(client, form_of(soup), "next")


def filled(soup: BeautifulSoup, source: dict[str, str] | None = None, **inputs: Any) -> dict[str, Any]:
    form = form_of(soup) | {f"source_{name}": [text] for name, text in (SIMULATION | (source or {})).items()}
    return form | {f"source_0_{name}": value for name, value in (INPUTS | inputs).items()}


def created(client: TestClient, soup: BeautifulSoup) -> dict[str, Any]:
    """Through the budget to the end; the sources of the campaign, as the API shows them."""
    soup = send(client, form_of(soup), "next")
    assert step_of(soup) == "Review"
    assert "run by a worker" in text_of(soup.main)
    answer = client.post(URL, data=form_of(soup) | {"action": "create"})
    assert answer.status_code == 303, answer.text
    (source,) = client.get(f"{API}{answer.headers['location']}").json()["sources"]
    return source


def test_the_wizard_makes_a_source_with_a_solver(dashboard: TestClient) -> None:
    soup = send(dashboard, filled(at_sources(dashboard)), "next")
    assert step_of(soup) == "Budget"
    source = created(dashboard, soup)
    assert (source["oracle"], source["capacity"]) == ("command", 4)
    settings = source["oracle_settings"]
    assert settings["command"] == [SOLVER, "i=main.k"]
    assert settings["input_files"] == {"main.k": "$\n@{impact_speed_kmh:10.3f}\n"}
    assert (settings["timeout_s"], settings["log_mib"]) == (129_600, 8)
    assert settings["result"] == {"reader": "number", "path": "result.json", "field": "rolc"}


def test_the_wizard_makes_a_source_with_the_built_in_model(dashboard: TestClient) -> None:
    form = filled(at_sources(dashboard), {"oracle": "occupant_model"}, command="what is not chosen")
    source = created(dashboard, send(dashboard, form, "next"))
    assert (source["oracle"], source["oracle_settings"]) == ("occupant_model", None)


@pytest.mark.parametrize(
    ("source", "inputs", "told"),
    [
        ({}, {"command": "/bin/sh"}, "sources row 1 solver command line 1: '/bin/sh' is not an executable"),
        ({}, {"command": "/bin/sh"}, f"by CRASHSCOUT_ORACLE_COMMANDS (it names {SOLVER})"),
        ({}, {"file_text": ["@{speed}"]}, "solver input file 'main.k': unknown placeholder '@{speed}'"),
        ({}, {"command": ""}, "sources row 1 solver command: is missing: fill it in"),
        ({}, {"hours": "soon"}, "sources row 1 solver time limit: 'soon' is no number of hours"),
        ({}, {"field": ""}, "sources row 1 solver result field: is missing: fill it in"),
        ({}, {"path": "../secret"}, "solver result file: is not a path inside the working folder"),
        ({"kind": "physical_test"}, {}, "only simulations have an oracle"),
        ({"capacity": "0"}, {}, "sources row 1 capacity: must be above 0"),
    ],
)  # fmt: skip
def test_a_solver_that_cannot_run_is_told_at_its_step_and_nothing_is_lost(
    dashboard: TestClient, source: dict[str, str], inputs: dict[str, Any], told: str
) -> None:
    soup = send(dashboard, filled(at_sources(dashboard), source, **inputs), "next")
    assert step_of(soup) == "Sources"
    assert told in text_of(soup.select_one(".flash.error"))
    kept = form_of(soup)
    assert kept["source_0_log_mib"] == ["8"]
    assert kept["source_0_file_path"] == ["main.k", ""]
    assert kept["source_name"] == ["ls_dyna", ""]


def test_going_back_and_one_more_source_lose_no_solver(dashboard: TestClient) -> None:
    soup = send(dashboard, filled(at_sources(dashboard), command="not yet"), "back")
    soup = send(dashboard, form_of(soup), "next")
    soup = send(dashboard, form_of(soup), "more")
    kept = form_of(soup)
    assert step_of(soup) == "Sources"
    assert kept["source_0_command"] == ["not yet"]
    assert kept["source_0_file_text"] == ["$\n@{impact_speed_kmh:10.3f}\n", ""]
    assert kept["source_1_command"] == [""]
    assert kept["source_oracle"] == ["command", ""]


@pytest.mark.parametrize("step", ["features", "target", "sources"])
def test_one_more_line_checks_nothing_and_stays(dashboard: TestClient, step: str) -> None:
    soup = send(dashboard, {"step": step, "draft": "{}"}, "more")
    assert soup.select_one(".flash.error") is None
    assert soup.select_one("input[name=step]")["value"] == step


def form_of_settings(**changes: Any) -> dict[str, Any]:
    return SIMULATION | {f"solver_{name}": value for name, value in (INPUTS | changes).items()}


def test_the_settings_add_a_source_with_a_solver_and_show_it(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows
) -> None:
    url = f"/campaigns/{rows.campaign_id}"
    answer = dashboard.post(f"{url}/sources", data=form_of_settings())
    assert answer.status_code == 303, answer.text
    with store() as session:
        source = session.query(Source).filter_by(name="ls_dyna").one()
    assert source.oracle_settings["timeout_s"] == 129_600
    shown = text_of(soup_of(dashboard, f"{url}/settings").select_one(f"#source-{source.id}"))
    assert f"Command {SOLVER} i=main.k" in shown
    assert "Time limit 36 h 00 min" in shown
    assert "a number in a JSON or CSV file, result.json rolc" in shown


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"solver_hours": "soon"}, "solver time limit: 'soon' is no number of hours"),
        ({"solver_command": "run"}, "absolute path"),
        ({"solver_log_mib": "0"}, "solver kept log (MiB): must be at least 1"),
        ({"kind": "physical_test"}, "only simulations have an oracle"),
    ],
)
def test_the_settings_refuse_a_solver_that_cannot_run(
    dashboard: TestClient, rows: Rows, changes: dict[str, str], told: str
) -> None:
    answer = dashboard.post(f"/campaigns/{rows.campaign_id}/sources", data=form_of_settings() | changes)
    assert answer.status_code == 422
    soup = BeautifulSoup(answer.text, "html.parser")
    assert told in text_of(soup.select_one(".flash.error"))
    assert soup.select_one("[name=solver_path]")["value"] == "result.json"
    assert soup.select_one("[name=oracle] [selected]")["value"] == "command"


def test_without_an_operator_the_page_says_who_must_allow_a_program(
    dashboard: TestClient, dashboard_settings: Settings, rows: Rows
) -> None:
    dashboard.app.state.settings = dashboard_settings.model_copy(update={"oracle_commands": []})
    page = text_of(soup_of(dashboard, f"/campaigns/{rows.campaign_id}/settings").main)
    assert "No program may run yet" in page
    assert "CRASHSCOUT_ORACLE_COMMANDS" in page
