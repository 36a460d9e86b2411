"""Pages offer to nobody what would be refused to them."""

from collections.abc import Iterator

import pytest
from bs4 import BeautifulSoup
from pydantic import SecretStr
from starlette.testclient import TestClient

from service.accounts import service as accounts
from service.accounts.schemas import ApiKeyCreate
from service.database.engine import unit_of_work
from service.database.models import ValuationRun
from service.lifecycles import RunStatus
from service.main import create_app
from service.scopes import Rights
from service.settings import Settings
from service.vocabulary import Role, Scope
from tests.service.accounts.walking import routes_of
from tests.service.admin.html import text_of
from tests.service.admin.map_rows import add_map
from tests.service.admin.rows import new_run
from tests.service.admin.story import Story, add_backtest, tell
from tests.support import API

SECRET = "s3cret-of-the-tests-0123456789"
CAMPAIGN = "/campaigns/{campaign_id:int}"
STATUSES = (RunStatus.FAILED, RunStatus.QUEUED, RunStatus.RUNNING)


@pytest.fixture
def closed(dashboard_settings: Settings) -> Iterator[TestClient]:
    """The dashboard, which lets nobody in without credentials."""
    secrets = {"api_key": SecretStr("k3y-of-the-tests-0123456789"), "secret_key": SecretStr(SECRET)}
    app = create_app(dashboard_settings.model_copy(update=secrets))
    headers = {"accept": "text/html", "sec-fetch-site": "same-origin"}
    with TestClient(app, base_url="http://localhost", headers=headers, follow_redirects=False) as client:
        yield client


@pytest.fixture
def story(closed: TestClient) -> Story:
    found = tell(closed.app.state.sessions)
    add_map(closed.app.state.sessions, found.rows)
    add_backtest(closed.app.state.sessions, found.campaign_id)
    with unit_of_work(
        closed.app.state.sessions
    ) as session:  # what may be cancelled, and what may be tried again
        session.add_all([new_run(ValuationRun, found.campaign_id, status) for status in STATUSES])
    return found


def become(client: TestClient, role: Role) -> None:
    request = ApiKeyCreate(name=role.value, scopes=role.scopes, campaign_ids=None)
    with unit_of_work(client.app.state.sessions) as session:
        _, token = accounts.create_key(session, request, actor="test", secret_key=SECRET)
    client.headers["authorization"] = f"Bearer {token}"


def pages(client: TestClient, story: Story) -> Iterator[tuple[str, BeautifulSoup]]:
    """Every page of the campaign, and one of each row that has its own."""
    sample_id = client.get(f"{API}/recommendations/{story.rows.recommendation_ids[0]}").json()["sample_id"]
    urls = {
        route.path.replace("{campaign_id:int}", str(story.campaign_id)).replace(
            "{sample_id:int}", str(sample_id)
        )
        for route in routes_of(client.app)
        if route.method == "GET" and route.path.startswith(CAMPAIGN)
    }
    alone = {f"/recommendations/{key}" for key in story.rows.recommendation_ids}
    for url in sorted({*urls, *alone, "/campaigns"}):
        answer = client.get(url)
        if "{" not in url and answer.is_success and "text/html" in answer.headers["content-type"]:
            yield url, BeautifulSoup(answer.text, "html.parser")


def targets(soup: BeautifulSoup) -> set[str]:
    return {str(form["action"]) for form in soup.select("form[method=post]")}


@pytest.mark.parametrize("role", Role)
def test_every_form_goes_where_the_role_may_send_it(closed: TestClient, story: Story, role: Role) -> None:
    become(closed, role)
    rights = Rights(role.scopes, closed.app)
    seen: set[str] = set()
    for url, soup in pages(closed, story):
        refused = {target for target in targets(soup) if not rights.may_post(target)}
        assert not refused, f"{url} offers {refused} to a {role}"
        dead = [button for button in soup.select("[data-opens]") if not soup.find(id=button["data-opens"])]
        assert not dead, f"{url} has buttons that open nothing: {dead}"
        seen |= targets(soup)
    assert bool(seen) == (Scope.WRITE in role.scopes), seen


def test_a_viewer_reads_all_that_an_approver_reads(closed: TestClient, story: Story) -> None:
    url = f"/campaigns/{story.campaign_id}/recommendations"
    shown = {}
    for role in (Role.APPROVER, Role.VIEWER):
        become(closed, role)
        soup = BeautifulSoup(closed.get(url).text, "html.parser")
        shown[role] = {text_of(cell) for cell in soup.select("td.name")}
        assert bool(soup.select("input[name=ids]")) == (role is Role.APPROVER)
    assert shown[Role.VIEWER] == shown[Role.APPROVER] != set()


@pytest.mark.parametrize("page", ["", "/runs"])
def test_only_who_may_cancel_sees_cancel(closed: TestClient, story: Story, page: str) -> None:
    offered = {}
    for role in (Role.APPROVER, Role.VIEWER):
        become(closed, role)
        soup = BeautifulSoup(closed.get(f"/campaigns/{story.campaign_id}{page}").text, "html.parser")
        assert soup.select("tr[id^=valuation-runs]"), "the runs are shown to everyone"
        offered[role] = [button.get("aria-label") for button in soup.select("[id^=cancel-valuation-runs]")]
    assert len(offered[Role.APPROVER]) == 2
    assert offered[Role.VIEWER] == []


def test_a_form_that_goes_nowhere_is_a_fault(closed: TestClient) -> None:
    with pytest.raises(LookupError, match="No route takes a POST to /nowhere"):
        Rights(frozenset(Scope), closed.app).may_post("/nowhere")
