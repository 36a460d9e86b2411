"""More requests at once than the process has threads and connections: each gets its turn."""

from concurrent.futures import ThreadPoolExecutor

from starlette.testclient import TestClient

from service.database.engine import MOST_OVERFLOW, POOL_SIZE, TRANSACTIONS
from tests.support import API, create_campaign

AT_ONCE = 120  # anyio gives 40 threads


def test_transactions_leave_connections_for_short_looks() -> None:
    assert TRANSACTIONS < POOL_SIZE + MOST_OVERFLOW


def test_many_requests_at_once_are_all_answered(client: TestClient) -> None:
    """A read of one resource keeps its connection from thread to thread: none waits for those that wait for it."""
    url = f"{API}/campaigns/{create_campaign(client)}"
    with ThreadPoolExecutor(AT_ONCE) as callers:
        statuses = list(callers.map(lambda _: client.get(url).status_code, range(2 * AT_ONCE)))
    assert set(statuses) == {200}
