"""Rates: a token bucket per principal for reads and another for writes, and one per address for wrong keys.

A bucket holds at most `quota` tokens and gains as many in `WINDOW_S` seconds; each request takes one. The buckets
stand in Redis, so that all API processes count together, and one script takes and refills in one step by Redis's
own clock. A process takes 1 % of a quota at once and gives back what it has not used within a second, so that a busy
caller costs one round trip in many requests; small quotas are counted one by one. When Redis is away each process
counts in its own memory with the same quotas: the API works on, an outage lets through at most one quota per process,
and the log says when it begins and ends.

Source: draft-ietf-httpapi-ratelimit-headers-10 for the headers.
"""

from __future__ import annotations

import logging
import math
import time
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import Any

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from service.errors import RateLimitedError
from service.queue.client import QueueClient

logger = logging.getLogger(__name__)
WINDOW_S = 60
# After a failure Redis is left alone for so long: not each request shall wait for it.
PAUSE_S = 5.0
# Buckets of one process when Redis is away; beyond it the one that was used longest ago begins anew.
MOST_OWN_BUCKETS = 10_000
# Of a quota, what a process takes at once, and how long it keeps that.
LEASED_SHARE = 0.01
LEASE_S = 1.0
_PREFIX = "crashscout:rate"
# KEYS[1] the bucket; ARGV quota, window in s, tokens wanted, tokens given back. Returns the tokens that were taken, and
# those left as text.
_SCRIPT = """
local quota, per_s = tonumber(ARGV[1]), tonumber(ARGV[1]) / tonumber(ARGV[2])
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000
local kept = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local gained = math.max(0, now - (tonumber(kept[2]) or now)) * per_s
local tokens = math.min(quota, (tonumber(kept[1]) or quota) + gained + tonumber(ARGV[4]))
local taken = math.min(tonumber(ARGV[3]), math.floor(tokens))
tokens = tokens - taken
redis.call('HSET', KEYS[1], 'tokens', string.format('%.9f', tokens), 'at', string.format('%.6f', now))
redis.call('EXPIRE', KEYS[1], math.ceil(ARGV[2]) + 1)
return {taken, string.format('%.9f', tokens)}
"""


@dataclass(frozen=True)
class Policy:
    """`quota` requests in a window of `WINDOW_S`; `name` stands in the headers."""

    name: str
    quota: int

    @property
    def per_s(self) -> float:
        return self.quota / WINDOW_S

    @property
    def lease(self) -> int:
        """Tokens that a process takes at once."""
        return max(1, int(self.quota * LEASED_SHARE))


@dataclass(frozen=True)
class Standing:
    """What a bucket says after a request: whether it may pass, and the tokens left."""

    policy: Policy
    is_allowed: bool
    tokens: float

    @property
    def retry_after_s(self) -> int:
        """Seconds until the next token."""
        return max(1, math.ceil((1 - self.tokens) / self.policy.per_s))

    def headers(self) -> dict[str, str]:
        """`r` requests remain; after `t` seconds all of the quota do."""
        full_in_s = math.ceil((self.policy.quota - self.tokens) / self.policy.per_s)
        return {
            "RateLimit-Policy": f'"{self.policy.name}";q={self.policy.quota};w={WINDOW_S}',
            "RateLimit": f'"{self.policy.name}";r={int(self.tokens)};t={full_in_s}',
        }

    def check(self) -> None:
        """Refuse the request when its bucket is empty.

        Raises:
            RateLimitedError: with the seconds to wait.
        """
        if not self.is_allowed:
            raise RateLimitedError(
                f"The quota of {self.policy.quota} {self.policy.name} a minute is used up.",
                hint=f"Wait {self.retry_after_s} s, then go on more slowly: RateLimit says how much is left.",
                retry_after_s=self.retry_after_s,
            )


class RateLimiter:
    """Takes tokens; safe for use by many threads."""

    def __init__(self, queue: QueueClient) -> None:
        self._queue = queue
        self._script: Any = None
        self._own = OwnBuckets()
        self._leases = Leases()
        self._away_until = 0.0
        self._is_away = False
        self._lock = Lock()

    def leased(self, policy: Policy, whose: str) -> Standing | None:
        """Take a token of those that this process holds; None when it holds none. Waits for nothing."""
        return self._leases.take(policy, whose, time.monotonic())

    def take(self, policy: Policy, whose: str) -> Standing:
        """Take a token out of the bucket of `whose`; cost: one round trip to Redis, unless one is held here."""
        if standing := self.leased(policy, whose):
            return standing
        if time.monotonic() >= self._away_until:
            unused = self._leases.give_up(policy, whose)
            try:
                taken, left = self._in_redis()(
                    keys=[f"{_PREFIX}:{policy.name}:{whose}"],
                    args=[policy.quota, WINDOW_S, policy.lease, unused],
                )
            except (RedisError, OperationalError) as error:
                self._note_away(error)
            else:
                self._note_back()
                return self._leases.begin(policy, whose, int(taken), float(left), time.monotonic())
        return self._own.take(policy, whose, time.monotonic())

    def _in_redis(self) -> Any:  # noqa: ANN401 - redis publishes no type for a script
        with self._lock:
            if self._script is None:
                self._script = self._queue.redis().register_script(_SCRIPT)
            return self._script

    def _note_away(self, error: Exception) -> None:
        self._away_until = time.monotonic() + PAUSE_S
        if not self._is_away:
            self._is_away = True
            logger.warning("rates are counted by this process alone, Redis is away: %s", error)

    def _note_back(self) -> None:
        if self._is_away:
            self._is_away = False
            logger.warning("rates are counted in Redis again")


@dataclass
class _Lease:
    """Tokens of a bucket that this process holds, those left in the bucket, and until when."""

    tokens: int
    left: float
    until_s: float


class Leases:
    """Tokens that this process has taken out of buckets and not used yet; safe for use by many threads."""

    def __init__(self) -> None:
        self._held: OrderedDict[tuple[Policy, str], _Lease] = OrderedDict()
        self._lock = Lock()

    def take(self, policy: Policy, whose: str, now_s: float) -> Standing | None:
        """Use one of the tokens; None when none is held, or they were held too long."""
        with self._lock:
            lease = self._held.get((policy, whose))
            if lease is None or lease.tokens < 1 or now_s > lease.until_s:
                return None
            lease.tokens -= 1
            return Standing(policy, is_allowed=True, tokens=lease.left + lease.tokens)

    def give_up(self, policy: Policy, whose: str) -> int:
        """The unused tokens, which are held no longer."""
        with self._lock:
            lease = self._held.pop((policy, whose), None)
        return lease.tokens if lease else 0

    def begin(self, policy: Policy, whose: str, taken: int, left: float, now_s: float) -> Standing:
        """Hold the tokens that were taken, and use the first; another thread may have begun to hold some too."""
        if not taken:
            return Standing(policy, is_allowed=False, tokens=left)
        with self._lock:
            other = self._held.pop((policy, whose), None)
            tokens = taken - 1 + (other.tokens if other else 0)
            self._held[policy, whose] = _Lease(tokens, left, now_s + LEASE_S)
            if len(self._held) > MOST_OWN_BUCKETS:
                self._held.popitem(last=False)
        return Standing(policy, is_allowed=True, tokens=left + tokens)


class OwnBuckets:
    """The same buckets in the memory of this process."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[tuple[Policy, str], tuple[float, float]] = OrderedDict()
        self._lock = Lock()

    def take(self, policy: Policy, whose: str, now_s: float) -> Standing:
        with self._lock:
            tokens, at_s = self._buckets.pop((policy, whose), (float(policy.quota), now_s))
            tokens = min(policy.quota, tokens + max(0.0, now_s - at_s) * policy.per_s)
            is_allowed = tokens >= 1
            tokens -= is_allowed
            self._buckets[policy, whose] = tokens, now_s
            if len(self._buckets) > MOST_OWN_BUCKETS:
                self._buckets.popitem(last=False)
        return Standing(policy, is_allowed, tokens)
