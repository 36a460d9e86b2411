"""The REST calls of the demonstration: the same that an engineering tool would make."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

import httpx

from service.errors import CrashscoutError

POLL_S = 0.25
LONGEST_PAGE = 1000
Progress = Callable[[float, str], None]


class DemoClient:
    """A thin client; an answer that is a problem becomes an error with its words."""

    def __init__(self, url: str, api_key: str) -> None:
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._http = httpx.Client(base_url=f"{url}/api/v1", headers=headers, timeout=120.0)

    def close(self) -> None:
        self._http.close()

    def post(self, path: str, document: dict[str, Any]) -> dict[str, Any]:
        return self._read(self._http.post(path, json=document))

    def post_rows(self, path: str, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Bulk import as NDJSON."""
        lines = "\n".join(json.dumps(row) for row in rows)
        headers = {"Content-Type": "application/x-ndjson"}
        return self._read(self._http.post(path, content=lines, headers=headers))

    def get(self, path: str, **query: Any) -> dict[str, Any]:  # noqa: ANN401 - query values
        return self._read(self._http.get(path, params=query))

    def all_items(self, path: str, **query: Any) -> list[dict[str, Any]]:  # noqa: ANN401
        """Every item of a list, page by page."""
        items: list[dict[str, Any]] = []
        cursor = None
        while True:
            page = self.get(path, limit=LONGEST_PAGE, **({"cursor": cursor} if cursor else {}), **query)
            items += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return items

    def follow(self, path: str, progress: Progress) -> dict[str, Any]:
        """Poll a run until it has ended.

        Raises:
            CrashscoutError: if it failed or was cancelled, with its reason.
        """
        while True:
            run = self.get(path)
            progress(run["progress"], run["progress_message"])
            if run["status"] == "succeeded":
                return run
            if run["status"] in {"failed", "cancelled"}:
                raise CrashscoutError(f"{path} {run['status']}: {run['error_message']}")
            time.sleep(POLL_S)

    @staticmethod
    def _read(response: httpx.Response) -> dict[str, Any]:
        if response.is_error:
            raise CrashscoutError(f"{response.request.url} answered {response.status_code}: {response.text}")
        document: dict[str, Any] = response.json()
        return document
