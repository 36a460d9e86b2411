"""The life cycles, each one enum with its diagram and the changes that it allows."""

from __future__ import annotations

from enum import StrEnum


class RunStatus(StrEnum):
    """Life of a valuation run, of an acquisition round's computation, and of whatever else a worker computes.

    queued ──▶ running ──▶ succeeded
      │  ▲        ├──────▶ failed
      │  └────────┤ (lease lapsed: tried again)
      └───────────┴──────▶ cancelled
    """

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_terminal(self) -> bool:
        return self in {RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELLED}


class AttemptOutcome(StrEnum):
    """How one attempt at a run ended.

    A worker claims a run: an attempt begins. It ends as the run does (succeeded, failed, cancelled), or the run
    goes on in another attempt: lost (no sign of life, or the database was away), handed_back (a slice of a long
    run is done). late: a result came after the attempt was lost and the run had changed hands or ended.
    """

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LOST = "lost"
    HANDED_BACK = "handed_back"
    LATE = "late"


class UploadStatus(StrEnum):
    """Life of an upload: a file is read by a worker, looked at by people, and then becomes samples or not.

                   ┌──────────── a new label definition: read again ◀───────────┐
                   ▼                                                            │
        queued ──▶ running ──▶ parsed ──▶ accepted (its samples exist) ─────────┘
          ▲           │ │        ├──────▶ rejected
          └───────────┘ │        └──▶ queued (a new label definition)
     (lease lapsed)     └──▶ failed

    A re-read that fails leaves an accepted upload accepted: its labels stay what they were.
    """

    QUEUED = "queued"
    RUNNING = "running"
    PARSED = "parsed"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    FAILED = "failed"

    @property
    def allowed(self) -> frozenset[UploadStatus]:
        """What this status may change into."""
        return _UPLOAD_CHANGES[self]

    @property
    def is_terminal(self) -> bool:
        """Nothing more happens to it; the same file may be sent once more."""
        return not self.allowed


_U = UploadStatus
_UPLOAD_CHANGES: dict[UploadStatus, frozenset[UploadStatus]] = {
    _U.QUEUED: frozenset({_U.RUNNING}),
    _U.RUNNING: frozenset({_U.QUEUED, _U.PARSED, _U.ACCEPTED, _U.FAILED}),
    _U.PARSED: frozenset({_U.QUEUED, _U.ACCEPTED, _U.REJECTED}),
    _U.ACCEPTED: frozenset({_U.QUEUED}),
    _U.REJECTED: frozenset(),
    _U.FAILED: frozenset(),
}


class RecommendationStatus(StrEnum):
    """Life of a recommendation.

        proposed ──▶ approved ──▶ ordered ──▶ running ──▶ completed
           │  │         │            │  │        ├──────▶ failed     (may be proposed again)
           │  │         └────────────┼──┼────────┴──────▶ abandoned  (never again)
           │  └──▶ expired           │  └─▶ completed, failed
           └─────▶ rejected          └─▶ abandoned

    A late result is accepted: failed, abandoned and expired may still become completed.
    """

    PROPOSED = "proposed"
    APPROVED = "approved"
    REJECTED = "rejected"
    ORDERED = "ordered"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    ABANDONED = "abandoned"
    EXPIRED = "expired"

    @property
    def allowed(self) -> frozenset[RecommendationStatus]:
        """What this status may change into."""
        return _CHANGES[self]

    @property
    def is_open(self) -> bool:
        """Proposed or pending: its sample cannot be proposed a second time."""
        return self is RecommendationStatus.PROPOSED or self.is_pending

    @property
    def is_pending(self) -> bool:
        return self in PENDING

    @property
    def is_terminal(self) -> bool:
        return not self.is_open

    @property
    def accepts_late_result(self) -> bool:
        return self.is_terminal and RecommendationStatus.COMPLETED in self.allowed


_S = RecommendationStatus
_CHANGES: dict[RecommendationStatus, frozenset[RecommendationStatus]] = {
    _S.PROPOSED: frozenset({_S.APPROVED, _S.REJECTED, _S.EXPIRED}),
    _S.APPROVED: frozenset({_S.ORDERED, _S.ABANDONED}),
    _S.ORDERED: frozenset({_S.RUNNING, _S.COMPLETED, _S.FAILED, _S.ABANDONED}),
    _S.RUNNING: frozenset({_S.COMPLETED, _S.FAILED, _S.ABANDONED}),
    _S.REJECTED: frozenset(),
    _S.COMPLETED: frozenset(),
    _S.FAILED: frozenset({_S.COMPLETED}),
    _S.ABANDONED: frozenset({_S.COMPLETED}),
    _S.EXPIRED: frozenset({_S.COMPLETED}),
}
PENDING = frozenset({_S.APPROVED, _S.ORDERED, _S.RUNNING})
OPEN = PENDING | {_S.PROPOSED}
# Money that is gone or promised: a failed test was paid for all the same.
SPENT = frozenset({_S.COMPLETED, _S.FAILED})


class RoundStep(StrEnum):
    """Life of a round: the whole way from frozen data to results, of which an acquisition round is the ranking.

    freeze ──▶ value ──▶ rank ──▶ propose ──▶ decide ──▶ order ──▶ collect ──▶ close ──▶ closed
       └─────────┴─────────┴─────────┴──────────┴──────────┴──────────┴───────────▲
          (refused, failed, cancelled, nothing proposed, nothing approved)

    Each step is one transaction that leaves rows for the next: a crash before or after it loses nothing.
    """

    FREEZE = "freeze"
    VALUE = "value"
    RANK = "rank"
    PROPOSE = "propose"
    DECIDE = "decide"
    ORDER = "order"
    COLLECT = "collect"
    CLOSE = "close"
    CLOSED = "closed"

    @property
    def allowed(self) -> frozenset[RoundStep]:
        """What this step may change into: the next one, or the way out."""
        if self is RoundStep.CLOSED:
            return frozenset()
        following = list(RoundStep)[list(RoundStep).index(self) + 1]
        return frozenset({following, RoundStep.CLOSE if self is not RoundStep.CLOSE else following})

    @property
    def is_terminal(self) -> bool:
        return self is RoundStep.CLOSED


class RoundEnd(StrEnum):
    """Why a round was closed."""

    COMPLETED = "completed"  # every approved recommendation has ended
    PARTIAL = "partial"  # the deadline, or somebody, ended the wait for results
    NOTHING_PROPOSED = "nothing_proposed"
    NOTHING_APPROVED = "nothing_approved"
    CANCELLED = "cancelled"
    FAILED = "failed"


class ScheduleStatus(StrEnum):
    """Life of a schedule.

    active ◀──▶ paused
      │           │
      └───────────┴──▶ ended (its date has passed, or it was deleted; its firings stay readable)
    """

    ACTIVE = "active"
    PAUSED = "paused"
    ENDED = "ended"


class DeliveryStatus(StrEnum):
    """Life of a webhook delivery.

    pending ──▶ delivered
       ├──────▶ failed      (the last attempt failed, or the address is refused; `:replay` makes a new one)
       └──────▶ pending     (tried again later)
    """

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
