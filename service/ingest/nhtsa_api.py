"""Client of the NHTSA vehicle crash test API: polite, patient, and never twice for the same file.

Requests keep a distance; an overloaded or failing server is asked again later and later, and as late as it
says itself; what was fetched lies in a cache folder, complete under its name or not there. The URL of a file
comes out of an answer and so from outside: only the known hosts are followed, and no redirect.
"""

from __future__ import annotations

import json
import logging
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import httpx

from service.errors import FileFormatError, TooLargeError, UnavailableError
from service.ingest.nhtsa_metadata import NhtsaTest, read_metadata

logger = logging.getLogger(__name__)
RETRIED_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
MOST_METADATA_BYTES = 64 * 2**20
MOST_FILE_BYTES = 512 * 2**20
# Waiting goes in steps, so that a cancellation is noticed and the lease of a run kept.
WAITING_STEP_S = 5.0
DAY_S = 86_400.0


@dataclass(frozen=True)
class NhtsaConfig:
    """Where to ask and how patiently.

    Attributes:
        base_url: of the API, up to `/v1`.
        file_host: that may serve files besides the API's own host.
        cache_folder: for answers and files.
        requests_per_s: at most.
        attempts: for one request, the first one included.
        longest_wait_s: longer than this is not waited for, even when the server asks for it.
        metadata_days: answers in the cache count for so long; files for ever.
    """

    base_url: str
    file_host: str
    cache_folder: Path
    requests_per_s: float = 1.0
    attempts: int = 5
    longest_wait_s: float = 300.0
    metadata_days: float = 30.0


class _RetryError(Exception):
    """This attempt failed in a way that another one may not; `after_s` is what the server asked for."""

    def __init__(self, reason: str, after_s: float | None = None) -> None:
        super().__init__(reason)
        self.after_s = after_s


class NhtsaClient:
    """One session with the API; `on_wait` is called while it waits or downloads, and may raise to end it."""

    def __init__(
        self,
        config: NhtsaConfig,
        *,
        on_wait: Callable[[str], None] = lambda _message: None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config = config
        self._on_wait = on_wait
        self._sleep = sleep
        self._clock = clock
        self._asked_at = float("-inf")
        self._http = httpx.Client(
            timeout=httpx.Timeout(60.0, connect=15.0),
            headers={"User-Agent": "crashscout (crash test research; one request at a time)"},
            follow_redirects=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._http.close()

    def test(self, test_number: int) -> NhtsaTest | None:
        """Metadata of one test, from the cache where they are young enough; None where there is no such test.

        Raises:
            UnavailableError: if the API does not answer after all attempts.
            FileFormatError: if the answer is not JSON, or not of the known shape.
        """
        path = self._config.cache_folder / "metadata" / f"{test_number}.json"
        if not self._is_young(path):
            url = f"{self._config.base_url.rstrip('/')}/vehicle-database-test-results/metadata/{test_number}"
            self._fetch(url, path, MOST_METADATA_BYTES, _check_json)
        found = read_metadata(test_number, json.loads(path.read_bytes()))
        if found is None:
            path.unlink()  # it may be published tomorrow: only what is there is remembered
        return found

    def ev5(self, test: NhtsaTest) -> Path:
        """The zip with the EV5 file and curves of a test, from the cache where it is there.

        Raises:
            UnavailableError: if the file cannot be had after all attempts.
            FileFormatError: if there is none, it lies on an unknown host, or it is no zip each time.
            TooLargeError: beyond 512 MiB.
        """
        if test.ev5_url is None:
            raise FileFormatError(f"Test {test.test_number} has no EV5 file.")
        self._check_host(test.ev5_url)
        path = self._config.cache_folder / "ev5" / f"{test.test_number}.zip"
        if not path.exists():
            self._fetch(test.ev5_url, path, MOST_FILE_BYTES, _check_zip)
        return path

    def _is_young(self, path: Path) -> bool:
        return path.exists() and time.time() - path.stat().st_mtime < self._config.metadata_days * DAY_S

    def _check_host(self, url: str) -> None:
        parts, own = urlsplit(url), urlsplit(self._config.base_url)
        is_own = (parts.scheme, parts.netloc) == (own.scheme, own.netloc)
        if not is_own and (parts.scheme, parts.hostname) != ("https", self._config.file_host):
            raise FileFormatError(
                f"The file lies on {parts.scheme}://{parts.hostname}, which is no host of the database.",
                hint="CRASHSCOUT_NHTSA_FILE_HOST names the host that serves files.",
            )

    def _fetch(self, url: str, path: Path, most: int, check: Callable[[Path], None]) -> None:
        """Download to `path`, again and again; it appears there complete and checked, or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        for attempt in range(1, self._config.attempts + 1):
            try:
                self._download(url, part, most)
                check(part)
                part.rename(path)
            except (_RetryError, httpx.TransportError) as error:
                self._give_up_or_wait(url, attempt, error)
            else:
                return
            finally:
                part.unlink(missing_ok=True)

    def _give_up_or_wait(self, url: str, attempt: int, error: Exception) -> None:
        reason = str(error) or type(error).__name__
        host = urlsplit(url).netloc
        asked = error.after_s if isinstance(error, _RetryError) else None
        wait = max(2.0 ** (attempt - 1), asked or 0.0)
        if attempt == self._config.attempts or wait > self._config.longest_wait_s:
            later = f"; it asks for {wait:.0f} s of patience" if wait > self._config.longest_wait_s else ""
            hint = "Try again later: what was fetched is kept."
            raise UnavailableError(f"{host} failed {attempt} times: {reason}{later}.", hint=hint) from error
        logger.warning("%s: %s; again in %.0f s", url, reason, wait)
        self._wait(wait, f"{host}: {reason}; waiting {wait:.0f} s")

    def _download(self, url: str, part: Path, most: int) -> None:
        self._keep_distance()
        with self._http.stream("GET", url) as answer:
            if answer.status_code in RETRIED_STATUS:
                raise _RetryError(f"status {answer.status_code}", _retry_after_s(answer))
            if not answer.is_success:
                raise FileFormatError(f"{url} answers with status {answer.status_code}.")
            size = 0
            with part.open("wb") as file:
                for chunk in answer.iter_bytes(2**16):
                    size += len(chunk)
                    if size > most:
                        raise TooLargeError(f"{url} is larger than {most // 2**20} MiB.")
                    file.write(chunk)
                    self._on_wait(f"{size / 2**20:.1f} MiB of {part.stem} fetched")

    def _keep_distance(self) -> None:
        wait = self._asked_at + 1.0 / self._config.requests_per_s - self._clock()
        if wait > 0:
            self._sleep(wait)
        self._asked_at = self._clock()

    def _wait(self, seconds: float, message: str) -> None:
        while seconds > 0:
            self._on_wait(message)
            step = min(seconds, WAITING_STEP_S)
            self._sleep(step)
            seconds -= step


def _retry_after_s(answer: httpx.Response) -> float | None:
    """Seconds that the server asks for: RFC 9110 has a number or a date."""
    text = answer.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _check_json(path: Path) -> None:
    try:
        json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise _RetryError("the answer is not JSON") from error


def _check_zip(path: Path) -> None:
    """Whether the download is a whole zip; a proxy's error page and a cut-off file are not."""
    try:
        with zipfile.ZipFile(path) as archive:
            archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise _RetryError("the file is no whole zip") from error
