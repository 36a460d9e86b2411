"""First paint of every page with 50,000 candidates: `python -m benchmarks.page_timing --output results/pages.json`.

A whole installation (API, worker, engines as in production) gets the demonstration's labelled samples and a pool of
candidates by COPY, values them, and ranks the pool. Then Chromium opens every page, each several times in a fresh
tab with an empty cache, after one that is not counted, and says when the first byte came, when the page was first
painted with content, and when it had loaded all it names (charts come later). Medians in milliseconds. Goal: 500 ms
to the first paint. On a busy machine the figures are upper bounds.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

from benchmarks.ranking_scale import insert_candidates
from service.campaigns import service as campaigns
from service.database.engine import make_engine, make_session_factory
from service.settings import Settings
from service.stack import Stack, free_port, running_stack
from worker.demo.client import DemoClient
from worker.demo.data import Sizes, campaign_document, make_data

HOST = "127.0.0.1"
CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
]
GOAL_MS = 500.0
PAGES = [
    "", "/recommendations", "/recommendations/map", "/recommendations/what-if", "/recommendations/wishes",
    "/data-values", "/reviews", "/surrogate", "/ledger", "/backtests", "/runs",
]  # fmt: skip
TIMES = """() => {
    const [page] = performance.getEntriesByType("navigation");
    const paint = performance.getEntriesByName("first-contentful-paint")[0];
    return [page.responseStart, paint ? paint.startTime : null, page.loadEventEnd, page.decodedBodySize];
}"""
# Asked by `evaluate`: what polls an expression needs `eval`, which the policy of the pages forbids.
PAINTED = """() => new Promise((resolve) => {
    new PerformanceObserver((list) => {
        if (list.getEntriesByName("first-contentful-paint").length) resolve();
    }).observe({ type: "paint", buffered: true });
})"""


def prepare(stack: Stack, api: DemoClient, candidates: int) -> str:
    """Store, value and rank; the address of the campaign's pages."""
    base = f"/campaigns/{api.post('/campaigns', campaign_document(f'{candidates} candidates'))['id']}"
    api.post_rows(f"{base}/samples:bulk", make_data(0, Sizes(candidates=200)).rows)
    assert stack.engines is not None
    engine = make_engine(stack.engines.database_url)
    sessions = make_session_factory(engine)
    with sessions() as session:
        campaign = campaigns.get(session, int(base.rsplit("/", 1)[1]))
        _ = campaign.sources
    insert_candidates(sessions, campaign, candidates)
    engine.dispose()
    run = api.post(f"{base}/valuation-runs", {"configuration": {"epochs": 120, "ensemble": 4}})
    api.follow(f"/valuation-runs/{run['id']}", lambda *_: None)
    round_ = api.post(f"{base}/acquisition-rounds", {})
    api.follow(f"/acquisition-rounds/{round_['id']}", lambda *_: None)
    return base


def time_of(browser: Browser, url: str) -> tuple[float, float, float, float]:
    """Milliseconds to first byte, first paint with content and load; bytes of the page."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(url, wait_until="load")
    page.evaluate(PAINTED)
    first_byte, paint, load, size = page.evaluate(TIMES)
    page.close()
    return first_byte, paint, load, size


def measure(url: str, base: str, repeats: int) -> list[dict[str, Any]]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        rows = [
            _row(browser, path, [f"{url}{path}"] * (repeats + 1)) for path in ["/campaigns", *_paths(base)]
        ]
        browser.close()
    return rows


def _paths(base: str) -> list[str]:
    return [base + page for page in PAGES]


def _row(browser: Browser, path: str, urls: list[str]) -> dict[str, Any]:
    times = [time_of(browser, url) for url in urls][1:]
    first_byte, paint, load, size = (statistics.median(column) for column in zip(*times, strict=True))
    return {
        "page": path, "first_byte_ms": round(first_byte), "first_paint_ms": round(paint),
        "load_ms": round(load), "kilobytes": round(size / 1000), "goal_met": paint <= GOAL_MS,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--candidates", type=int, default=50_000)
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="crashscout-benchmark-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # the engines may run as another user
        settings = Settings(_env_file=None, data_dir=folder)
        with running_stack(
            settings, data_folder=folder, host=HOST, port=free_port(), announce=print
        ) as stack:
            key = stack.ready_key.key if stack.ready_key else ""
            with closing(DemoClient(stack.url, key)) as api:
                base = prepare(stack, api, arguments.candidates)
            rows = measure(stack.url, base, arguments.repeats)
    print(f"{'page':42}{'first byte':>11}{'first paint':>12}{'load':>7}{'kB':>6}")
    for row in rows:
        times = f"{row['first_byte_ms']:>8} ms{row['first_paint_ms']:>9} ms{row['load_ms']:>4} ms"
        figures = f"{times}{row['kilobytes']:>6}"
        print(f"{row['page']:42}{figures}")
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    document = {
        "candidates": arguments.candidates, "repeats": arguments.repeats, "goal_ms": GOAL_MS, "pages": rows,
        "load_average": os.getloadavg(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
    }  # fmt: skip
    if arguments.output:
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
