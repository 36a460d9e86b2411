"""A thin client of the Crashscout API: copy this file beside your tool; it needs `pip install httpx` and no more.

    crashscout = Crashscout()                     # CRASHSCOUT_SERVER, CRASHSCOUT_API_KEY or CRASHSCOUT_API_KEY_FILE
    for campaign in crashscout.items("/campaigns"):
        print(campaign["name"])
    run = crashscout.run(f"/campaigns/{key}/valuation-runs", {"seed": 1})   # waits for the end
    crashscout.add_samples(key, rows)

Documents go in and come out as plain dictionaries, as openapi.json describes them. What the API refuses is raised:

    CrashscoutError              everything below; `code`, `hint`, `errors` and `request_id` are those of the problem
    ├── InvalidInput             400, 413, 422: what was sent is wrong, `errors` names the fields
    ├── NotAuthenticated         401
    ├── Forbidden                403
    ├── NotFound                 404
    ├── Conflict                 409, 412: the state does not allow it; read again, then decide
    ├── Unavailable              429, 5xx, no connection, also after all attempts
    └── RunFailed                a run that was waited for failed or was cancelled; `document` is the run
"""

from __future__ import annotations

import os
import random
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

API = "/api/v1"
LONGEST_WAIT_S = 60.0
_UNDER_WAY = {"queued", "running"}
_BUSY = {429, 503}
IN_FLIGHT = "in_flight"  # code of a 409
Document = dict[str, Any]


class CrashscoutError(Exception):
    """What the API said when it said no; `status` is 0 where nothing answered."""

    def __init__(self, message: str, *, status: int = 0, problem: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        problem = problem or {}
        self.status = status
        self.code: str = problem.get("code", "")
        self.hint: str = problem.get("hint", "")
        self.errors: list[dict[str, str]] = list(problem.get("errors", []))
        self.request_id: str = problem.get("request_id", "")


class InvalidInput(CrashscoutError):  # noqa: N818 - reads as what happened
    pass


class NotAuthenticated(CrashscoutError):  # noqa: N818
    pass


class Forbidden(CrashscoutError):  # noqa: N818
    pass


class NotFound(CrashscoutError):  # noqa: N818
    pass


class Conflict(CrashscoutError):  # noqa: N818
    pass


class Unavailable(CrashscoutError):  # noqa: N818
    pass


class RunFailed(CrashscoutError):  # noqa: N818
    def __init__(self, document: Document) -> None:
        super().__init__(
            f"Run {document['id']} {document['status']}: {document.get('error_message') or 'no reason given'}"
        )
        self.document = document


_ERRORS: dict[int, type[CrashscoutError]] = {
    400: InvalidInput, 413: InvalidInput, 422: InvalidInput, 401: NotAuthenticated, 403: Forbidden, 404: NotFound,
    409: Conflict, 412: Conflict, 429: Unavailable,
}  # fmt: skip


class Crashscout:
    """One connection pool to one server; close it, or use it in a `with` statement.

    A request is sent again after 429, 503 and a lost connection, with growing pauses and as `Retry-After` asks, where
    that does no harm: each GET, and each POST, because every POST carries an `Idempotency-Key` of its own.

    Args:
        server: address such as https://crashscout.example.com; CRASHSCOUT_SERVER else.
        key: API key; CRASHSCOUT_API_KEY else, or the content of the file that CRASHSCOUT_API_KEY_FILE names.
        timeout_s: longest silence in one exchange.
        attempts: of one request, the first one included.
        sleep: waits so many seconds; for tests.
    """

    def __init__(
        self,
        server: str | None = None,
        key: str | None = None,
        *,
        timeout_s: float = 60.0,
        attempts: int = 6,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        key = key if key is not None else _key_from_environment()
        self._http = httpx.Client(
            base_url=(server or os.environ.get("CRASHSCOUT_SERVER", "http://127.0.0.1:8000")).rstrip("/"),
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=timeout_s,
        )
        self._attempts = attempts
        self._sleep = sleep

    def __enter__(self) -> Crashscout:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def get(self, path: str, **parameters: Any) -> Any:
        """The document at a path such as `/campaigns/1`; parameters that are None are left out."""
        return self.request("GET", path, params=_given(parameters)).json()

    def post(self, path: str, document: Any = None) -> Any:
        """Create something, or act: `/recommendations/7:approve`."""
        return self.request("POST", path, json=document).json()

    def items(self, path: str, *, page_size: int = 500, **parameters: Any) -> Iterator[Document]:
        """Everything of a list, page by page: rows that are added meanwhile may follow, none comes twice."""
        cursor = None
        while True:
            page = self.get(path, cursor=cursor, limit=page_size, **parameters)
            yield from page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def run(self, path: str, document: Any = None, *, timeout_s: float = 3600.0) -> Document:
        """Start long work and wait for its end; its last document.

        Raises:
            RunFailed: it failed or was cancelled.
            Unavailable: not done after `timeout_s`; it goes on all the same.
        """
        answer = self.request("POST", path, json={} if document is None else document)
        return self.follow(answer.headers["Location"], timeout_s=timeout_s)

    def follow(self, location: str, *, timeout_s: float = 3600.0) -> Document:
        """Ask for a run or an upload until it is no longer queued or running, as often as `Retry-After` asks."""
        deadline = time.monotonic() + timeout_s
        while True:
            answer = self.request("GET", location)
            document: Document = answer.json()
            if document["status"] in {"failed", "cancelled"}:
                raise RunFailed(document)
            if document["status"] not in _UNDER_WAY:
                return document
            if time.monotonic() > deadline:
                raise Unavailable(f"{location} is still {document['status']} after {timeout_s:.0f} s.")
            self._sleep(_seconds(answer, default=2.0))

    def add_samples(
        self, campaign_id: int, rows: Sequence[Document], *, chunk: int = 5000, keep_good: bool = False
    ) -> list[Document]:
        """Send many samples in parts, each of which is stored whole or not at all.

        Args:
            campaign_id: of the campaign.
            rows: samples as `POST /campaigns/{id}/samples` takes them.
            chunk: rows of one request.
            keep_good: store the good rows of a part although others are bad.

        Returns:
            What became of each row, in order: row, status, id, errors.

        Raises:
            InvalidInput: a part was refused; those before it are stored. `errors` points into `rows`.
        """
        results: list[Document] = []
        for start in range(0, len(rows), chunk):
            try:
                answer = self.request(
                    "POST", f"/campaigns/{campaign_id}/samples:bulk",
                    params={"on_error": "keep_good" if keep_good else "reject_all"},
                    json={"samples": list(rows[start : start + chunk])},
                )  # fmt: skip
            except InvalidInput as error:
                error.errors = [
                    {**item, "pointer": _shifted(item["pointer"], start)} for item in error.errors
                ]
                error.add_note(f"{start} rows before this part are stored.")
                raise
            results += [{**row, "row": row["row"] + start} for row in answer.json()["results"]]
        return results

    def upload(self, campaign_id: int, file: Path, *, source: str, **fields: Any) -> Document:
        """Send a file with the signals of a test, and wait until it is read; `fields` as `POST /uploads` takes them.

        Raises:
            RunFailed: the file could not be read; the document says why.
        """
        form = {"campaign_id": str(campaign_id), "source": source, **_given(fields)}
        with file.open("rb") as content:
            answer = self.request("POST", "/uploads", data=form, files={"file": (file.name, content)})
        return self.follow(answer.headers["Location"])

    def download(self, path: str, target: Path, **parameters: Any) -> int:
        """Stream an answer into a file that appears only when it is whole; its size in bytes."""
        part = target.with_name(target.name + ".part")
        with self._http.stream("GET", _address(path), params=_given(parameters)) as answer:
            if not answer.is_success:
                answer.read()
                raise _error_of(answer)
            with part.open("wb") as file:
                for piece in answer.iter_bytes():
                    file.write(piece)
        part.replace(target)
        return target.stat().st_size

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send one request, again where that is safe and useful.

        Raises:
            CrashscoutError: one of its kinds, for every answer that is no success.
        """
        headers = {"Idempotency-Key": str(uuid.uuid4())} if method == "POST" else {}
        # Built once: sent again, it is the same to the byte, as the key demands.
        request = self._http.build_request(method, _address(path), headers=headers, **options)
        attempts = self._attempts if method in {"GET", "POST"} else 1
        for attempt in range(1, attempts + 1):
            try:
                answer = self._http.send(request)
            except httpx.TransportError as error:
                if attempt == attempts:
                    raise Unavailable(f"{self._http.base_url} does not answer: {error!r}") from error
                self._sleep(_pause(attempt))
                continue
            if answer.is_success:
                return answer
            if attempt == attempts or not _is_passing(answer):
                raise _error_of(answer)
            self._sleep(_seconds(answer, default=_pause(attempt)))
        raise AssertionError("the last attempt returns or raises")


def _key_from_environment() -> str:
    if file := os.environ.get("CRASHSCOUT_API_KEY_FILE"):
        return Path(file).read_text().strip()
    return os.environ.get("CRASHSCOUT_API_KEY", "")


def _address(path: str) -> str:
    """Of a path below /api/v1, or of a `Location`; only its path, for the server may name itself otherwise."""
    path = urlsplit(path).path
    return path if path.startswith(f"{API}/") else API + path


def _given(parameters: Mapping[str, Any]) -> Document:
    return {name: value for name, value in parameters.items() if value is not None}


def _is_passing(answer: httpx.Response) -> bool:
    """Busy; or the attempt before, which we have lost sight of, is still being worked on."""
    return answer.status_code in _BUSY or _problem_of(answer).get("code") == IN_FLIGHT


def _pause(attempt: int) -> float:
    """Seconds: 0.5, 1, 2 ... each between half and whole, so that many clients do not come back at once."""
    return float(min(LONGEST_WAIT_S, 2.0 ** (attempt - 2)) * random.uniform(0.5, 1.0))  # noqa: S311 - no secret


def _seconds(answer: httpx.Response, default: float) -> float:
    asked = answer.headers.get("retry-after", "")
    return min(float(asked), LONGEST_WAIT_S) if asked.isdigit() else default


def _problem_of(answer: httpx.Response) -> Document:
    is_problem = answer.headers.get("content-type", "").startswith("application/problem+json")
    problem: Document = answer.json() if is_problem else {}
    return problem


def _error_of(answer: httpx.Response) -> CrashscoutError:
    problem = _problem_of(answer)
    kind = _ERRORS.get(answer.status_code, Unavailable if answer.status_code >= 500 else CrashscoutError)
    fields = "; ".join(f"{item['pointer']}: {item['message']}" for item in problem.get("errors", [])[:3])
    said = [problem.get("detail") or answer.reason_phrase, problem.get("hint", ""), fields]
    message = f"{answer.status_code}: " + " ".join(part for part in said if part)
    return kind(message, status=answer.status_code, problem=problem)


def _shifted(pointer: str, rows: int) -> str:
    """`/samples/3/...` of a part as it is in the whole."""
    parts = pointer.split("/")
    if len(parts) > 2 and parts[2].isdigit():
        parts[2] = str(int(parts[2]) + rows)
    return "/".join(parts)
