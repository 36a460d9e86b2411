"""A local server with answers in the recorded shape of the NHTSA API, and with the faults of a real one."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.ev5_writer import SPEED_KMH, ev5_files, zipped

NO_DATA = {
    "meta": {
        "pagination": {"pageNumber": 0, "count": 0, "total": 0},
        "status": 200,
        "message": "No Data Found for the Search Request, please check your params and try again",
        "error": "No Matching Results",
    },
    "results": None,
}


def metadata(number: int, ev5_url: str | None, **changes: Any) -> dict[str, Any]:
    """Everything of one test: objects and lists, numbers as texts, sentinels and results as they really come.

    `changes` replaces fields: `TEST={"IMPANG": 270}`, `VEHICLE=...`, `OCCUPANT=...`.
    """
    test = {
        "TSTNO": number, "TITLE": f"NCAP - TEST {number}", "TSTDAT": "2017-10-03 00:00:00",
        "TSTCFND": "VEHICLE INTO BARRIER",
        "TSTTYPD": "NEW CAR ASSESSMENT TEST", "TSTPRFD": "MGA RESEARCH", "CLSSPD": SPEED_KMH, "IMPANG": 0,
        "OFFSET": 0, "TEMP": "22", "TOTCRV": 634, "VERNO": "V5",
    }  # fmt: skip
    vehicle = {
        "VEHNO": 1, "MAKED": "TOYOTA", "MODELD": "CAMRY", "YEAR": 2018, "BODYD": "FOUR DOOR SEDAN",
        "ENGINED": "4 CYLINDER INLINE FRONT", "ENGDSP": "2.5", "TRANSMD": "AUTOMATIC - FRONT WHEEL DRIVE",
        "VEHTWT": 1700, "CURBWT": "1514", "WHLBAS": 2825.0, "VEHLEN": 4896, "VEHWID": 0, "VEHCG": 9999,
        "VEHSPD": SPEED_KMH, "MODINDD": "PRODUCTION VEHICLE", "COLMECD": " ", "BX1": 4896, "BX2": 4263,
        "BX3": 3531, "BX16": 2838, "BX17": 376, "BX18": 410, "BX21": 510, "PDOF": 0, "VDI": "12FDEW2",
        "CRHDST": 518, "DAMDST": 99999999, "LENCNT": 1260, **{f"DPD{n}": 380 + n for n in range(1, 7)},
        **{f"AX{n}": 4361 for n in range(1, 22)},
    }  # fmt: skip
    trolley = {"VEHNO": 2, "MAKED": "NHTSA", "MODELD": "DEFORMABLE IMPACTOR", "YEAR": 0, "VEHTWT": None}
    driver = {
        "VEHNO": 1, "OCCLOC": "01", "OCCTYPD": "HYBRID III DUMMY", "DUMSIZD": "50 PERCENTILE", "OCCSEXD": "MALE",
        "OCCAGE": 99999999, "SEPOSN": "CN", "HH": 312, "HW": 642, "CD": 519, "CS": 302, "KD": 166,
        "HIC": 140, "T1": 77.7, "T2": 92.7, "CLIP3M": 41, "CNTRH1D": "AIR BAG", "LFEM": -1923, "PELVG": 0,
    }  # fmt: skip
    passenger = driver | {"OCCLOC": "02", "OCCSEXD": "FEMALE", "DUMSIZD": "5 PERCENTILE", "CS": 99999999}
    belt = {
        "VEHNO": 1, "OCCLOCD": "LEFT FRONT SEAT", "RSTNO": "1", "RSTTYPD": "3 POINT BELT",
        "RSTMNTD": "BELT - CONVENTIONAL MOUNT", "RSTCOM": "SHOULDER BELT PRETENSIONER AND FORCE LIMITER",
        "DEPLOYD": "NOT APPLICABLE",
    }  # fmt: skip
    bag = belt | {"RSTTYPD": "FRONTAL AIRBAG", "RSTMNTD": "STEERING WHEEL", "RSTCOM": "NO COMMENTS"}
    knee = bag | {"RSTTYPD": "KNEE AIR BAG", "RSTMNTD": None, "RSTCOM": None}
    entry = {
        "TEST": test | changes.get("TEST", {}),
        "VEHICLE": [vehicle | changes.get("VEHICLE", {}), trolley],
        "BARRIER": [{"BARRIGD": "RIGID", "BARSHPD": "LOAD CELL BARRIER", "BARANG": 0, "BARDIA": 99999999}],
        "OCCUPANT": [passenger, driver | changes.get("OCCUPANT", {})],
        "RESTRAINT": [belt, bag, knee, bag | {"OCCLOCD": "RIGHT FRONT SEAT"}],
        "INSTRUMENTATION": [],
        "URL": {"URL_EV5": ev5_url, "URL_ISO": None},
        "REPORTS": [], "PHOTOS": None, "VIDEOS": [],
    }  # fmt: skip
    return {"meta": {"status": 200, "message": "Success", "error": ""}, "results": [entry]}


@dataclass
class Fault:
    """What a request gets instead of its answer."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"<html>busy</html>"
    cut: bool = False  # says that more would come, and hangs up


@dataclass
class NhtsaServer:
    """Tests by number, faults by path in the order in which they strike, and what was asked."""

    url: str = ""
    documents: dict[int, Any] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    @property
    def base_url(self) -> str:
        return f"{self.url}/nhtsa/vehicle/api/v1"

    def add(self, number: int, files: dict[str, bytes] | None = None, **changes: Any) -> None:
        """A test with its metadata and its EV5 zip."""
        path = f"/files/v{number:05d}.zip"
        files = ev5_files(number=number) if files is None else files
        self.files[path] = zipped(files, folder=f"v{number:05d}")
        self.documents[number] = metadata(number, self.url + path, **changes)

    def fail(self, what: int | str, *faults: Fault) -> None:
        """Let the next requests for a test's metadata, or for a path, go wrong."""
        self.faults.setdefault(metadata_path(what) if isinstance(what, int) else what, []).extend(faults)

    def answer(self, path: str) -> Fault:
        self.asked.append(path)
        if self.faults.get(path):
            return self.faults[path].pop(0)
        if path in self.files:
            return Fault(200, {}, self.files[path])
        number = path.rsplit("/", 1)[-1]
        document = self.documents.get(int(number), NO_DATA) if number.isdigit() else None
        if document is None or path != metadata_path(int(number)):
            return Fault(404, {}, b"{}")
        return Fault(200, {}, json.dumps(document).encode())


def metadata_path(number: int) -> str:
    return f"/nhtsa/vehicle/api/v1/vehicle-database-test-results/metadata/{number}"


@contextmanager
def running_nhtsa() -> Iterator[NhtsaServer]:
    """The server on a free port of this machine."""
    nhtsa = NhtsaServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            fault = nhtsa.answer(self.path)
            self.send_response(fault.status)
            for name, value in fault.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(fault.body) + (1000 if fault.cut else 0)))
            self.end_headers()
            self.wfile.write(fault.body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    nhtsa.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield nhtsa
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
