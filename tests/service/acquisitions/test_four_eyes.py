"""Campaigns in which who asks for a round does not approve what it proposes."""

import pytest
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.acquisitions import service as acquisitions
from service.database.engine import unit_of_work
from service.database.models import AcquisitionRound
from service.errors import ConflictError
from service.lifecycles import RecommendationStatus
from tests.service.admin.rows import add_campaign
from tests.support import API, assert_problem, create_campaign

APPROVED = RecommendationStatus.APPROVED


@pytest.mark.parametrize(("four_eyes", "refused"), [(True, True), (False, False)])
def test_the_requester_approves_only_where_two_eyes_do(
    sessions: sessionmaker[Session], *, four_eyes: bool, refused: bool
) -> None:
    rows = add_campaign(sessions, four_eyes=four_eyes)
    first, second = rows.recommendation_ids[:2]
    with unit_of_work(sessions) as session:
        requester = session.get_one(AcquisitionRound, rows.round_id).requested_by
        if refused:
            with pytest.raises(ConflictError, match="demands four eyes"):
                acquisitions.change(session, first, APPROVED, actor=requester)
        else:
            acquisitions.change(session, first, APPROVED, actor=requester)
        acquisitions.change(session, second, APPROVED, actor="somebody else")


def test_rules_do_not_approve_where_four_eyes_are_demanded(client: TestClient) -> None:
    campaign = create_campaign(client, four_eyes=True)
    assert client.get(f"{API}/campaigns/{campaign}").json()["four_eyes"] is True
    answer = client.post(f"{API}/campaigns/{campaign}/rounds", json={"auto_approve": {"budget": "1000"}})
    problem = assert_problem(answer, 422, "invalid_input")
    assert problem["errors"][0]["pointer"] == "/auto_approve"
    schedule = {
        "name": "nightly", "trigger": {"kind": "cron", "expression": "0 2 * * *"},
        "configuration": {"auto_approve": {"budget": "1000"}},
    }  # fmt: skip
    answer = client.post(f"{API}/campaigns/{campaign}/schedules", json=schedule)
    assert (
        assert_problem(answer, 422, "invalid_input")["errors"][0]["pointer"] == "/configuration/auto_approve"
    )
