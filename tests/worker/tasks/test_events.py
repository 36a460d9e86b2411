"""The tick of beat: schedules, rounds, webhooks and retention in one idempotent pass; and what follows from tasks."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session, sessionmaker

from service.beat import tick
from service.campaigns import service as campaigns
from service.database.engine import unit_of_work
from service.database.models import CampaignRound, Event, Schedule, WebhookDelivery
from service.lifecycles import RoundStep
from service.rounds import service as rounds
from service.rounds.schemas import RoundConfiguration
from service.schedules import service as schedules
from service.schedules.schemas import ScheduleCreate
from service.settings import get_settings
from service.webhooks import service as webhooks
from service.webhooks.address import networks_of
from service.webhooks.schemas import WebhookCreate
from tests.service.webhooks.receiver import receiving
from tests.support import queued_messages
from tests.worker.campaign import rows, store
from worker.tasks.events import then_rounds, webhook_deliver

Sessions = sessionmaker[Session]


def all_of(sessions: Sessions, kind: type[Any]) -> list[Any]:
    with sessions() as session:
        return list(session.query(kind).order_by(kind.id))


def test_a_tick_fires_a_schedule_and_takes_its_round_on(worker_sessions: Sessions, broker_url: str) -> None:
    campaign_id = store(worker_sessions, rows(24, 6))
    request = ScheduleCreate.model_validate(
        {"name": "s", "trigger": {"kind": "interval", "every_minutes": 60}}
    )
    with unit_of_work(worker_sessions) as session:
        schedule = schedules.create(session, campaigns.get(session, campaign_id), request, actor="test")
    with unit_of_work(worker_sessions) as session:
        due_at = datetime.now(UTC) - timedelta(seconds=2)
        session.get_one(Schedule, schedule.id).next_due_at = due_at
    for _ in range(3):
        tick(worker_sessions, get_settings())
    (round_,) = all_of(worker_sessions, CampaignRound)
    assert (round_.schedule_id, round_.step) == (schedule.id, RoundStep.VALUE)
    assert queued_messages(broker_url, "gpu") == [("valuation.run", [round_.valuation_run_id])]


def test_a_tick_hands_events_to_webhooks_and_prunes_old_ones(
    worker_sessions: Sessions, broker_url: str, monkeypatch: Any
) -> None:
    monkeypatch.setenv("CRASHSCOUT_WEBHOOK_ALLOWED_NETWORKS", '["127.0.0.0/8"]')
    get_settings.cache_clear()
    campaign_id = store(worker_sessions, rows(24, 6))
    with receiving() as receiver:
        with unit_of_work(worker_sessions) as session:
            campaign = campaigns.get(session, campaign_id)
            request = WebhookCreate(url=receiver.url, events=["round.freeze"])
            allowed = networks_of(["127.0.0.0/8"])
            webhooks.create(session, campaign, request, actor="test", allowed=allowed)
            rounds.start(session, campaign, RoundConfiguration(), actor="test")
        tick(worker_sessions, get_settings())
        (delivery,) = all_of(worker_sessions, WebhookDelivery)
        assert queued_messages(broker_url, "io")[-1] == ("webhook.deliver", [delivery.id])
        webhook_deliver(delivery.id)
        webhook_deliver(delivery.id)
    assert len(receiver.received) == 1
    with unit_of_work(worker_sessions) as session:
        for event in session.query(Event):
            event.created_at = datetime.now(UTC) - timedelta(days=31)
    tick(worker_sessions, get_settings())
    assert all_of(worker_sessions, Event) == []


def test_a_round_goes_on_as_soon_as_a_task_ends(worker_sessions: Sessions) -> None:
    campaign_id = store(worker_sessions, rows(24, 6))
    with unit_of_work(worker_sessions) as session:
        campaign = campaigns.get(session, campaign_id)
        rounds.start(session, campaign, RoundConfiguration(), actor="test")
    seen: list[int] = []
    then_rounds(seen.append)(7)
    assert seen == [7]
    assert all_of(worker_sessions, CampaignRound)[0].step is RoundStep.VALUE
