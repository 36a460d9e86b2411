"""Every page of the dashboard with data on it, by the name of its picture."""

from __future__ import annotations

from collections.abc import Callable

from tests.browser.demo import Demo

SCHEMES = ("light", "dark")


def _sample_of(demo: Demo) -> int:
    (worst,) = demo.api.get(
        f"/valuation-runs/{demo.valuation_run_id}/data-values", order="least_valuable", limit=1
    )["items"]
    return int(worst["sample_id"])


def _recommendation_of(demo: Demo, status: str) -> int:
    found = demo.api.get(f"{demo.path}/recommendations", status=status, limit=1)["items"]
    return int(found[0]["id"])


def _upload_of(demo: Demo) -> int:
    sent = demo.api.get(f"{demo.path}/uploads")["items"]
    return int(sent[0]["id"]) if sent else demo.send_file()


def _webhook_of(demo: Demo) -> int:
    _upload_of(demo)  # of which it has heard
    return int(demo.api.get(f"{demo.path}/webhooks")["items"][0]["id"])


Path = Callable[[Demo], str]
PLACES: dict[str, Path] = {
    "campaigns": lambda demo: "/campaigns",
    "overview": lambda demo: demo.path,
    "recommendations": lambda demo: f"{demo.path}/recommendations",
    "map": lambda demo: f"{demo.path}/recommendations/map",
    "what-if": lambda demo: f"{demo.path}/recommendations/what-if",
    "wishes": lambda demo: f"{demo.path}/recommendations/wishes",
    "recommendation": lambda demo: f"/recommendations/{_recommendation_of(demo, 'proposed')}",
    "recommendation-completed": lambda demo: f"/recommendations/{_recommendation_of(demo, 'completed')}",
    "data-values": lambda demo: f"{demo.path}/data-values",
    "sample": lambda demo: f"{demo.path}/samples/{_sample_of(demo)}",
    "reviews": lambda demo: f"{demo.path}/reviews",
    "surrogate": lambda demo: f"{demo.path}/surrogate",
    "ledger": lambda demo: f"{demo.path}/ledger",
    "backtests": lambda demo: f"{demo.path}/backtests",
    "backtest": lambda demo: f"{demo.path}/backtests/{demo.backtest_id}",
    "runs": lambda demo: f"{demo.path}/runs",
    "run": lambda demo: f"/valuation-runs/{demo.valuation_run_id}",
    "workers": lambda demo: "/workers",
    "uploads": lambda demo: f"{demo.path}/uploads",
    "upload": lambda demo: f"/uploads/{_upload_of(demo)}",
    "settings": lambda demo: f"{demo.path}/settings",
    "schedules": lambda demo: f"{demo.path}/schedules",
    "webhooks": lambda demo: f"{demo.path}/webhooks",
    "deliveries": lambda demo: f"/webhooks/{_webhook_of(demo)}/deliveries",
    "wizard": lambda demo: "/campaigns/new",
    "users": lambda demo: "/users",
    "api-keys": lambda demo: "/api-keys",
    "audit": lambda demo: "/audit",
    "error": lambda demo: f"{demo.path}/samples/999999999",
}
# Charts that are drawn by script; a page is whole when each has its canvas.
CHARTS = "[data-chart], [data-plot], #map"
