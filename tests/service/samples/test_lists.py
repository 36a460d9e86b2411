"""Lists of samples: filters, and pages that stay stable while rows come in."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from tests.support import (
    API,
    add_samples,
    assert_problem,
    create_campaign,
    sample_document,
    sample_documents,
)


def page(client: TestClient, campaign_id: int, **query: Any) -> tuple[list[int], str | None]:
    response = client.get(f"{API}/campaigns/{campaign_id}/samples", params=query)
    assert response.status_code == 200, response.text
    return [row["id"] for row in response.json()["items"]], response.json()["next_cursor"]


@given(limit=st.integers(1, 7), arrivals=st.lists(st.integers(0, 3), max_size=6))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_each_row_is_seen_once_in_order_while_others_are_added(
    client: TestClient, limit: int, arrivals: list[int]
) -> None:
    campaign_id = create_campaign(client)
    there = add_samples(client, campaign_id, sample_documents(9))
    seen, cursor = page(client, campaign_id, limit=limit)
    coming = iter(arrivals)
    while cursor is not None:
        if count := next(coming, 0):
            there += add_samples(client, campaign_id, sample_documents(count))
        ids, cursor = page(client, campaign_id, limit=limit, cursor=cursor)
        assert 1 <= len(ids) <= limit
        seen += ids
    assert seen == there


def test_rows_of_other_campaigns_are_not_listed(client: TestClient) -> None:
    first, second = create_campaign(client), create_campaign(client)
    ids = add_samples(client, first, sample_documents(2))
    add_samples(client, second, sample_documents(3))
    assert page(client, first) == (ids, None)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"status": "labelled"}, [1, 2, 3]),
        ({"split": "holdout"}, [3]),
        ({"source": "simulation"}, [2]),
        ({"group": "A"}, [0, 1]),
        ({"external_id": "T-0"}, [0]),
        ({"group": "A", "status": "labelled"}, [1]),
        ({"source": "sled"}, []),
        ({"source": "full_vehicle", "limit": 2}, [0, 1]),
    ],
)
def test_all_filters_that_are_given_hold(
    client: TestClient, query: dict[str, Any], expected: list[int]
) -> None:
    campaign_id = create_campaign(client)
    ids = add_samples(
        client,
        campaign_id,
        [
            sample_document(external_id="T-0", group="A"),
            sample_document(group="A", target=26.0),
            sample_document(source="simulation", target=26.0),
            sample_document(split="holdout", target=26.0, group="B"),
        ],
    )
    assert page(client, campaign_id, **query)[0] == [ids[index] for index in expected]


@pytest.mark.parametrize("query", [{"status": "done"}, {"limit": 0}, {"limit": 1001}, {"group": "a\x00"}])
def test_a_filter_that_cannot_be_meant_is_refused(client: TestClient, query: dict[str, Any]) -> None:
    campaign_id = create_campaign(client)
    response = client.get(f"{API}/campaigns/{campaign_id}/samples", params=query)
    assert_problem(response, 422, "invalid_input")


def test_a_list_asks_the_database_a_fixed_number_of_times(client: TestClient) -> None:
    from sqlalchemy import event

    campaign_id = create_campaign(client)
    statements: list[str] = []
    listen = (client.app.state.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    counts = []
    for _ in range(2):
        add_samples(client, campaign_id, sample_documents(5))
        statements.clear()
        event.listen(*listen)
        page(client, campaign_id)
        event.remove(*listen)
        counts.append(len(statements))
    assert counts[0] == counts[1] > 0
