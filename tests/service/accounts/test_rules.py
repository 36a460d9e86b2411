"""Rules that approve by themselves commit money: they need the scope `approve`, wherever they come in."""

from collections.abc import Callable

from starlette.testclient import TestClient

from service.vocabulary import Role
from tests.support import API, assert_problem, create_campaign

RULES = {"auto_approve": {"budget": "1000"}}
SCHEDULE = {"name": "nightly", "trigger": {"kind": "cron", "expression": "0 2 * * *"}}


def test_an_engineer_starts_rounds_and_schedules_without_rules_only(
    admin: TestClient, new_key: Callable[..., dict[str, str]]
) -> None:
    engineer, base = new_key(Role.ENGINEER.scopes), f"{API}/campaigns/{create_campaign(admin)}"
    made = admin.post(f"{base}/schedules", json=SCHEDULE | {"configuration": RULES})
    assert made.status_code == 201, made.text
    with_rules = f"{API}/schedules/{made.json()['id']}"
    plain = admin.post(f"{base}/schedules", json=SCHEDULE, headers=engineer)
    assert plain.status_code == 201, plain.text
    without = f"{API}/schedules/{plain.json()['id']}"
    for method, url, document in [
        ("POST", f"{base}/rounds", RULES),
        ("POST", f"{base}/schedules", SCHEDULE | {"configuration": RULES}),
        ("PATCH", without, {"configuration": RULES}),
        ("PATCH", with_rules, {"name": "hourly"}),
        ("POST", f"{with_rules}:resume", None),
        ("POST", f"{with_rules}:fire", None),
    ]:
        answer = admin.request(method, url, json=document, headers=engineer)
        assert "scope approve" in assert_problem(answer, 403, "forbidden")["detail"], url
    assert admin.patch(without, json={"name": "hourly"}, headers=engineer).status_code == 200
    assert admin.post(f"{base}/rounds", json={}, headers=engineer).status_code == 202
