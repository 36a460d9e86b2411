"""The API does what its OpenAPI document says, for generated requests: schemathesis in a process of its own.

Its pytest plugin stays off: it would bring its own warnings into every test. `CONTRACT_EXAMPLES` sets how many
requests are generated per operation and phase (`make test-contract`).
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from service.settings import Settings
from tests.support import API, add_backtest, open_client, propose

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = int(os.environ.get("CONTRACT_EXAMPLES", "2"))
SEED = 1
# Rules between fields, and with what a campaign holds, are no matter of a schema: such a request is a 422.
NOT_CHECKED = "positive_data_acceptance"
# It never ends; tests/service/events asks it all there is to ask.
NOT_CALLED = "stream_events"
pytestmark = pytest.mark.functional


# How bad input may be refused; schemathesis knows no 412, which comes before the body is looked at (RFC 9110, 13.2).
REFUSALS = [400, 401, 403, 404, 405, 406, 409, 412, 415, 422, 428, 429]
# Speed is measured in benchmarks/: here it would tell who else is at work on the machine.
LONGEST_ANSWER_S = 120
CONFIGURATION = f"""
request-timeout = {LONGEST_ANSWER_S}
hooks = "{Path(__file__).with_name("schemathesis_hooks.py")}"
[generation]
max-examples = {EXAMPLES}
[phases.stateful.generation]
max-examples = {10 * EXAMPLES}
[checks.negative_data_rejection]
expected-statuses = {REFUSALS}
"""


@pytest.fixture
def stored(api_settings: Settings) -> None:
    """Rows of most kinds under the ids that are tried first, so that more is found than 404."""
    with open_client(api_settings) as client:
        proposal = propose(client)
        add_backtest(client.app.state.sessions, proposal.campaign_id)
        url = f"{API}/campaigns/{proposal.campaign_id}"
        schedule = {"name": "nightly", "trigger": {"kind": "cron", "expression": "0 2 * * *"}}
        webhook = {"url": "https://93.184.215.14/hook", "events": ["*"]}
        for noun, document in (("schedules", schedule), ("webhooks", webhook)):
            created = client.post(f"{url}/{noun}", json=document)
            assert created.status_code == 201, created.text


def run(url: str, headers: dict[str, str], folder: Path) -> tuple[int, str]:
    """All phases: examples, edge values of each field, generated requests, sequences along the links.

    Returns:
        The exit status and what was said, which also stands in a file from the first line on.
    """
    configuration = folder / "schemathesis.toml"
    configuration.write_text(CONFIGURATION)
    named = [argument for name, value in headers.items() for argument in ("--header", f"{name}: {value}")]
    options = [
        "--url", url, *named, "--checks", "all", "--exclude-checks", NOT_CHECKED,
        "--exclude-operation-id", NOT_CALLED, "--phases", "examples,coverage,fuzzing,stateful",
        "--max-response-time", str(LONGEST_ANSWER_S), "--seed", str(SEED), "--continue-on-failure", "--no-color",
    ]  # fmt: skip
    said = folder / "schemathesis.log"
    print(f"\nfollow it in {said}", flush=True)
    with said.open("w") as log:
        status = subprocess.run(
            [sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()",
             "--config-file", str(configuration), "run", str(ROOT / "openapi.json"), *options],
            cwd=folder, stdout=log, stderr=subprocess.STDOUT, check=False,
        ).returncode  # fmt: skip
    return status, said.read_text()


@pytest.mark.usefixtures("stored")
def test_the_api_keeps_its_contract(locked_api: str, headers: dict[str, str], tmp_path: Path) -> None:
    status, said = run(locked_api, headers, tmp_path)
    print(said[said.find("= SUMMARY") :])
    assert status == 0, said
    cases = re.search(r"(\d+) generated", said)
    assert cases, said
    assert int(cases[1]) > 1000, "nearly nothing was asked"
