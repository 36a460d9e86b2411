import hashlib
import re

import pytest
from starlette.testclient import TestClient

from service.admin.static_files import STATIC, static_url
from tests.service.admin.html import soup_of
from tests.service.admin.rows import Rows

VENDOR = STATIC / "vendor"
HASHES = re.findall(r"^\| (\S+) \|.*\| ([0-9a-f]{64}) \|$", (VENDOR / "README.md").read_text(), re.MULTILINE)


def test_vendored_files_are_the_ones_that_the_readme_names() -> None:
    assert {name for name, _ in HASHES} == {
        path.name for path in VENDOR.iterdir() if path.suffix in {".js", ".css"}
    }


@pytest.mark.parametrize(("name", "digest"), HASHES)
def test_vendored_file_is_unchanged(name: str, digest: str) -> None:
    assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == digest


@pytest.mark.parametrize("name", [name for name, _ in HASHES])
def test_licence_stands_beside_the_file(name: str) -> None:
    assert (VENDOR / f"{name.split('.', maxsplit=1)[0]}.LICENSE").read_text().strip()


PAGES = ["", "/recommendations", "/data-values", "/ledger", "/backtests", "/runs"]


@pytest.mark.parametrize("page", PAGES)
def test_everything_a_page_loads_is_our_own_and_there(dashboard: TestClient, rows: Rows, page: str) -> None:
    soup = soup_of(dashboard, f"/campaigns/{rows.campaign_id}{page}")
    addresses = [tag["src"] for tag in soup.select("script[src]")]
    addresses += [tag["data-library"] for tag in soup.select("script[data-library]")]
    addresses += [tag["href"] for tag in soup.select("link")]
    assert len(addresses) >= 4
    for address in addresses:
        assert address.startswith("/static/")
        assert dashboard.get(address).status_code == 200


@pytest.mark.parametrize("page", PAGES)
def test_echarts_is_named_only_where_a_chart_stands_and_keeps_no_page_waiting(
    dashboard: TestClient, rows: Rows, page: str
) -> None:
    soup = soup_of(dashboard, f"/campaigns/{rows.campaign_id}{page}")
    assert not soup.select("script[src*=echarts]")
    may_draw = {"", "/data-values", "/ledger"}
    assert bool(soup.select("script[data-library*=echarts]")) == (page in may_draw)


@pytest.mark.parametrize("page", PAGES)
def test_no_page_has_inline_code(dashboard: TestClient, rows: Rows, page: str) -> None:
    soup = soup_of(dashboard, f"/campaigns/{rows.campaign_id}{page}")
    inline = [tag for tag in soup.select("script:not([src])") if tag.get("type") != "application/json"]
    handlers = [tag for tag in soup.find_all() if any(name.startswith("on") for name in tag.attrs)]
    styles = [*soup.select("style"), *soup.select("[style]")]
    assert (inline, handlers, styles) == ([], [], [])


def test_address_names_the_content() -> None:
    digest = hashlib.sha256((STATIC / "dashboard.css").read_bytes()).hexdigest()
    assert static_url("dashboard.css") == f"/static/dashboard.css?v={digest[:12]}"


def test_who_has_a_file_need_not_ask_again(dashboard: TestClient) -> None:
    answer = dashboard.get(static_url("dashboard.css"))
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.content == (STATIC / "dashboard.css").read_bytes()
    assert answer.headers["content-type"] == "text/css; charset=utf-8"


@pytest.mark.parametrize("query", ["", "?v=000000000000", "?v=", "?v=1&v=2"])
def test_an_address_that_does_not_name_the_content_is_asked_for_again(
    dashboard: TestClient, query: str
) -> None:
    answer = dashboard.get(f"/static/dashboard.css{query}")
    assert answer.headers["cache-control"] == "public, no-cache"
    again = dashboard.get(f"/static/dashboard.css{query}", headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_a_head_tells_the_size(dashboard: TestClient) -> None:
    size = (STATIC / "vendor/htmx.min.js").stat().st_size
    assert dashboard.head("/static/vendor/htmx.min.js").headers["content-length"] == str(size)


@pytest.mark.parametrize(
    "path", ["none.css", "", "pages", "vendor/../../routes.py", "%2e%2e/routes.py", "//etc/passwd"]
)
def test_what_is_no_file_of_ours_is_not_found(dashboard: TestClient, path: str) -> None:
    assert dashboard.get(f"/static/{path}").status_code == 404


def test_files_are_only_read(dashboard: TestClient) -> None:
    answer = dashboard.post("/static/dashboard.css")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
