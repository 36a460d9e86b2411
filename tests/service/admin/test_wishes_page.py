"""The page that injects designs into the next round, or vetoes them."""

import pytest
from bs4 import BeautifulSoup
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.acquisitions import service as acquisitions
from service.campaigns import service as campaigns
from service.wishes import service as wishes
from tests.service.admin.html import flash_after, soup_of, text_of
from tests.service.admin.rows import Rows


@pytest.fixture
def url(rows: Rows) -> str:
    return f"/campaigns/{rows.campaign_id}/recommendations/wishes"


def standing(store: sessionmaker[Session], rows: Rows) -> list[tuple[str, str, str]]:
    """(name, kind, reason) of what the next round has to heed."""
    with store() as session:
        found = wishes.standing(session, campaigns.get(session, rows.campaign_id))
        return [(wish.sample.external_id, wish.kind.value, wish.reason) for wish in found]


def test_an_empty_page_says_so(dashboard: TestClient, url: str) -> None:
    text = text_of(soup_of(dashboard, url).main)
    assert "Nobody has injected a design" in text
    assert "Nothing is vetoed." in text


def test_inject_by_name_and_withdraw(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows, url: str
) -> None:
    """D-5 is the one that no round has proposed."""
    form = {"names": "D-5\n", "kind": "inject", "reason": " The board wants it. "}
    assert flash_after(dashboard, url, form) == (url, "ok", "1 design will be in the next round.")
    assert standing(store, rows) == [("D-5", "inject", "The board wants it.")]
    soup = soup_of(dashboard, url)
    assert "1, 300,000 USD" in text_of(soup.select_one("#injected"))
    action = soup.select_one("button[aria-label='Withdraw the injection of D-5']").parent["action"]
    assert flash_after(dashboard, action)[2] == "Withdrawn: the rounds to come choose freely again."
    assert standing(store, rows) == []
    assert dashboard.post(action).status_code == 409


def test_veto_what_was_selected_on_the_map(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows, url: str
) -> None:
    with store() as session:
        ids = [acquisitions.get_recommendation(session, key).sample_id for key in rows.recommendation_ids[:2]]
    form = {"sample_ids": ",".join(map(str, ids)), "kind": "veto", "reason": "No such body."}
    text = flash_after(dashboard, url, form)[2]
    assert text == "2 designs will be in no round until the veto is withdrawn."
    assert standing(store, rows) == [("D-0", "veto", "No such body."), ("D-1", "veto", "No such body.")]


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"names": "D-5, D-99", "kind": "veto", "reason": "x"}, "the campaign has no design D-99"),
        ({"names": "D-5", "kind": "veto"}, "A reason is needed"),
        ({"names": "D-5", "kind": "perhaps", "reason": "x"}, "kind"),
        ({"names": "T-0", "kind": "inject", "reason": "x"}, "is no candidate of this campaign"),
        ({"kind": "inject", "reason": "x"}, "name at least one design"),
        ({"sample_ids": "x,-3,1e9", "kind": "inject", "reason": "x"}, "name at least one design"),
    ],
)
def test_what_is_refused_changes_nothing_and_stays_in_the_form(
    dashboard: TestClient,
    store: sessionmaker[Session],
    rows: Rows,
    url: str,
    form: dict[str, str],
    words: str,
) -> None:
    response = dashboard.post(url, data=form)
    soup = BeautifulSoup(response.text, "html.parser")
    assert response.status_code == 422
    assert words in text_of(soup.select_one(".flash.error"))
    assert standing(store, rows) == []
    assert soup.textarea.get_text() == form.get("names", "")


NEW = {
    "source": "full_vehicle",
    "external_id": "N-1",
    "feature.impact_speed_kmh": "56.0",
    "feature.test_mass_kg": "2400",
    "feature.model_year": "2027",
    "new_reason": "A competitor has it.",
}


def test_a_new_design_is_added_and_injected(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows, url: str
) -> None:
    text = flash_after(dashboard, f"{url}/new-design", NEW)[2]
    assert text == "N-1 is a candidate now. 1 design will be in the next round."
    assert standing(store, rows) == [("N-1", "inject", "A competitor has it.")]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"feature.model_year": "next"}, "'next' is no number"),
        ({"external_id": "D-5"}, "exists already"),
        ({"source": "oracle"}, "source"),
        ({"new_reason": ""}, "A reason is needed"),
    ],
)
def test_a_design_that_does_not_fit_is_not_stored(
    dashboard: TestClient,
    store: sessionmaker[Session],
    rows: Rows,
    url: str,
    changes: dict[str, str],
    words: str,
) -> None:
    response = dashboard.post(f"{url}/new-design", data=NEW | changes)
    soup = BeautifulSoup(response.text, "html.parser")
    assert response.status_code in {409, 422}
    assert words in text_of(soup.select_one(".flash.error"))
    assert soup.select_one("input[name='feature.test_mass_kg']")["value"] == "2400"
    assert standing(store, rows) == []
    assert (
        dashboard.get(f"/api/v1/campaigns/{rows.campaign_id}/samples?external_id=N-1").json()["items"] == []
    )
