"""`crashscout import file`: send one crash test with all that belongs to it, and show what the worker made of it."""

from __future__ import annotations

import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.errors import CrashscoutError, InputError
from service.imports.remote import LOCAL_SERVER, Server, read_answer, service_at
from service.vocabulary import Split

if TYPE_CHECKING:
    import httpx

POLL_S = 0.5
UNREAD = frozenset({"queued", "running"})
# The same files give the same zip, so that the service sees when it has them.
ZIP_DATE = (1980, 1, 1, 0, 0, 0)


def file(
    path: Annotated[
        Path, typer.Argument(help="A crash test: its main file, its folder, or a zip or tar of it.")
    ],
    campaign: Annotated[int, typer.Option(help="Id of the campaign.")],
    source: Annotated[str, typer.Option(help="Name of one of its sources.")],
    split: Annotated[Split, typer.Option()] = Split.TRAIN,
    occupants: Annotated[str, typer.Option(help="driver or all.")] = "driver",
    features: Annotated[str, typer.Option(help="JSON object: features that the file does not hold.")] = "{}",
    sample_id: Annotated[int | None, typer.Option(help="The candidate that this is the test of.")] = None,
    test_number: Annotated[str | None, typer.Option(help="Number or name, instead of the file's.")] = None,
    file_format: Annotated[
        str, typer.Option("--format", help="auto, ev5, iso_mme, tdms, binout or csv.")
    ] = "auto",
    units: Annotated[
        str | None,
        typer.Option(help="binout: the model's mass, length and time, such as kg-mm-ms or t-mm-s."),
    ] = None,
    mapping: Annotated[Path | None, typer.Option(help="csv: JSON file that explains the columns.")] = None,
    initial_speed_kmh: Annotated[
        float | None, typer.Option(help="Speed at first contact, instead of the file's.")
    ] = None,
    vehicle_channel: Annotated[
        list[str] | None, typer.Option(help="Key of a channel for the vehicle pulse; several are averaged.")
    ] = None,
    chest: Annotated[
        list[str] | None, typer.Option(help="OCCUPANT=KEY: chest channel by hand, such as driver=013.")
    ] = None,
    server: Server = LOCAL_SERVER,
    *,
    accept: Annotated[bool, typer.Option(help="Make samples when nothing speaks against it.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document at the end.")] = False,
) -> None:
    """Send a crash test to a campaign: a worker reads and labels it, and with --accept it becomes a sample."""
    import json

    from service.ingest import load_mapping
    from service.ingest.options import parse_chests

    form = {
        "campaign_id": campaign, "source": source, "split": split.value, "occupants": occupants,
        "features": features, "sample_id": sample_id, "test_number": test_number, "file_format": file_format,
        "units": units, "mapping": load_mapping(mapping).model_dump_json() if mapping else None,
        "initial_speed_kmh": initial_speed_kmh, "vehicle_channels": vehicle_channel or None,
        "chest_channels": json.dumps(parse_chests(chest or [])), "accept": str(accept).lower(),
    }  # fmt: skip
    with service_at(server) as http, _to_send(path) as sent, sent.open("rb") as content:
        said = {name: value for name, value in form.items() if value is not None}
        upload = read_answer(http.post("/uploads", data=said, files={"file": (sent.name, content)}))
        try:
            upload = _follow(http, upload)
        except KeyboardInterrupt:
            hint = f"GET {server}/api/v1/uploads/{upload['id']} shows what was read."
            message = f"No longer watching; upload {upload['id']} is read all the same."
            raise CrashscoutError(message, hint=hint) from None
    if as_json:
        typer.echo(json.dumps(upload, indent=2))
    else:
        _show(upload)
    _refuse_unless_as_wished(upload, accept=accept)


@contextmanager
def _to_send(path: Path) -> Iterator[Path]:
    """The file itself when it is an archive or stands alone, else a zip of all that belongs to it.

    Raises:
        FileFormatError, TooLargeError: nothing there, or more than a test can be.
        InputError: it cannot be read.
    """
    from service.ingest.archive import open_files

    path = path.absolute()
    try:
        with open_files(path) as files, TemporaryDirectory(prefix="crashscout-send-") as folder:
            if path.is_file() and (files.names == (path.name,) or path.name not in files.names):
                yield path
                return
            packed = Path(folder) / f"{path.name if path.is_dir() else path.stem}.zip"
            with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
                for name in sorted(files.names):
                    entry = zipfile.ZipInfo(name, ZIP_DATE)
                    archive.writestr(entry, files.read(name), zipfile.ZIP_DEFLATED)
            yield packed
    except OSError as error:
        hint = "Check its permissions, or copy it to a folder of yours."
        raise InputError(f"{path} cannot be read: {error.strerror}.", hint=hint) from error


def _follow(http: httpx.Client, upload: dict[str, Any]) -> dict[str, Any]:
    while upload["status"] in UNREAD:
        time.sleep(POLL_S)
        upload = read_answer(http.get(f"/uploads/{upload['id']}"))
    return upload


def _show(upload: dict[str, Any]) -> None:
    report = upload["report"] or {"occupants": [], "quarantined": []}
    for seat in report["occupants"]:
        label = (
            "no label" if seat["rolc_g"] is None else f"{seat['rolc_g']:.2f} g ({seat['label_definition']})"
        )
        typer.echo(f"{seat['occupant']}: {label} {', '.join(seat['flags'])}".rstrip())
    for left_out in report["quarantined"]:
        typer.echo(f"left out: {left_out['part']}: {left_out['reason']}")
    samples = ", ".join(f"{name} is sample {key}" for name, key in (upload["sample_ids"] or {}).items())
    typer.echo(f"upload {upload['id']} {upload['status']}{': ' if samples else ''}{samples}")


def _refuse_unless_as_wished(upload: dict[str, Any], *, accept: bool) -> None:
    wished = {"accepted"} if accept else {"parsed", "accepted"}
    if upload["status"] not in wished:
        reason = upload["error_message"] or "somebody decided otherwise"
        raise CrashscoutError(f"Upload {upload['id']} is {upload['status']}: {reason}")
