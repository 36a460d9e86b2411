"""The page that injects designs into the next round, or vetoes them."""

import pytest
from bs4 import BeautifulSoup
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.acquisitions import service as acquisitions
from service.campaigns import service as campaigns
from service.injections import service as injections
from service.samples import vetoes
from tests.service.admin.html import flash_after, soup_of, text_of
from tests.service.admin.rows import Rows


@pytest.fixture
def url(rows: Rows) -> str:
    return f"/campaigns/{rows.campaign_id}/recommendations/wishes"


def standing(store: sessionmaker[Session], rows: Rows) -> list[tuple[str | None, str, str]]:
    """(name, kind, reason) of what the next round has to heed."""
    with store() as session:
        injected = injections.standing(session, campaigns.get(session, rows.campaign_id))
        vetoed = vetoes.standing(session, rows.campaign_id)
        return [(row.sample.external_id, "inject", row.reason) for row in injected] + [
            (sample.external_id, "veto", veto.reason) for sample, veto in vetoed
        ]


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


def ids_of(store: sessionmaker[Session], recommendation_ids: list[int]) -> str:
    with store() as session:
        found = [acquisitions.get_recommendation(session, key).sample_id for key in recommendation_ids]
    return ",".join(map(str, found))


def test_veto_what_was_selected_on_the_map_and_lift_it(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows, url: str
) -> None:
    for key in rows.recommendation_ids[:2]:
        dashboard.post(f"/recommendations/{key}/reject", data={"reason": "not now"})
    form = {
        "sample_ids": ids_of(store, rows.recommendation_ids[:2]),
        "kind": "veto",
        "reason": "No such body.",
    }
    text = flash_after(dashboard, url, form)[2]
    assert text == "2 designs will be in no round until the veto is lifted."
    assert standing(store, rows) == [("D-0", "veto", "No such body."), ("D-1", "veto", "No such body.")]
    action = soup_of(dashboard, url).select_one("button[aria-label='Lift the veto of D-0']").parent["action"]
    assert "veto is lifted" in flash_after(dashboard, action)[2]
    assert standing(store, rows) == [("D-1", "veto", "No such body.")]
    assert dashboard.post(action).status_code == 409


def test_of_several_vetoes_all_or_none(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows, url: str
) -> None:
    form = {"sample_ids": ids_of(store, rows.recommendation_ids[:1]), "names": "D-5", "kind": "veto"}
    response = dashboard.post(url, data=form | {"reason": "No such body."})
    assert response.status_code == 409
    assert "(D-0) is proposed or pending" in text_of(BeautifulSoup(response.text, "html.parser"))
    assert standing(store, rows) == []


def test_an_injection_of_a_vetoed_design_rests(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows, url: str
) -> None:
    for kind in ("inject", "veto"):
        flash_after(dashboard, url, {"names": "D-5", "kind": kind, "reason": "x"})
    assert standing(store, rows) == [("D-5", "inject", "x"), ("D-5", "veto", "x")]
    injected = soup_of(dashboard, url).select_one("section[aria-labelledby=injected]")
    assert "rests while the design is vetoed" in text_of(injected)


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"names": "D-5, D-99", "kind": "veto", "reason": "x"}, "the campaign has no design D-99"),
        ({"names": "D-5", "kind": "veto"}, "A reason is needed"),
        ({"names": "D-5", "kind": "perhaps", "reason": "x"}, "say whether to inject or to veto"),
        ({"names": "T-0", "kind": "inject", "reason": "x"}, "is no candidate of this campaign"),
        ({"sample_ids": "1" * 19, "kind": "veto", "reason": "x"}, "name at least one design"),
        ({"sample_ids": "1" * 18, "kind": "veto", "reason": "x"}, "the campaign has no sample"),
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
