"""What the database refuses about rounds, schedules and webhooks, whoever writes to it."""

from typing import Any

import pytest
from psycopg.errors import CheckViolation, ForeignKeyViolation, UniqueViolation

NOW = "2027-01-01T00:00Z"
CLOSED = {"step": "closed", "closed_reason": "completed", "closed_at": NOW}


def refused(kind: type[Exception], constraint: str) -> Any:
    return pytest.raises(kind, match=constraint)


def add_round(store: Any, **columns: Any) -> int:
    return store.insert("campaign_rounds", campaign_id=store.campaign_id, **columns)


def add_schedule(store: Any, **columns: Any) -> int:
    return store.insert("schedules", campaign_id=store.campaign_id, **columns)


def test_a_campaign_has_one_open_round(store: Any) -> None:
    add_round(store, **CLOSED)
    add_round(store)
    with refused(UniqueViolation, "uq_campaign_rounds_open"):
        add_round(store)
    assert store.insert("campaign_rounds", campaign_id=store.insert("campaigns"))


@pytest.mark.parametrize(
    ("columns", "constraint"),
    [
        ({"step": "close"}, "closed_has_reason"),
        ({"closed_reason": "failed"}, "closed_has_reason"),
        (CLOSED | {"closed_at": None}, "closed_has_time"),
        ({"closed_at": NOW}, "closed_has_time"),
        ({"step": "decide"}, "ranked_has_ranking"),
        ({"step": "lost"}, "step"),
        ({"number": 0}, "number_positive"),
    ],
)
def test_a_round_tells_where_it_is(store: Any, columns: dict[str, Any], constraint: str) -> None:
    with refused(CheckViolation, constraint):
        add_round(store, **columns)


def test_a_ranking_belongs_to_one_round_of_its_own_campaign(store: Any) -> None:
    add_round(store, **CLOSED, acquisition_round_id=store.round_id)
    with refused(UniqueViolation, "acquisition_round_id"):
        add_round(store, acquisition_round_id=store.round_id)
    other = store.insert("campaigns")
    with refused(ForeignKeyViolation, "fk_campaign_rounds"):
        store.insert("campaign_rounds", campaign_id=other, valuation_run_id=store.run_id)


@pytest.mark.parametrize(
    ("columns", "constraint"),
    [
        ({"next_due_at": None}, "active_is_due_some_time"),
        ({"status": "ended"}, "ended_is_never_due"),
        ({"trigger_kind": "new_labels"}, "new_labels_has_count"),
        ({"labels_seen": 3}, "new_labels_has_count"),
        ({"misfire": "twice"}, "misfire"),
    ],
)
def test_a_schedule_tells_when_it_is_due(store: Any, columns: dict[str, Any], constraint: str) -> None:
    with refused(CheckViolation, constraint):
        add_schedule(store, **columns)


def test_a_due_time_is_kept_once(store: Any) -> None:
    place = {"campaign_id": store.campaign_id, "schedule_id": add_schedule(store)}
    store.insert("schedule_firings", **place)
    with refused(UniqueViolation, "uq_schedule_firings_schedule_id_due_at"):
        store.insert("schedule_firings", **place)
    with refused(CheckViolation, "started_has_round"):
        store.insert("schedule_firings", **place, outcome="started", due_at="2027-01-02T00:00Z")
    with refused(CheckViolation, "skipped_has_reason"):
        store.insert("schedule_firings", **place, reason="", due_at="2027-01-02T00:00Z")


def test_an_event_is_delivered_to_a_webhook_once_but_for_replays(store: Any) -> None:
    webhook_id = store.insert("webhooks", campaign_id=store.campaign_id)
    first = store.insert("webhook_deliveries", webhook_id=webhook_id)
    with refused(UniqueViolation, "uq_webhook_deliveries_event"):
        store.insert("webhook_deliveries", webhook_id=webhook_id)
    assert store.insert("webhook_deliveries", webhook_id=webhook_id, replay_of=first)


@pytest.mark.parametrize(
    ("columns", "constraint"),
    [
        ({"next_attempt_at": None}, "pending_is_due"),
        ({"status": "delivered", "finished_at": NOW}, "pending_is_due"),
        ({"status": "failed", "next_attempt_at": None}, "ended_has_time"),
    ],
)
def test_a_delivery_tells_how_it_ended(store: Any, columns: dict[str, Any], constraint: str) -> None:
    webhook_id = store.insert("webhooks", campaign_id=store.campaign_id)
    with refused(CheckViolation, constraint):
        store.insert("webhook_deliveries", webhook_id=webhook_id, **columns)


def test_an_attempt_tells_what_came(store: Any) -> None:
    webhook_id = store.insert("webhooks", campaign_id=store.campaign_id)
    delivery_id = store.insert("webhook_deliveries", webhook_id=webhook_id)
    with refused(CheckViolation, "tells_what_came"):
        store.insert("webhook_attempts", delivery_id=delivery_id, status_code=None)
    store.insert("webhook_attempts", delivery_id=delivery_id)
    with refused(UniqueViolation, "uq_webhook_attempts_delivery_id_number"):
        store.insert("webhook_attempts", delivery_id=delivery_id)


def test_a_webhook_wants_something(store: Any) -> None:
    with refused(CheckViolation, "wants_events"):
        store.insert("webhooks", campaign_id=store.campaign_id, events=[])
