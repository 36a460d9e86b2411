"""Sources, schedules and webhooks of a campaign on their pages."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.accounts import service as accounts
from service.accounts.schemas import ApiKeyCreate
from service.database.engine import unit_of_work
from service.database.models import Schedule, Source, Webhook, WebhookAttempt, WebhookDelivery
from service.lifecycles import DeliveryStatus, ScheduleStatus
from service.vocabulary import Role
from tests.service.admin.html import flash_after, soup_of, text_of
from tests.service.admin.rows import Rows

CRON = {
    "name": "every night", "kind": "cron", "expression": "0 2 * * 1-5", "time_zone": "Europe/Berlin",
    "misfire": "skip", "batch_size": "5", "budget": "600000", "every_minutes": "x",
}  # fmt: skip
ADDRESS = "https://192.0.2.7/hook"  # reserved for documents: nothing answers there


def settings_of(rows: Rows, page: str) -> str:
    return f"/campaigns/{rows.campaign_id}/{page}"


def as_role(client: TestClient, store: sessionmaker[Session], role: Role) -> TestClient:
    """From now on the client shows a key with the scopes of the role."""
    secret_key = client.app.state.settings.secret_key.get_secret_value()
    with unit_of_work(store) as session:
        request = ApiKeyCreate(name=role.value, scopes=role.scopes)
        _, token = accounts.create_key(session, request, actor="test", secret_key=secret_key)
    client.headers["authorization"] = f"Bearer {token}"
    return client


def sources_of(store: sessionmaker[Session], rows: Rows) -> dict[str, Source]:
    with store() as session:
        found = session.query(Source).filter_by(campaign_id=rows.campaign_id)
        return {source.name: source for source in found}


def test_sources_show_their_prices(dashboard: TestClient, rows: Rows) -> None:
    soup = soup_of(dashboard, settings_of(rows, "settings"))
    text = text_of(soup.select_one("table"))
    assert "full vehicle" in text
    assert "300,000 USD" in text
    assert "42 days" in text
    assert "1,000,000 USD" in text_of(soup.select_one(".figures"))


def test_change_a_price(dashboard: TestClient, store: sessionmaker[Session], rows: Rows) -> None:
    source = sources_of(store, rows)["full_vehicle"]
    url = settings_of(rows, f"sources/{source.id}/change")
    form = {"acquisition_cost": "320000.50", "lead_time_hours": "900", "capacity": "4"}
    address, kind, text = flash_after(dashboard, url, form)
    assert (address, kind) == (settings_of(rows, "settings"), "ok")
    assert text == "Source full vehicle is changed, for what is proposed from now on."
    changed = sources_of(store, rows)["full_vehicle"]
    assert (changed.acquisition_cost, changed.lead_time_hours, changed.capacity) == (
        Decimal("320000.50"),
        900,
        4,
    )
    flash_after(dashboard, url, form | {"capacity": ""})
    assert sources_of(store, rows)["full_vehicle"].capacity is None


def test_a_price_of_nothing_is_refused(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows
) -> None:
    source = sources_of(store, rows)["full_vehicle"]
    url = settings_of(rows, f"sources/{source.id}/change")
    _, kind, text = flash_after(dashboard, url, {"acquisition_cost": "0", "lead_time_hours": "1"})
    assert kind == "error"
    assert "acquisition cost: must be above 0" in text
    assert sources_of(store, rows)["full_vehicle"].acquisition_cost == 300_000


def test_add_a_source(dashboard: TestClient, store: sessionmaker[Session], rows: Rows) -> None:
    form = {"name": "sled", "kind": "physical_test", "acquisition_cost": "20000", "oracle": ""}
    _, kind, text = flash_after(dashboard, settings_of(rows, "sources"), form)
    assert (kind, text) == ("ok", "Source sled is added.")
    assert sources_of(store, rows)["sled"].currency == "USD"
    again = dashboard.post(settings_of(rows, "sources"), data=form)
    assert again.status_code == 409
    assert "There is a source &#39;sled&#39; already." in again.text
    assert 'value="20000"' in again.text


def test_a_source_of_another_campaign_is_not_found(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows
) -> None:
    url = settings_of(rows, "sources/987654/change")
    assert dashboard.post(url, data={"acquisition_cost": "1"}).status_code == 404


def test_make_a_schedule_and_see_its_next_runs(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows
) -> None:
    url = settings_of(rows, "schedules")
    assert "Nothing starts by itself" in text_of(soup_of(dashboard, url).main)
    _, kind, text = flash_after(dashboard, url, CRON)
    assert (kind, text) == ("ok", "Schedule every night is active.")
    with store() as session:
        schedule = session.query(Schedule).one()
    assert schedule.trigger == {"kind": "cron", "expression": "0 2 * * 1-5"}
    assert schedule.configuration["acquisition"]["batch_size"] == 5
    card = soup_of(dashboard, url).select_one(f"#schedule-{schedule.id}")
    assert len(card.select(".due time")) == 5
    assert "batch of 5, budget 600,000 USD, people decide" in text_of(card)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"kind": "interval"}, "every minutes: &#39;x&#39; is no whole number"),
        ({"kind": "interval", "every_minutes": "0"}, "every minutes: must be at least 1"),
        ({"kind": "date", "at": "2001-01-01T10:00"}, "has passed"),
        ({"kind": "moon"}, "trigger: "),
        ({"expression": "every night"}, "expression: "),
        ({"time_zone": "Mars/Phobos"}, "time zone: "),
        ({"batch_size": "0"}, "batch size: must be at least 1"),
        ({"name": ""}, "name: "),
    ],
)
def test_a_refused_schedule_comes_back(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows, changes: dict[str, str], told: str
) -> None:
    answer = dashboard.post(settings_of(rows, "schedules"), data=CRON | changes)
    assert answer.status_code == 422
    assert told in answer.text
    assert 'value="600000"' in answer.text
    with store() as session:
        assert session.query(Schedule).count() == 0


def test_a_schedule_that_approves_up_to_a_budget(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows
) -> None:
    flash_after(
        dashboard, settings_of(rows, "schedules"), CRON | {"approves": "yes", "approve_budget": "30000"}
    )
    with store() as session:
        schedule = session.query(Schedule).one()
    assert schedule.configuration["auto_approve"]["budget"] == "30000"
    text = text_of(soup_of(dashboard, settings_of(rows, "schedules")).select_one(f"#schedule-{schedule.id}"))
    assert "approves by itself (budget 30,000 USD)" in text
    engineer = as_role(dashboard, store, Role.ENGINEER)
    soup = soup_of(engineer, settings_of(rows, "schedules"))
    assert soup.select_one("[name=approves]") is None
    assert [button.text for button in soup.select(".row-actions button")] == ["Pause", "End"]
    for action in ("change", "resume", "fire"):
        assert engineer.post(f"/schedules/{schedule.id}/{action}").status_code == 403
    forged = engineer.post(settings_of(rows, "schedules"), data=CRON | {"approves": "yes"})
    assert forged.status_code == 403


def test_pause_resume_change_and_end(dashboard: TestClient, store: sessionmaker[Session], rows: Rows) -> None:
    flash_after(dashboard, settings_of(rows, "schedules"), CRON)
    with store() as session:
        schedule_id = session.query(Schedule).one().id

    def status() -> ScheduleStatus:
        with store() as session:
            return session.get_one(Schedule, schedule_id).status

    assert flash_after(dashboard, f"/schedules/{schedule_id}/pause")[1] == "ok"
    assert status() is ScheduleStatus.PAUSED
    assert flash_after(dashboard, f"/schedules/{schedule_id}/pause")[1] == "error"
    assert flash_after(dashboard, f"/schedules/{schedule_id}/resume")[1] == "ok"
    at = (datetime.now(UTC) + timedelta(days=40)).strftime("%Y-%m-%dT%H:%M")
    form = {"name": "once", "kind": "date", "at": at, "time_zone": "UTC", "misfire": "run_once"}
    assert flash_after(dashboard, f"/schedules/{schedule_id}/change", form)[1] == "ok"
    dialog = soup_of(dashboard, settings_of(rows, "schedules")).select_one(f"#change-{schedule_id}")
    assert dialog.select_one("[name=at]")["value"] == at
    assert flash_after(dashboard, f"/schedules/{schedule_id}/end")[1] == "ok"
    assert status() is ScheduleStatus.ENDED
    card = soup_of(dashboard, settings_of(rows, "schedules")).select_one(f"#schedule-{schedule_id}")
    assert card is not None
    assert card.select("button") == []


def test_start_a_round_now(dashboard: TestClient, store: sessionmaker[Session], rows: Rows) -> None:
    flash_after(dashboard, settings_of(rows, "schedules"), CRON)
    with store() as session:
        schedule_id = session.query(Schedule).one().id
    assert flash_after(dashboard, f"/schedules/{schedule_id}/fire")[1] == "ok"
    card = soup_of(dashboard, settings_of(rows, "schedules")).select_one(f"#schedule-{schedule_id}")
    assert "started" in text_of(card)
    # A second one waits for the first: told, with nothing changed.
    assert flash_after(dashboard, f"/schedules/{schedule_id}/fire")[1] == "error"


@pytest.fixture
def public() -> str:
    """An address that may be called; nothing is sent here, as no worker runs."""
    return "https://8.8.8.8/hook"


def make_webhook(store: sessionmaker[Session], rows: Rows) -> Webhook:
    with unit_of_work(store) as session:
        webhook = Webhook(
            campaign_id=rows.campaign_id, url=ADDRESS, events=["round.*"], secret="s" * 30,
            seen_position=0, created_by="test",
        )  # fmt: skip
        session.add(webhook)
    return webhook


def test_add_a_webhook_and_see_its_secret_once(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows, public: str
) -> None:
    url = settings_of(rows, "webhooks")
    answer = dashboard.post(url, data={"url": public, "events": "round.closed, recommendation.*"})
    assert answer.status_code == 303, answer.text
    with store() as session:
        webhook = session.query(Webhook).one()
    assert webhook.events == ["round.closed", "recommendation.*"]
    assert soup_of(dashboard, url).select_one(".secret input")["value"] == webhook.secret
    assert soup_of(dashboard, url).select_one(".secret") is None


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"events": "moon.full"}, "no event is called"),
        ({"url": "http://127.0.0.1/"}, "127.0.0.1"),
        ({"secret": "short"}, "secret: "),
    ],
)
def test_a_refused_webhook_comes_back(
    dashboard: TestClient, rows: Rows, public: str, changes: dict[str, str], told: str
) -> None:
    form = {"url": public, "events": "*"} | changes
    answer = dashboard.post(settings_of(rows, "webhooks"), data=form)
    assert answer.status_code == 422
    assert told in answer.text
    assert f'value="{form["url"]}"' in answer.text
    assert 'value="short"' not in answer.text


def test_pause_change_and_delete_a_webhook(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows, public: str
) -> None:
    webhook = make_webhook(store, rows)
    assert flash_after(dashboard, f"/webhooks/{webhook.id}/pause")[1] == "ok"
    assert "paused" in text_of(
        soup_of(dashboard, settings_of(rows, "webhooks")).select_one(f"#webhook-{webhook.id}")
    )
    assert flash_after(dashboard, f"/webhooks/{webhook.id}/resume")[1] == "ok"
    form = {"url": public, "events": "*", "secret": ""}
    assert flash_after(dashboard, f"/webhooks/{webhook.id}/change", form)[1] == "ok"
    with store() as session:
        changed = session.get_one(Webhook, webhook.id)
        assert (changed.url, changed.events, changed.secret) == (public, ["*"], "s" * 30)
    assert flash_after(dashboard, f"/webhooks/{webhook.id}/delete")[1] == "ok"
    assert "No webhooks yet" in text_of(soup_of(dashboard, settings_of(rows, "webhooks")).main)


def test_deliveries_with_their_attempts_and_a_replay(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows
) -> None:
    webhook = make_webhook(store, rows)
    with unit_of_work(store) as session:
        for position, status in ((3, DeliveryStatus.FAILED), (4, DeliveryStatus.DELIVERED)):
            delivery = WebhookDelivery(
                webhook_id=webhook.id, event_position=position, event_type="round.closed", body="{}",
                status=status, attempt=1, finished_at=datetime.now(UTC),
            )  # fmt: skip
            session.add(delivery)
            session.flush()
            attempt = WebhookAttempt(
                delivery_id=delivery.id, number=1, started_at=datetime.now(UTC), duration_ms=12, status_code=503,
                answer="busy",
            )  # fmt: skip
            session.add(attempt)
    url = f"/webhooks/{webhook.id}/deliveries"
    table = soup_of(dashboard, url).select("tbody tr")
    assert ["event 4" in text_of(table[0]), "event 3" in text_of(table[1])] == [True, True]
    failed = soup_of(dashboard, f"{url}?status=failed").select("tbody tr")
    assert len(failed) == 1
    assert "1: status 503 after 12 ms" in text_of(failed[0])
    _, kind, text = flash_after(dashboard, failed[0].form["action"])
    assert kind == "ok"
    assert "is sent once more" in text
    newest = soup_of(dashboard, url).select_one("tbody tr")
    assert "pending" in text_of(newest)
    assert newest.form is None


@pytest.mark.parametrize("page", ["settings", "schedules"])
def test_a_viewer_sees_no_buttons_that_would_be_refused(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows, page: str
) -> None:
    flash_after(dashboard, settings_of(rows, "schedules"), CRON)
    viewer = as_role(dashboard, store, Role.VIEWER)
    soup = soup_of(viewer, settings_of(rows, page))
    assert soup.main.select("button, form") == []
    assert soup.select_one("a[href$=webhooks]") is None
    assert soup.select_one("header a[href='/users']") is None
    assert viewer.get(settings_of(rows, "webhooks")).status_code == 403
