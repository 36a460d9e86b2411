"""How long requests took; labels are route templates, never the paths that came in.

Several processes of one API (`crashscout api --processes`) keep their counts in files of one folder, which
`SHARED_TIMES` names; whichever is asked tells those of all, also of processes that have ended.
"""

from __future__ import annotations

import os

from prometheus_client import CollectorRegistry, Histogram
from starlette.types import Scope

BOUNDS_S = (0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
UNMATCHED = "unmatched"
# The variable is prometheus_client's, which looks at it when it is imported.
SHARED_TIMES = "PROMETHEUS_MULTIPROC_DIR"
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


class RequestTimes:
    """One histogram with labels method, route and status; of an event stream it is its whole length."""

    def __init__(self) -> None:
        self._own = CollectorRegistry()
        self._seconds = Histogram(
            "crashscout_request_duration_seconds",
            "Requests to this API.",
            ["method", "route", "status"],
            buckets=BOUNDS_S,
            registry=self._own,
        )

    def of_all_processes(self) -> CollectorRegistry:
        """What to tell whoever asks."""
        if SHARED_TIMES not in os.environ:
            return self._own
        from prometheus_client.multiprocess import MultiProcessCollector

        shared = CollectorRegistry()
        MultiProcessCollector(shared)  # type: ignore[no-untyped-call]  # registers itself
        return shared

    def note(self, scope: Scope, status: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._seconds.labels(method, template_of(scope), str(status)).observe(seconds)


def template_of(scope: Scope) -> str:
    """`/api/v1/campaigns/{campaign_id}`; the route knows its own part, what stands before it is fixed."""
    own: str | None = getattr(scope.get("route"), "path", None)
    if own is None:
        return UNMATCHED
    before = scope["path"].split("/")[: -own.count("/") or None]
    return f"{'/'.join(before)}{own}".replace(":part}", "}")
