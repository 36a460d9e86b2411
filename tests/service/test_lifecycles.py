"""The life cycles as DESIGN section 4 has them."""

import pytest

from service.lifecycles import OPEN, PENDING, SPENT, RecommendationStatus, RunStatus

S = RecommendationStatus
ALLOWED = {
    S.PROPOSED: {S.APPROVED, S.REJECTED, S.EXPIRED},
    S.APPROVED: {S.ORDERED, S.ABANDONED},
    S.ORDERED: {S.RUNNING, S.COMPLETED, S.FAILED, S.ABANDONED},
    S.RUNNING: {S.COMPLETED, S.FAILED, S.ABANDONED},
    S.REJECTED: set(),
    S.COMPLETED: set(),
    S.FAILED: {S.COMPLETED},
    S.ABANDONED: {S.COMPLETED},
    S.EXPIRED: {S.COMPLETED},
}


@pytest.mark.parametrize("status", S)
def test_allowed_changes(status: RecommendationStatus) -> None:
    assert status.allowed == ALLOWED[status]


def test_pending_is_approved_ordered_or_running() -> None:
    assert {S.APPROVED, S.ORDERED, S.RUNNING} == PENDING
    assert PENDING | {S.PROPOSED} == OPEN
    assert {S.COMPLETED, S.FAILED} == SPENT


@pytest.mark.parametrize("status", S)
def test_a_status_is_open_or_terminal(status: RecommendationStatus) -> None:
    assert status.is_open is not status.is_terminal
    assert status.is_open is (status in OPEN)


def test_late_results_are_for_what_failed_was_abandoned_or_expired() -> None:
    assert {status for status in S if status.accepts_late_result} == {S.FAILED, S.ABANDONED, S.EXPIRED}


def test_every_proposal_can_come_to_a_result() -> None:
    reached, frontier = {S.PROPOSED}, {S.PROPOSED}
    while frontier:
        frontier = set().union(*(status.allowed for status in frontier)) - reached
        reached |= frontier
    assert reached == set(S)


def test_a_run_has_ended_when_it_succeeded_failed_or_was_cancelled() -> None:
    ended = {status for status in RunStatus if status.is_terminal}
    assert ended == {RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELLED}
