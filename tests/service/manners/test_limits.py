"""Rates: quotas per principal, reads and writes apart, by Redis or, when it is away, by each process alone."""

import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import redis
from pydantic import SecretStr
from starlette.testclient import TestClient

from service.embedded import EmbeddedEngines
from service.manners.limits import MOST_OWN_BUCKETS, WINDOW_S, Leases, OwnBuckets, Policy, RateLimiter
from service.queue.client import QueueClient
from service.settings import Settings
from service.stack import free_port
from tests.support import API, assert_problem, campaign_document, change_settings

KEY = "k3y-of-the-tests-0123456789"
BEARER = {"authorization": f"Bearer {KEY}"}
SLOW = Policy("reads", 3)  # a token every 20 s


@pytest.fixture
def queue(broker_url: str) -> Iterator[QueueClient]:
    client = QueueClient(broker_url)
    yield client
    client.close()


@pytest.fixture
def away(tmp_path: Path) -> Iterator[QueueClient]:
    """A broker where nobody listens."""
    client = QueueClient(f"redis://127.0.0.1:{free_port()}/0")
    yield client
    client.close()


@pytest.fixture
def strict(client: TestClient, settings: Settings) -> TestClient:
    """An API with a key, that allows few requests a minute."""
    few = {"reads_per_minute": 4, "writes_per_minute": 2, "wrong_keys_per_minute": 3}
    change_settings(client, settings.model_copy(update={"api_key": SecretStr(KEY), **few}))
    return client


def test_a_bucket_gives_its_quota_and_no_more(queue: QueueClient) -> None:
    limiter = RateLimiter(queue)
    standings = [limiter.take(SLOW, "key:1") for _ in range(5)]
    assert [standing.is_allowed for standing in standings] == [True, True, True, False, False]
    assert 1 <= standings[-1].retry_after_s <= WINDOW_S / SLOW.quota


def test_buckets_of_principals_and_policies_are_apart(queue: QueueClient) -> None:
    limiter = RateLimiter(queue)
    for _ in range(4):
        limiter.take(SLOW, "key:1")
    assert limiter.take(SLOW, "key:2").is_allowed
    assert limiter.take(Policy("writes", 3), "key:1").is_allowed


def test_processes_count_together(queue: QueueClient, broker_url: str) -> None:
    other = QueueClient(broker_url)
    limiters = [RateLimiter(queue), RateLimiter(other)]
    allowed = [limiters[number % 2].take(SLOW, "key:1").is_allowed for number in range(6)]
    other.close()
    assert sum(allowed) == SLOW.quota


def test_threads_take_no_token_twice(queue: QueueClient) -> None:
    limiter, policy = RateLimiter(queue), Policy("reads", 50)
    started_at = time.monotonic()
    with ThreadPoolExecutor(16) as pool:
        allowed = sum(s.is_allowed for s in pool.map(lambda _: limiter.take(policy, "key:1"), range(300)))
    gained = (time.monotonic() - started_at) * policy.per_s
    assert policy.quota <= allowed <= policy.quota + gained + 1


def test_a_bucket_fills_again(queue: QueueClient) -> None:
    limiter, policy = RateLimiter(queue), Policy("reads", 600)  # a token every 0.1 s
    while limiter.take(policy, "key:1").is_allowed:
        pass
    deadline = time.monotonic() + 30
    while not limiter.take(policy, "key:1").is_allowed:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_buckets_do_not_stay_in_redis_for_ever(queue: QueueClient, engines: EmbeddedEngines) -> None:
    RateLimiter(queue).take(SLOW, "key:1")
    with redis.Redis.from_url(engines.redis_url) as connection:
        (name,) = connection.keys("crashscout:rate:*")
        assert 0 < connection.ttl(name) <= WINDOW_S + 1


LARGE = Policy("reads", 1000)  # ten tokens at once, 16.7 a second


def test_a_process_takes_several_tokens_of_a_large_quota_at_once(queue: QueueClient) -> None:
    limiter = RateLimiter(queue)
    assert LARGE.lease == 10
    assert limiter.leased(LARGE, "key:1") is None
    left = [limiter.take(LARGE, "key:1").tokens]
    while standing := limiter.leased(LARGE, "key:1"):
        left.append(standing.tokens)
    assert left == list(range(999, 989, -1))


def test_processes_that_hold_tokens_give_no_more_than_the_quota(queue: QueueClient, broker_url: str) -> None:
    other = QueueClient(broker_url)
    limiters = [RateLimiter(queue), RateLimiter(other)]
    started_at = time.monotonic()
    allowed = sum(limiters[number % 2].take(LARGE, "key:1").is_allowed for number in range(1500))
    other.close()
    gained = (time.monotonic() - started_at) * LARGE.per_s
    assert LARGE.quota - LARGE.lease <= allowed <= LARGE.quota + gained + 1


def test_unused_tokens_are_given_back(queue: QueueClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.manners.limits.LEASE_S", -1.0)  # held too long at once
    limiter = RateLimiter(queue)
    for number in range(1, 50):
        assert limiter.take(LARGE, "key:1").tokens == pytest.approx(1000 - number, abs=10)
    assert RateLimiter(queue).take(LARGE, "key:1").tokens > 900  # else 490 would be gone


def test_held_tokens_are_bounded_and_told_apart() -> None:
    leases = Leases()
    for number in range(MOST_OWN_BUCKETS + 10):
        leases.begin(LARGE, f"key:{number}", 10, 900.0, 0.0)
    assert len(leases._held) == MOST_OWN_BUCKETS
    assert leases.take(LARGE, "key:0", 0.0) is None
    assert leases.take(Policy("writes", 1000), f"key:{MOST_OWN_BUCKETS}", 0.0) is None
    standing = leases.take(LARGE, f"key:{MOST_OWN_BUCKETS}", 0.0)
    assert standing is not None
    assert standing.tokens == 908


def test_the_arithmetic_of_a_bucket() -> None:
    """Closed form: after quota requests at once, one more passes each 60 / quota seconds."""
    buckets, policy = OwnBuckets(), Policy("reads", 30)
    assert all(buckets.take(policy, "a", 0.0).is_allowed for _ in range(30))
    empty = buckets.take(policy, "a", 1.9)
    assert not empty.is_allowed
    assert empty.tokens == pytest.approx(0.95)
    assert empty.retry_after_s == 1
    assert empty.headers() == {"RateLimit-Policy": '"reads";q=30;w=60', "RateLimit": '"reads";r=0;t=59'}
    assert buckets.take(policy, "a", 2.0).is_allowed
    assert not buckets.take(policy, "a", 3.9).is_allowed
    full = buckets.take(policy, "a", 1000.0)
    assert full.tokens == 29
    assert buckets.take(policy, "a", 900.0).tokens == 28  # a clock that goes back gives nothing


def test_own_buckets_are_bounded() -> None:
    buckets = OwnBuckets()
    for number in range(MOST_OWN_BUCKETS + 10):
        buckets.take(SLOW, f"address:{number}", 0.0)
    assert len(buckets._buckets) == MOST_OWN_BUCKETS


def test_without_redis_a_process_counts_alone_and_says_so_once(
    away: QueueClient, caplog: pytest.LogCaptureFixture
) -> None:
    limiter = RateLimiter(away)
    with caplog.at_level(logging.WARNING):
        standings = [limiter.take(SLOW, "key:1") for _ in range(5)]
    assert [standing.is_allowed for standing in standings] == [True, True, True, False, False]
    assert len([line for line in caplog.messages if "counted by this process alone" in line]) == 1


def test_it_counts_in_redis_again_when_that_is_back(
    engines: EmbeddedEngines, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.manners.limits.PAUSE_S", 0.0)
    where = {"url": f"redis://127.0.0.1:{free_port()}/0"}

    class Moving(QueueClient):
        """A broker that was away and has come to its place."""

        def redis(self):
            client = QueueClient(where["url"])
            return client.redis()

    queue = Moving(engines.broker_url)
    limiter = RateLimiter(queue)
    with caplog.at_level(logging.WARNING):
        limiter.take(SLOW, "key:back")
        where["url"] = engines.broker_url
        limiter.take(SLOW, "key:back")
    queue.close()
    assert caplog.messages[-1] == "rates are counted in Redis again"


def test_the_api_works_without_redis(client: TestClient) -> None:
    client.app.state.rate_limiter = RateLimiter(QueueClient(f"redis://127.0.0.1:{free_port()}/0"))
    response = client.get(f"{API}/campaigns")
    assert response.status_code == 200
    assert response.headers["ratelimit"].startswith('"reads";r=')


def test_answers_say_how_much_is_left(strict: TestClient) -> None:
    first, second = (strict.get(f"{API}/campaigns", headers=BEARER).headers for _ in range(2))
    assert first["ratelimit-policy"] == '"reads";q=4;w=60'
    assert first["ratelimit"] == '"reads";r=3;t=15'
    assert second["ratelimit"].startswith('"reads";r=2;t=')


def test_errors_say_it_too(strict: TestClient) -> None:
    assert "ratelimit" in strict.get(f"{API}/campaigns/77", headers=BEARER).headers


def test_reads_and_writes_are_counted_apart(strict: TestClient) -> None:
    def write():
        return strict.post(f"{API}/campaigns", json=campaign_document(), headers=BEARER)

    assert [write().status_code for _ in range(3)] == [201, 201, 429]
    assert strict.get(f"{API}/campaigns", headers=BEARER).status_code == 200


def test_too_many_requests_are_told_when_to_come_again(strict: TestClient) -> None:
    for _ in range(4):
        strict.get(f"{API}/campaigns", headers=BEARER)
    response = strict.get(f"{API}/campaigns", headers=BEARER)
    problem = assert_problem(response, 429, "rate_limited")
    assert problem["detail"] == "The quota of 4 reads a minute is used up."
    assert 1 <= int(response.headers["retry-after"]) <= 15
    assert response.headers["ratelimit"].startswith('"reads";r=0;')


def test_the_dashboard_is_counted_as_well(strict: TestClient) -> None:
    for _ in range(4):
        strict.get("/campaigns", headers=BEARER)
    response = strict.get("/campaigns", headers={**BEARER, "accept": "text/html"})
    assert response.status_code == 429
    assert "quota" in response.text


def test_who_guesses_keys_is_stopped_and_who_has_one_is_not(strict: TestClient) -> None:
    def guess(number: int):
        return strict.get(f"{API}/campaigns", headers={"authorization": f"Bearer wrong-{number}"})

    assert [guess(number).status_code for number in range(5)] == [401, 401, 401, 429, 429]
    assert strict.get(f"{API}/campaigns", headers=BEARER).status_code == 200


def test_health_is_never_limited(strict: TestClient) -> None:
    for _ in range(10):
        response = strict.get("/health/live")
    assert response.status_code == 200
    assert "ratelimit" not in response.headers


def test_the_defaults_leave_room_for_the_loads_that_are_promised(settings: Settings) -> None:
    assert settings.reads_per_minute >= 2 * 200 * 60  # 200 reads a second of one key
    assert settings.writes_per_minute >= 60 * 60
