"""The web application: `uvicorn --factory service.main:create_app`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from service import contract, error_handlers, health, raw_bodies
from service.accounts.authentication import Authenticator
from service.accounts.routes import keys, me, users
from service.acquisitions.routes import router as acquisitions
from service.admin.routes import install as install_dashboard
from service.audit.routes import router as audit
from service.backtests.routes import router as backtests
from service.campaigns.routes import library_router as feature_schemas
from service.campaigns.routes import router as campaigns
from service.database.engine import TRANSACTIONS, make_engine, make_read_factory, make_session_factory
from service.dependencies import principal_of, refuse_cross_site
from service.events.routes import router as events
from service.events.stream import EventStreams
from service.exports.routes import router as exports
from service.exports.streaming import ExportPlaces
from service.imports.routes import router as imports
from service.injections.routes import router as injections
from service.ledger.routes import router as ledger
from service.manners.documents import describe
from service.manners.limits import RateLimiter
from service.manners.turns import Turns
from service.maps.routes import router as maps
from service.metrics.requests import RequestTimes
from service.metrics.routes import router as metrics
from service.metrics.rows import RowFigures
from service.middleware import BodyLimit, KnownHosts, RequestFrame
from service.predictions.routes import router as predictions
from service.predictions.service import Predictors
from service.problems import as_problems, responses
from service.queue.client import QueueClient, send_after_commit
from service.queue.mailbox import Mailbox
from service.replays.routes import router as replays
from service.reviews.routes import router as reviews
from service.rounds.routes import router as rounds
from service.routing import API, NounRouter
from service.run_logs.routes import router as run_logs
from service.samples.routes import router as samples
from service.schedules.routes import router as schedules
from service.scopes import as_secured
from service.scores.routes import router as scores
from service.settings import Settings, get_settings
from service.uploads.routes import router as uploads
from service.valuations.routes import router as valuations
from service.webhooks.routes import router as webhooks

if TYPE_CHECKING:
    from service.accounts.oidc.provider import Provider

DESCRIPTION = """Which crash test or simulation to run next, why, what it costs, and how sure we are.

Long work answers 202 with a `Location` to follow. Errors are RFC 9457 problem documents with a stable `code`.
Units stand in the names of fields, money is a decimal with a currency, times are RFC 3339 in UTC."""


class Application(FastAPI):
    """FastAPI whose OpenAPI document tells the truth about errors, keys, scopes and ids."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            document = super().openapi()
            as_problems(document)
            describe(document)
            raw_bodies.describe(document)
            contract.complete(document)
            as_secured(document, self.routes)
        return super().openapi()


def create_app(settings: Settings | None = None) -> FastAPI:
    """A new application; engines are opened when it starts and closed when it stops."""
    settings = settings or get_settings()
    app = Application(
        title="Crashscout",
        version="1",
        description=DESCRIPTION,
        lifespan=_lifespan,
        generate_unique_id_function=_operation_id,
        docs_url=None,  # Swagger UI and ReDoc load scripts from elsewhere
        redoc_url=None,
        openapi_url=None,  # its route stands among the others, behind the same door
        dependencies=[Depends(refuse_cross_site)],
    )
    app.state.settings = settings
    _install_api(app)
    app.include_router(health.router)
    app.include_router(metrics)
    install_dashboard(app)
    error_handlers.install(app)
    # One more MiB for the form around the file, whose own limit is told in better words.
    files = {"/api/v1/uploads": (settings.max_upload_mib + 1) * 2**20}
    app.add_middleware(
        BodyLimit, limit=settings.max_body_mib * 2**20, of_path=files, timeout_s=settings.body_timeout_s
    )
    app.add_middleware(KnownHosts, allowed=settings.allowed_hosts, answer=error_handlers.answer)
    app.state.request_times = RequestTimes()
    app.add_middleware(RequestFrame, times=app.state.request_times)
    # The outermost: client and scheme are right for all others. Without trusted proxies it believes nobody.
    app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=settings.trusted_proxies)
    return app


def _install_api(app: FastAPI) -> None:
    """Everything below /api/v1: denied without a valid key.

    Each router stands in the application itself: one between them would be searched twice for each request.
    """
    document = NounRouter()
    document.add_api_route("/openapi.json", _document, include_in_schema=False)
    for router in (
        campaigns, feature_schemas, samples, uploads, imports, valuations, backtests, acquisitions, replays, ledger,
        rounds, reviews, schedules, events, webhooks, keys, users, me, scores, predictions, exports, audit, maps,
        injections, run_logs, document,
    ):  # fmt: skip
        # What any route may answer; the others stand at the routes.
        answers = responses(400, 401, 403, 422, 503)
        app.include_router(router, prefix=API, dependencies=[Depends(principal_of)], responses=answers)


def _document(request: Request) -> JSONResponse:
    return JSONResponse(request.app.openapi())


def _operation_id(route: APIRoute) -> str:
    """The function's name: stable for generated clients."""
    return route.name


def _provider(settings: Settings) -> Provider:
    from service.accounts.oidc.provider import (
        Provider,  # with its cryptography 13 MB that few installations need
    )

    return Provider(settings)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: Settings = app.state.settings
    app.state.engine = make_engine(settings.database_url, statement_timeout_s=settings.statement_timeout_s)
    app.state.sessions = make_session_factory(app.state.engine)
    app.state.read_sessions = make_read_factory(app.state.engine)
    app.state.turns = Turns(TRANSACTIONS)
    app.state.queue = QueueClient(settings.broker_url)
    send_after_commit(app.state.sessions, app.state.queue)
    app.state.authenticator = Authenticator(app.state.sessions, settings)
    app.state.oidc = _provider(settings) if settings.oidc_issuer else None
    app.state.rate_limiter = RateLimiter(app.state.queue)
    app.state.mailbox = Mailbox(settings.broker_url)
    app.state.predictors = Predictors()
    app.state.exports = ExportPlaces()
    app.state.row_figures = RowFigures(app.state.sessions, app.state.queue)
    app.state.event_streams = EventStreams(settings.event_streams)
    yield
    app.state.queue.close()
    app.state.mailbox.close()
    app.state.engine.dispose()
