"""Commands that need torch; they join `crashscout` by the entry point group `crashscout.commands`."""

from __future__ import annotations

from typing import Annotated

import typer

from service.queue.messages import Queue
from service.settings import load_settings


def worker(
    queues: Annotated[
        str, typer.Option(help="Comma-separated: gpu trains, cpu simulates, io reads uploads and imports.")
    ] = "gpu,cpu,io",
) -> None:
    """Run one worker process (pool solo: CUDA is never touched before a fork); one per GPU."""
    from celery.signals import setup_logging

    from service.errors import InputError
    from service.logs import configure_logging
    from service.processes.signs import signs_of_life
    from service.vocabulary import ProcessKind
    from worker import process
    from worker.app import create_celery
    from worker.device import choose_device, use_threads

    settings = load_settings(engines=True)
    names = [name.strip() for name in queues.split(",") if name.strip()]
    unknown = sorted(set(names) - {queue.value for queue in Queue})
    if unknown or not names:
        raise InputError(f"Unknown queue {', '.join(unknown)!r}.", hint="Queues are gpu, cpu and io.")
    try:
        choose_device(settings.device)
    except (ValueError, RuntimeError) as error:
        raise InputError(str(error)) from error
    use_threads(settings.worker_threads)
    configure_logging(settings)
    setup_logging.connect(_leave_logging_alone, weak=False)
    celery = create_celery(settings)
    arguments = [
        "--quiet",
        "worker",
        "--pool",
        "solo",
        "--queues",
        ",".join(names),
        "--loglevel",
        settings.log_level,
    ]
    with signs_of_life(process.sessions(), ProcessKind.WORKER, queues=names):
        celery.worker_main(arguments)


def _leave_logging_alone(**_: object) -> None:
    """Celery sets up its own logs unless somebody listens."""
