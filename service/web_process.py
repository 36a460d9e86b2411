"""A process of the API: the only one, or one of several that uvicorn starts, watches and replaces."""

from __future__ import annotations

import gc
import os
import tempfile
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from service.http_server import uvicorn_options

if TYPE_CHECKING:
    from fastapi import FastAPI

# Event streams never end by themselves: a stopping API cuts what is still open then.
STREAMS_END_S = 5
# A process that says nothing for so long is replaced; a large body keeps one busy for a second or two.
SILENT_S = 60
# Objects after which the collector looks through the young ones; how many such looks precede one through older ones.
# A page makes ten thousand objects, all of which go with it: by Python's 700 a tenth of a read is looking for garbage.
YOUNG = (50_000, 20, 50)


def application() -> FastAPI:
    """The application of this process, by the settings of its environment."""
    gc.disable()  # nothing of what is imported now is garbage; looking for it takes a third of the start
    from service.accounts.bootstrap import secret_key_of
    from service.embedded import default_data_folder
    from service.logs import configure_logging
    from service.main import create_app
    from service.settings import load_settings

    settings = load_settings(engines=True)
    configure_logging(settings)
    secret_key = SecretStr(secret_key_of(settings, settings.data_dir or default_data_folder()))
    made = create_app(settings.model_copy(update={"secret_key": secret_key}))
    # What stands now stays for good: without this a request of 10,000 rows waits 0.2 s for the garbage collector, which
    # looks through all modules again and again. It is not asked now either: there is next to nothing to find.
    gc.freeze()
    gc.set_threshold(*YOUNG)
    gc.enable()
    return made


def run(host: str, port: int, processes: int) -> None:
    """Serve until it is told to stop; each process takes about 150 MB and up to 20 connections of the database."""
    import uvicorn

    options: dict[str, Any] = {
        "host": host, "port": port, "timeout_graceful_shutdown": STREAMS_END_S, **uvicorn_options(),
    }  # fmt: skip
    if processes == 1:
        uvicorn.run(application(), **options)
        return
    from service.metrics.requests import SHARED_TIMES

    with tempfile.TemporaryDirectory(prefix="crashscout-times-") as folder:
        os.environ[SHARED_TIMES] = folder
        options |= {"factory": True, "workers": processes, "timeout_worker_healthcheck": SILENT_S}
        uvicorn.run("service.web_process:application", **options)
