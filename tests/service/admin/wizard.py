"""The forms of a new campaign, filled in as a browser does."""

from typing import Any

from bs4 import BeautifulSoup, Tag
from starlette.testclient import TestClient

from tests.service.admin.html import soup_of, text_of

URL = "/campaigns/new"
TABLE = b"impact_speed_kmh,test_mass_kg,belt_type,hic15\n56.3,1500,3PT,400\n64,2310,LAP,500\n"


def form_of(soup: BeautifulSoup) -> dict[str, list[str]]:
    """What a browser would send, as it stands."""
    found: dict[str, list[str]] = {}
    for field in soup.select("form.wizard [name]:not(button):not([type=file])"):
        found.setdefault(field["name"], []).append(_value(field))
    return found


def _value(field: Tag) -> str:
    if field.name == "select":
        chosen = field.select_one("option[selected]") or field.select_one("option")
        return "" if chosen is None else chosen.get("value", chosen.text)
    if field.name == "textarea":
        return field.text.removeprefix("\n")  # the line end behind the tag is none of the text
    return field.get("value", "")


def send(client: TestClient, form: dict[str, Any], action: str, **files: Any) -> BeautifulSoup:
    response = client.post(URL, data=form | {"action": action}, files=files or None)
    assert response.status_code in {200, 422}, response.text
    return BeautifulSoup(response.text, "html.parser")


def step_of(soup: BeautifulSoup) -> str:
    return text_of(soup.select_one("[aria-current=step]"))


def at_features(client: TestClient) -> BeautifulSoup:
    form = form_of(soup_of(client, URL)) | {"name": ["Sled 2027"], "currency": ["EUR"]}
    soup = send(client, form, "next")
    assert step_of(soup) == "Features"
    return soup


def with_table(client: TestClient) -> BeautifulSoup:
    return send(client, form_of(at_features(client)), "table", table=("tests.csv", TABLE, "text/csv"))
