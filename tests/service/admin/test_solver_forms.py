"""What was typed for a solver becomes what the API takes, stands in the inputs again, and is told when it is wrong."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from service.admin.plain_errors import errors_of, place_of, place_of_pointer
from service.admin.solver_forms import READERS, inputs_of, settings_of, typed_solver
from service.campaigns.oracles import CommandOracle
from service.errors import InputError

FORM = {
    "source_1_command": ["/opt/solver/run \r\n\r\n i=main.k\r\n"],
    "source_1_file_path": ["main.k", "", "mesh/a_b.k"],
    "source_1_file_text": ["*KEYWORD\r\n  @{speed:.1f}\r\n", "", ""],
    "source_1_environment": ["LICENSE, QUEUE"],
    "source_1_hours": ["1.5"],
    "source_1_exit_codes": ["0, 3"],
    "source_1_memory_mib": [""],
    "source_1_reader": ["number"],
    "source_1_path": ["result.json"],
    "source_1_field": ["occupants.driver.rolc"],
    "source_1_units": ["kg-mm-ms"],
}


def typed(**changes: Any) -> dict[str, Any]:
    return typed_solver(FORM, "source_1_") | changes


def test_a_form_becomes_the_settings_of_the_api() -> None:
    oracle = CommandOracle.model_validate(settings_of(typed()))
    assert oracle.command == ["/opt/solver/run", "i=main.k"]
    assert oracle.input_files == {"main.k": "*KEYWORD\n  @{speed:.1f}\n", "mesh/a_b.k": ""}
    assert (oracle.environment, oracle.exit_codes, oracle.timeout_s) == (["LICENSE", "QUEUE"], [0, 3], 5400)
    assert (oracle.log_mib, oracle.memory_mib) == (4, None)
    assert oracle.result.model_dump() == {
        "reader": "number",
        "path": "result.json",
        "field": "occupants.driver.rolc",
    }


def test_what_was_typed_stands_in_the_inputs_again() -> None:
    shown = inputs_of(json.loads(json.dumps(typed())))
    assert shown.files == [("main.k", "*KEYWORD\n  @{speed:.1f}\n"), ("mesh/a_b.k", ""), ("", "")]
    assert shown.values["units"] == "kg-mm-ms"  # of a reader that is not chosen: it waits
    assert shown.values["memory_mib"] == ""
    assert inputs_of({}).values["hours"] == "24"


def test_each_reader_gets_what_it_knows_and_no_more() -> None:
    mapping = {"time": {"column": "t", "unit": "ms"}, "channels": [
        {"column": "a", "unit": "g", "axis": "x", "role": "vehicle"}]}  # fmt: skip
    given = typed(
        occupant="driver", speed_feature="speed", mapping=json.dumps(mapping), vehicle_channels="10, 11",
        chest_channels="driver=001, passenger = 003",
    )  # fmt: skip
    results = {
        name: CommandOracle.model_validate(settings_of(given | {"reader": name})).result for name in READERS
    }
    assert results["binout"].units == "kg-mm-ms"
    assert results["csv"].mapping == mapping
    assert results["ev5"].units is None
    assert results["tdms"].chest_channels == {"driver": "001", "passenger": "003"}
    assert results["iso_mme"].vehicle_channels == ["10", "11"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"hours": "a day"}, "source row 2 time limit 'a day' is no number of hours"),
        ({"hours": "NaN"}, "time limit must be a second or more"),
        ({"hours": "0"}, "time limit must be a second or more and at most 720 hours"),
        ({"hours": "1e9"}, "at most 720 hours"),
        ({"hours": "1e999999999"}, "at most 720 hours"),
        ({"files": [["", "text"]]}, "input file has a text and no name"),
        ({"files": [["a", "1"], ["a", "2"]]}, "input file 'a' is given twice"),
        ({"reader": "csv", "mapping": "{"}, "columns of the table is no JSON"),
        ({"reader": "ev5", "chest_channels": "driver"}, "chest channels 'driver' names no channel"),
    ],
)
def test_texts_that_cannot_be_read_are_told_by_the_name_of_their_input(
    changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(InputError) as caught:
        settings_of(typed(**changes), "source row 2")
    (error,) = caught.value.errors
    assert told in f"{error.pointer} {error.message}"


@pytest.mark.parametrize(
    "draft", [{"files": "x", "command": 3}, {"files": [1, ["a"], ["a", 2]], "hours": []}]
)
def test_a_forged_draft_is_one_that_says_nothing(draft: dict[str, Any]) -> None:
    assert inputs_of(draft).files == [("", "")]
    assert settings_of(draft)["command"] == []


@pytest.mark.parametrize(
    ("changes", "place", "told"),
    [
        ({"command": ""}, "command", "is missing: fill it in"),
        ({"command": "run"}, "", "absolute path"),
        ({"path": ""}, "result file", "is missing: fill it in"),
        ({"log_mib": "0"}, "kept log (MiB)", "must be at least 1"),
        ({"log_mib": "4000"}, "kept log (MiB)", "must be at most 1,024"),
        ({"memory_mib": "much"}, "memory (MiB)", "'much' is no whole number"),
        ({"exit_codes": "0 300"}, "exit codes number 2", "must be at most 255"),
        ({"environment": "CRASHSCOUT_API_KEY"}, "variables name 1", "may hold a secret"),
        (
            {"reader": "ev5", "initial_speed_kmh": "fast"},
            "result initial speed (km/h)",
            "'fast' is no number",
        ),
    ],
)
def test_what_the_api_refuses_is_told_in_words(changes: dict[str, Any], place: str, told: str) -> None:
    with pytest.raises(ValidationError) as caught:
        CommandOracle.model_validate(settings_of(typed(**changes)))
    found = {error.pointer: error.message for error in errors_of(caught.value, place_of)}
    assert told in found[place]


@pytest.mark.parametrize(
    ("pointer", "place"),
    [
        ("/sources/0/oracle_settings/command/1", "sources row 1 solver command line 2"),
        ("/sources/1/oracle_settings/input_files/a~1b_c.k", "sources row 2 solver input file 'a/b_c.k'"),
        ("/sources/0/oracle_settings/result/speed_feature", "sources row 1 solver result speed feature"),
        ("feature schema row 2", "feature schema row 2"),
        ("/", ""),
    ],
)
def test_places_are_told_in_words(pointer: str, place: str) -> None:
    assert place_of_pointer(pointer) == place
