"""`crashscout doctor` for people and monitors, `crashscout alive` for the health checks of containers."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from service.settings import Settings, load_settings
from service.terminal import console


class Part(StrEnum):
    """What a container of ours runs."""

    API = "api"
    WORKER = "worker"
    BEAT = "beat"


def alive(
    part: Annotated[Part, typer.Argument(help="What should live on this machine.")],
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where the API listens.")] = 8000,
) -> None:
    """Whether the API, a worker or the beat of this machine lives: exit 0, or 1 with the reason."""
    from service.doctor.alive import why_dead

    reason = why_dead(part, load_settings(engines=True), port=port)
    if reason:
        console(stderr=True).print(reason, markup=False, soft_wrap=True)
        raise typer.Exit(1)


def doctor(
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of `crashscout serve`, where no URLs are set.")
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Check database, migrations, broker, workers, disk, clock, OIDC provider, and say what to do about what is wrong.

    Exit 0: all is well; 1: something needs attention; 2: the configuration is wrong.
    """
    from service.doctor.checks import examine

    findings = examine(_with_urls(load_settings(), data_dir))
    if as_json:
        well = all(finding.well for finding in findings)
        document = {"well": well, "checks": [finding.as_document() for finding in findings]}
        typer.echo(json.dumps(document, indent=2))
    else:
        for finding in findings:
            typer.echo(finding.as_line())
    raise typer.Exit(0 if all(finding.well for finding in findings) else 1)


def _with_urls(settings: Settings, data_dir: Path | None) -> Settings:
    """The settings, with the addresses of the embedded engines of the folder where none are set."""
    from service.embedded import default_data_folder
    from service.embedded.engines import running_urls

    if settings.database_url and settings.broker_url:
        return settings
    folder = (data_dir or settings.data_dir or default_data_folder()).expanduser().resolve()
    database_url, broker_url = running_urls(folder)
    return settings.model_copy(
        update={
            "database_url": settings.database_url or database_url,
            "broker_url": settings.broker_url or broker_url,
            "files_dir": settings.files_dir or folder / "files",
        }
    )
