import pytest
from bs4 import Tag
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.database.engine import unit_of_work
from service.database.models import AcquisitionRound, Backtest, ImportRun, Surrogate, ValuationRun
from service.lifecycles import RunStatus
from service.runs import repository as runs
from service.runs import service as all_runs
from service.vocabulary import Strategy
from tests.service.admin.html import flash_after, soup_of, text_of
from tests.service.admin.rows import Rows, add_campaign, new_campaign, new_run, new_sample


def add_run(store: sessionmaker[Session], rows: Rows, status: RunStatus, **columns: object) -> int:
    with unit_of_work(store) as session:
        run = new_run(ValuationRun, rows.campaign_id, status, **columns)
        session.add(run)
        session.flush()
        return run.id


def url_of(rows: Rows) -> str:
    return f"/campaigns/{rows.campaign_id}/runs"


def newest(store: sessionmaker[Session], rows: Rows, kind: type) -> ValuationRun | AcquisitionRound:
    with store() as session:
        return runs.newest(session, kind, rows.campaign_id, 1)[0]


def test_nothing_is_asked_for_again_while_nothing_runs(dashboard: TestClient, rows: Rows) -> None:
    live = soup_of(dashboard, url_of(rows)).select_one("#live")
    assert live.get("hx-get") is None
    assert f"Valuation {rows.run_id}" in text_of(live)
    assert "RMSE 2.31 g, mean predictor 3.98 g" in text_of(live)
    settings = (
        "strategy variance reduction, budget 1,000,000 USD, source budgets occupant model 60,000 USD, seed 0"
    )
    assert sorted(settings.split(", ")) == sorted(
        text_of(live.select_one(f"#acquisition-rounds-{rows.round_id} .progress small")).split(", ")
    )


@pytest.mark.parametrize("status", [RunStatus.QUEUED, RunStatus.RUNNING])
def test_live_part_asks_again_until_all_is_done(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows, status: RunStatus
) -> None:
    run_id = add_run(store, rows, status)
    live = soup_of(dashboard, url_of(rows)).select_one("#live")
    assert (live["hx-get"], live["hx-trigger"]) == (f"{url_of(rows)}/live", "every 2s")
    assert soup_of(dashboard, live["hx-get"]).select_one("#live")["hx-swap"] == "outerHTML"
    with unit_of_work(store) as session:
        session.get_one(ValuationRun, run_id).status = RunStatus.CANCELLED
    assert soup_of(dashboard, live["hx-get"]).select_one("#live").get("hx-get") is None


def test_live_part_is_a_part_only(dashboard: TestClient, rows: Rows) -> None:
    soup = soup_of(dashboard, f"{url_of(rows)}/live")
    assert soup.select("html, header, .flash") == []


def test_running_run_shows_progress(dashboard: TestClient, store: sessionmaker[Session], rows: Rows) -> None:
    run_id = add_run(store, rows, RunStatus.RUNNING)
    row = soup_of(dashboard, url_of(rows)).select_one(f"#valuation-runs-{run_id}")
    assert float(row.progress["value"]) == 42.0
    assert "42 % · epoch 210" in text_of(row)
    assert "left" in text_of(row)


def test_failed_run_says_why(dashboard: TestClient, store: sessionmaker[Session], rows: Rows) -> None:
    run_id = add_run(store, rows, RunStatus.FAILED)
    row = soup_of(dashboard, url_of(rows)).select_one(f"#valuation-runs-{run_id}")
    assert text_of(row.select_one(".error")) == "The worker was lost 3 times."
    assert [form["action"] for form in row.select("form")] == [f"/valuation-runs/{run_id}/retry"]


def test_cancel_a_waiting_and_a_running_run(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows
) -> None:
    for status, shown in ((RunStatus.QUEUED, "cancelled"), (RunStatus.RUNNING, "cancelling…")):
        run_id = add_run(store, rows, status)
        button = soup_of(dashboard, url_of(rows)).select_one(f"#valuation-runs-{run_id} form")
        address, kind, text = flash_after(dashboard, button["action"])
        assert (address, kind, text) == (url_of(rows), "ok", f"Valuation {run_id} is being cancelled.")
        row = soup_of(dashboard, url_of(rows)).select_one(f"#valuation-runs-{run_id}")
        assert shown in text_of(row)
        assert row.select("form[action$=cancel]") == []


def test_cancel_what_has_ended_is_refused(dashboard: TestClient, rows: Rows) -> None:
    for url in (f"/valuation-runs/{rows.run_id}/cancel", f"/acquisition-rounds/{rows.round_id}/cancel"):
        _, kind, text = flash_after(dashboard, url)
        assert kind == "error"
        assert "has ended already: succeeded" in text


def test_forms_have_the_limits_and_defaults_of_the_api(dashboard: TestClient, rows: Rows) -> None:
    inputs = {tag["name"]: tag for tag in soup_of(dashboard, url_of(rows)).select("form.request input")}
    ensemble, epochs, budget = inputs["ensemble"], inputs["epochs"], inputs["budget"]
    assert (ensemble["value"], ensemble["min"], ensemble["max"], ensemble["step"]) == ("8", "2", "64", "1")
    assert (epochs["value"], epochs["min"], epochs["max"]) == ("", "10", "5000")
    assert (budget["value"], float(budget["min"]), budget["step"]) == ("", 0.0, "any")


def test_the_strategies_stand_in_a_list_that_starts_at_auto(dashboard: TestClient, rows: Rows) -> None:
    select = soup_of(dashboard, url_of(rows)).select_one("form.request select[name=strategy]")
    assert [option["value"] for option in select.select("option")] == [name.value for name in Strategy]
    assert select.select_one("option[selected]")["value"] == "auto"


def test_request_a_round(dashboard: TestClient, store: sessionmaker[Session], rows: Rows) -> None:
    form = {"strategy": "lcmd", "batch_size": "7", "budget": "50000", "control_fraction": "0.2", "seed": "3"}
    address, kind, text = flash_after(dashboard, f"/campaigns/{rows.campaign_id}/acquisition-rounds", form)
    round_ = newest(store, rows, AcquisitionRound)
    assert (address, kind, text) == (url_of(rows), "ok", f"Round {round_.id} is queued.")
    assert (round_.status, round_.seed, round_.requested_by) == (RunStatus.QUEUED, 3, "local")
    wanted = {
        "strategy": "lcmd",
        "batch_size": 7,
        "budget": "50000",
        "control_fraction": 0.2,
        "cost_exponent": 0.5,
    }
    assert wanted.items() <= round_.configuration.items()


@pytest.mark.parametrize(
    ("form", "field"),
    [({"batch_size": "0"}, "batch size"), ({"control_fraction": "nan"}, "control fraction"),
     ({"strategy": "guess"}, "strategy"), ({"seed": "-1"}, "seed"), ({"surprise": "1"}, "surprise")],
)  # fmt: skip
def test_settings_that_do_not_fit_are_named(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows, form: dict[str, str], field: str
) -> None:
    _, kind, text = flash_after(dashboard, f"/campaigns/{rows.campaign_id}/acquisition-rounds", form)
    assert kind == "error"
    assert text.startswith(f"Some settings do not fit. {field}: ")
    assert newest(store, rows, AcquisitionRound).id == rows.round_id


def test_too_few_labels_are_refused_in_words(dashboard: TestClient, rows: Rows) -> None:
    _, kind, text = flash_after(dashboard, f"/campaigns/{rows.campaign_id}/valuation-runs", {"ensemble": "4"})
    assert kind == "error"
    assert text.startswith("The campaign has 4 labelled samples in split train, and needs 10.")


def test_request_a_valuation_run(dashboard: TestClient, store: sessionmaker[Session], rows: Rows) -> None:
    with unit_of_work(store) as session:
        campaign = new_campaign(name="larger")
        session.add(campaign)
        session.flush()
        session.add_all([new_sample(campaign, f"L-{index}", 25.0) for index in range(12)])
    url = f"/campaigns/{campaign.id}/valuation-runs"
    _, kind, text = flash_after(dashboard, url, {"ensemble": "4", "epochs": "", "seed": "9"})
    assert kind == "ok"
    with store() as session:
        run = runs.newest(session, ValuationRun, campaign.id, 1)[0]
    assert text == f"Valuation {run.id} is queued."
    assert (run.seed, run.configuration["ensemble"], run.configuration["epochs"]) == (9, 4, None)


def test_round_waits_for_a_surrogate(dashboard: TestClient, store: sessionmaker[Session]) -> None:
    with unit_of_work(store) as session:
        campaign = new_campaign()
        session.add(campaign)
    soup = soup_of(dashboard, f"/campaigns/{campaign.id}/runs")
    button = soup.select_one("form[action$=acquisition-rounds] button")
    assert button.has_attr("disabled")
    assert "Needs a surrogate" in text_of(soup.main)
    _, kind, text = flash_after(dashboard, f"/campaigns/{campaign.id}/acquisition-rounds")
    assert (kind, text.partition(".")[0]) == ("error", "The campaign has no surrogate yet")


def test_runs_of_other_campaigns_stay_there(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows
) -> None:
    other = add_campaign(store, name="other")
    assert soup_of(dashboard, url_of(rows)).select_one(f"#valuation-runs-{other.run_id}") is None
    with store() as session:
        assert session.query(Surrogate).count() == 2


def test_a_running_run_asks_before_it_is_cancelled(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows
) -> None:
    run_id = add_run(store, rows, RunStatus.RUNNING)
    row = soup_of(dashboard, url_of(rows)).select_one(f"#valuation-runs-{run_id}")
    dialog = row.select_one(f"dialog#{row.select_one('[data-opens]')['data-opens']}")
    assert f"Cancel Valuation {run_id}?" in text_of(dialog)
    assert "42 % done" in text_of(dialog)


def test_waiting_runs_show_their_place_in_the_queue(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows
) -> None:
    ids = [add_run(store, rows, RunStatus.QUEUED) for _ in range(2)]
    soup = soup_of(dashboard, url_of(rows))
    for place, run_id in enumerate(ids, 1):
        assert f"place {place} in queue gpu" in text_of(soup.select_one(f"#valuation-runs-{run_id}"))


def test_a_failed_run_is_asked_for_again(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows
) -> None:
    with unit_of_work(store) as session:
        round_ = session.get_one(AcquisitionRound, rows.round_id)
        round_.status, round_.error_message = RunStatus.FAILED, "out of memory"
        wanted = dict(round_.configuration)
    row = soup_of(dashboard, url_of(rows)).select_one(f"#acquisition-rounds-{rows.round_id}")
    _, kind, text = flash_after(dashboard, row.form["action"])
    assert kind == "ok", text
    again = newest(store, rows, AcquisitionRound)
    assert again.id != rows.round_id
    assert wanted.items() <= again.configuration.items()


def test_other_kinds_of_runs_are_listed(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows
) -> None:
    with unit_of_work(store) as session:
        columns = {"campaign_id": rows.campaign_id, "configuration": {}, "seed": 0, "requested_by": "tester"}
        backtest = Backtest(**columns, status=RunStatus.FAILED, error_message="too few labels")
        session.add_all([backtest, ImportRun(**columns | {"configuration": {"tests": "9000"}})])
        session.flush()
    soup = soup_of(dashboard, url_of(rows))
    row = soup.select_one(f"#backtests-{backtest.id}")
    assert "too few labels" in text_of(row)
    assert row.form["action"] == f"/backtests/{backtest.id}/retry"
    assert "tests 9000" in text_of(soup.select_one("[id^=imports-]"))


def taken(store: sessionmaker[Session], run_id: int, worker: str) -> None:
    with unit_of_work(store) as session:
        assert runs.claim(session, ValuationRun, run_id, worker=worker, lease_s=60) is not None


def history_of(dashboard: TestClient, rows: Rows, run_id: int) -> Tag:
    """The details of the line, and what htmx puts into them when they are opened."""
    details = soup_of(dashboard, url_of(rows)).select_one(f"#valuation-runs-{run_id} details.attempts")
    part = details.select_one("div")
    assert part["hx-trigger"] == "toggle from:closest details once"
    part.replace_with(soup_of(dashboard, part["hx-get"]))
    return details


def test_a_run_tells_how_each_of_its_attempts_ended(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows
) -> None:
    run_id = add_run(store, rows, RunStatus.QUEUED)
    taken(store, run_id, "first@host")
    details = history_of(dashboard, rows, run_id)
    assert "No attempt has ended yet" in text_of(details)
    with unit_of_work(store) as session:
        all_runs.lose(session, session.get_one(ValuationRun, run_id), attempts=3, reason="no <sign> of life")
    taken(store, run_id, "second@host")
    with unit_of_work(store) as session:
        run = session.get_one(ValuationRun, run_id)
        assert runs.finish(
            session, ValuationRun, run, RunStatus.FAILED, error_code="x", error_message="too few"
        )
    again = history_of(dashboard, rows, run_id)
    assert again["id"] != details["id"], "what was open before the end would stay as it was"
    lost, failed = [text_of(line) for line in again.select("li")]
    assert "Attempt 1 lost" in lost
    assert "no <sign> of life" in lost
    assert "first@host" in lost
    assert "Attempt 2 failed too few" in failed
    assert "second@host" in failed


def test_what_nobody_has_taken_has_no_history(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows
) -> None:
    run_id = add_run(store, rows, RunStatus.QUEUED)
    assert soup_of(dashboard, url_of(rows)).select_one(f"#valuation-runs-{run_id} details") is None


def test_every_kind_of_run_has_a_history(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows
) -> None:
    with unit_of_work(store) as session:
        session.add(new_run(Backtest, rows.campaign_id, RunStatus.RUNNING, attempt=1, worker="w@host"))
        session.get_one(AcquisitionRound, rows.round_id).attempt = 1
    parts = soup_of(dashboard, url_of(rows)).select("details.attempts [hx-get]")
    assert len(parts) == 2
    for part in parts:
        assert "No attempt has ended" in text_of(soup_of(dashboard, part["hx-get"]))


@pytest.mark.parametrize(
    "query",
    ["?kind=valuation-runs&run_id={other}", "?kind=samples&run_id=1", "?kind=valuation-runs&run_id=0"],
)
def test_history_of_no_run_of_the_campaign(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows, query: str
) -> None:
    other = add_campaign(store, name="other")
    soup_of(dashboard, f"{url_of(rows)}/attempts{query.format(other=other.run_id)}", status=404)
