import pytest
from starlette.testclient import TestClient

from tests.support import create_campaign


@pytest.fixture
def campaign_id(client: TestClient) -> int:
    return create_campaign(client)
