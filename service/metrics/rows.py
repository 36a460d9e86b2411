"""What the rows and the broker say, as Prometheus families; the same from every API process."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from itertools import accumulate
from typing import TYPE_CHECKING

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from service.errors import UnavailableError
from service.metrics import repository
from service.processes import service as processes
from service.queue.messages import Queue

if TYPE_CHECKING:
    from sqlalchemy.orm import Session, sessionmaker

    from service.queue.client import QueueClient

# However often and by how many it is scraped, the rows are read once in so long.
FRESH_S = 5.0
BOUNDS_S = (1.0, 3.0, 10.0, 30.0, 60.0, 180.0, 600.0, 1800.0, 3600.0, 14400.0)


class RowFigures(Collector):
    """Figures of queues, runs, rankings, samples and workers; `*_up` says whether they could be read."""

    def __init__(self, sessions: sessionmaker[Session], queue: QueueClient) -> None:
        self._sessions = sessions
        self._queue = queue
        self._lock = threading.Lock()
        self._families: list[Metric] = []
        self._read_at = float("-inf")

    def collect(self) -> Iterable[Metric]:
        with self._lock:
            if time.monotonic() - self._read_at >= FRESH_S:
                self._families = [*self._of_database(), *self._of_broker()]
                self._read_at = time.monotonic()
            return self._families

    def _of_database(self) -> list[Metric]:
        name, meaning = "crashscout_database_up", "1 when the figures of the rows could be read."
        try:
            with self._sessions() as session:
                families = _families(session)
        except SQLAlchemyError:
            return [GaugeMetricFamily(name, meaning, 0)]
        return [GaugeMetricFamily(name, meaning, 1), *families]

    def _of_broker(self) -> list[Metric]:
        name, meaning = "crashscout_broker_up", "1 when the broker answered."
        try:
            depths = self._queue.depths()
        except UnavailableError:
            return [GaugeMetricFamily(name, meaning, 0)]
        waiting = GaugeMetricFamily(
            "crashscout_queue_messages", "Messages that no worker has fetched yet.", labels=["queue"]
        )
        for queue, depth in depths.items():
            waiting.add_metric([queue.value], depth)
        return [GaugeMetricFamily(name, meaning, 1), waiting]


def _families(session: Session) -> list[Metric]:
    return [
        _runs(session),
        _waits(session),
        _durations(session),
        _rankings(session),
        CounterMetricFamily(
            "crashscout_samples_inserted",
            "Samples that came in; its rate is the ingest rate.",
            repository.samples_inserted(session),
        ),
        _workers(session),
    ]


def _runs(session: Session) -> Metric:
    family = GaugeMetricFamily(
        "crashscout_runs", "Runs and uploads by state; queued is the depth.", labels=["kind", "status"]
    )
    for kind, status, count in repository.status_counts(session):
        family.add_metric([kind, status], count)
    return family


def _waits(session: Session) -> Metric:
    family = GaugeMetricFamily(
        "crashscout_longest_wait_seconds", "Since the oldest queued one was asked for.", labels=["kind"]
    )
    for kind, seconds in repository.longest_wait_s(session).items():
        family.add_metric([kind], seconds)
    return family


def _durations(session: Session) -> Metric:
    family = HistogramMetricFamily(
        "crashscout_run_duration_seconds", "Of ended runs, from the last claim.", labels=["kind", "outcome"]
    )
    names = [*(str(bound) for bound in BOUNDS_S), "+Inf"]
    for found in repository.durations(session, BOUNDS_S):
        buckets = list(zip(names, accumulate(found.counts), strict=True))
        family.add_metric([found.kind, found.status], buckets, sum_value=found.total_s)
    return family


def _rankings(session: Session) -> Metric:
    family = GaugeMetricFamily(
        "crashscout_ranking_candidates", "Candidates in the newest ranking.", labels=["campaign"]
    )
    for campaign_id, size in repository.newest_pool_sizes(session).items():
        family.add_metric([str(campaign_id)], size)
    return family


def _workers(session: Session) -> Metric:
    family = GaugeMetricFamily("crashscout_workers", "Workers that live.", labels=["queue"])
    found = processes.workers_by_queue(session)
    for queue in Queue:
        family.add_metric([queue.value], found[queue])
    return family
