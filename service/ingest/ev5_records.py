"""The specification file of an NHTSA EV5 test: record sets of `|`-separated fields in a fixed order."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from service.errors import FieldError, FileFormatError
from service.ingest.model import Quarantined

Record = dict[str, str]

_VEHICLE_BEFORE = " ".join(f"BX{number}" for number in range(1, 22))
_VEHICLE_AFTER = " ".join(f"AX{number}" for number in range(1, 22))

# Order as in the NHTSA Test Reference Guide, volume I (vehicle), version 5, chapter 2.
RECORD_FIELDS: dict[str, tuple[str, ...]] = {
    name: tuple(fields.split())
    for name, fields in {
        "TEST": (
            "VERNO TITLE TSTOBJ TSTDAT TSTPRF CONNO TSTREF TSTTYP TSTCFN TKSURF TKCOND TEMP RECTYP LINK "
            "CLSSPD IMPANG OFFSET IMPPNT TOTCRV TSTCOM"
        ),
        "VEHICLE": (
            "VEHNO MAKE MODEL YEAR NHTSANO BODY VIN ENGINE ENGDSP TRANSM VEHTWT CURBWT WHLBAS VEHLEN VEHWID "
            f"VEHCG STRSEP COLMEC MODIND MODDSC {_VEHICLE_BEFORE} VEHSPD CRBANG PDOF BMPENG SILENG APLENG "
            f"DPD1 DPD2 DPD3 DPD4 DPD5 DPD6 VDI LENCNT DAMDST CRHDST {_VEHICLE_AFTER} CARANG VEHOR VEHCOM"
        ),
        "BARRIER": "BARRIG BARSHP BARANG BARDIA BARCOM",
        "OCCUPANT": (
            "VEHNO OCCLOC OCCTYP OCCAGE OCCSEX OCCHT OCCWT MTHCAL DUMSIZ DUMMAN DUMMOD DUMDSC HH HW HR HS CD "
            "CS AD HD KD HB NB CB KB SEPOSN CNTRH1 CNTRH2 CNTRC1 CNTRC2 CNTRL1 CNTRL2 HIC T1 T2 CLIP3M LFEM "
            "RFEM CSI LBELT SBELT TTI PELVG OCCCOM"
        ),
        "RESTRAINT": "VEHNO OCCLOC RSTNO RSTTYP RSTMNT DEPLOY RSTCOM",
        "INSTRUMENTATION": (
            "VEHNO CURNO SENTYP SENLOC SENATT AXIS XUNITS YUNITS PREFIL INSMAN CALDAT INSRAT CHLMAX INIVEL "
            "NFP NLP DELT DASTAT CHSTAT INSCOM"
        ),
    }.items()
}

_KEY_LINE = re.compile(r"^-{5}\s*(\w+)\s*-{5}$")


@dataclass(frozen=True)
class Ev5Records:
    """All record sets of one file; `quarantined` names the records that were left out."""

    sets: dict[str, list[Record]] = field(default_factory=dict)
    quarantined: tuple[Quarantined, ...] = ()

    def of_vehicle(self, record_set: str, vehicle_number: str) -> list[Record]:
        return [record for record in self.sets[record_set] if record["VEHNO"] == vehicle_number]


def parse_records(content: bytes, name: str) -> Ev5Records:
    """Read a specification file.

    A broken INSTRUMENTATION record costs one channel and is quarantined; any other broken record
    would make features wrong and is an error.

    Raises:
        FileFormatError: empty, not EV5, cut off before its END line, no test or vehicle, or a record
            whose number of fields does not fit; the message names the line.
    """
    lines = [(number, line.strip()) for number, line in enumerate(_decode(content).splitlines(), start=1)]
    lines = [(number, line) for number, line in lines if line and not line.startswith("#")]
    if not lines:
        raise FileFormatError(f"{name} is empty.", hint="Download or export it again.")
    if _key(lines[0][1]) != "EV5":
        raise FileFormatError(
            f"{name} does not begin with '----- EV5 -----' (line {lines[0][0]}).",
            hint="Give the .EV5 file of an NHTSA vehicle test.",
        )
    if _key(lines[-1][1]) != "END":
        raise FileFormatError(
            f"{name} is truncated: it ends at line {lines[-1][0]} without '----- END -----'.",
            hint="Download it again.",
        )
    records = _collect(lines[1:-1], name)
    for required in ("TEST", "VEHICLE"):
        if not records.sets[required]:
            raise FileFormatError(f"{name} has no {required} record.", hint="Download it again.")
    return records


def _decode(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")  # every byte is a character; old comments hold degree signs


def _key(line: str) -> str | None:
    found = _KEY_LINE.match(line)
    return found.group(1).upper() if found else None


def _collect(lines: list[tuple[int, str]], name: str) -> Ev5Records:
    sets: dict[str, list[Record]] = {record_set: [] for record_set in RECORD_FIELDS}
    quarantined: list[Quarantined] = []
    current: str | None = None
    for number, line in lines:
        key = _key(line)
        if key is not None:
            current = key
        elif current not in RECORD_FIELDS:
            quarantined.append(Quarantined(f"line {number}", f"the record set {current} is not known"))
        else:
            problem = _add(sets[current], current, line)
            if problem:
                quarantined.append(_quarantine_or_raise(current, number, problem, name))
    return Ev5Records(sets, tuple(quarantined))


def _add(records: list[Record], record_set: str, line: str) -> str | None:
    fields = RECORD_FIELDS[record_set]
    # The last field is a free comment, which may itself hold the separator.
    values = [value.strip() for value in line.split("|", len(fields) - 1)]
    if len(values) != len(fields):
        return f"{record_set} has {len(values)} of {len(fields)} fields"
    record = dict(zip(fields, values, strict=True))
    if record_set == "INSTRUMENTATION" and not (record["CURNO"].isascii() and record["CURNO"].isdigit()):
        return f"the curve number {record['CURNO']!r} is not a number"
    records.append(record)
    return None


def _quarantine_or_raise(record_set: str, number: int, problem: str, name: str) -> Quarantined:
    if record_set == "INSTRUMENTATION":
        return Quarantined(f"line {number}", problem)
    raise FileFormatError(
        f"{name} line {number}: {problem}.",
        hint="Only version 5 of the format is read.",
        errors=[FieldError(f"/lines/{number}", problem)],
    )
