"""Routers pass by what is not theirs, and find each of their own addresses all the same."""

import re

import pytest
from fastapi import FastAPI
from starlette.routing import Match
from starlette.testclient import TestClient

from service.routing import API, NounRouter

ROUTER = NounRouter(prefix="/campaigns/{campaign_id:part}")


@ROUTER.get("/wishes")
@ROUTER.get("/wishes/{wish_id}:grant")
def read_wishes(campaign_id: int) -> None: ...


def scope(path: str, root_path: str = "") -> dict[str, object]:
    return {"type": "http", "method": "GET", "path": path, "root_path": root_path}


@pytest.mark.parametrize(
    ("path", "is_passed_by"),
    [
        ("/campaigns/7/wishes", False),
        ("/campaigns/7/wishes/8:grant", False),
        ("/campaigns/7/hopes", True),
        ("/campaigns/7", True),
        ("/wishes", True),
        ("/", True),
    ],
)
def test_an_address_with_nothing_in_common_is_passed_by(
    path: str, is_passed_by: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def matches(_: object, scope: dict[str, str]) -> tuple[Match, dict[str, str]]:
        asked.append(scope["path"])
        return Match.FULL, {}

    monkeypatch.setattr("fastapi.APIRouter.matches", matches)
    for root_path in ("", "/crashscout"):
        ROUTER.matches(scope(root_path + API + path, root_path))
    assert (not asked) is is_passed_by


def test_every_operation_of_the_document_is_found(client: TestClient) -> None:
    """No address of the API is passed by: each answers something else than that there is no such page."""
    application = client.app
    assert isinstance(application, FastAPI)
    for template, operations in application.openapi()["paths"].items():
        path = re.sub(r"\{\w+\}", "7", template)
        for method in operations:
            response = client.request(method, path)
            assert response.status_code != 405, (method, path)
            if response.status_code == 404:
                assert response.json()["detail"] != "Not Found", (method, path)
