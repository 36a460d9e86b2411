"""Pages as people see them."""

from bs4 import BeautifulSoup, Tag
from starlette.testclient import TestClient


def soup_of(client: TestClient, url: str, status: int = 200) -> BeautifulSoup:
    response = client.get(url)
    assert response.status_code == status, response.text
    assert response.headers["content-type"].startswith("text/html")
    return BeautifulSoup(response.text, "html.parser")


def text_of(element: Tag | None) -> str:
    """The visible text with single spaces."""
    assert element is not None
    return " ".join(element.get_text(" ").split())


def flash_after(client: TestClient, url: str, form: dict[str, str] | None = None) -> tuple[str, str, str]:
    """POST a form, follow its redirect: (address, kind, text) of the message that the next page shows."""
    response = client.post(url, data=form or {})
    assert response.status_code == 303, response.text
    address = response.headers["location"]
    message = soup_of(client, address).select_one(".flash")
    assert message is not None
    kind = "ok" if "ok" in message["class"] else "error"
    return address, kind, text_of(message)
