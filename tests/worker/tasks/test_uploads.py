"""`upload.read` and the reaper's part of it, in a worker's surroundings."""

import io
from datetime import UTC, datetime, timedelta

import redis
from sqlalchemy.orm import Session, sessionmaker

from service.beat import keep_house
from service.campaigns import service as campaigns
from service.campaigns.schemas import CampaignCreate
from service.database.engine import unit_of_work
from service.database.models import Upload
from service.embedded import EmbeddedEngines
from service.lifecycles import UploadStatus
from service.queue.client import QueueClient
from service.settings import get_settings
from service.uploads import service as uploads
from service.uploads.schemas import UploadRequest
from tests.ev5_writer import ev5_files, zipped
from tests.support import SOURCES, queued_messages
from worker.tasks.uploads import upload_read


def add_upload(sessions: sessionmaker[Session]) -> int:
    document = {"name": "c", "feature_schema": {"library": "nhtsa_frontal/1"}, "sources": SOURCES}
    with unit_of_work(sessions) as session:
        campaign = campaigns.create(session, CampaignCreate.model_validate(document), actor="test")
        request = UploadRequest(source="full_vehicle", accept=True)
        content = io.BytesIO(zipped(ev5_files()))
        return uploads.create(
            session, get_settings(), campaign, request, filename="a.zip", content=content, actor="test"
        ).id


def read(sessions: sessionmaker[Session], upload_id: int) -> Upload:
    with sessions() as session:
        return session.get_one(Upload, upload_id)


def test_an_upload_is_read_and_accepted(worker_sessions: sessionmaker[Session]) -> None:
    upload_id = add_upload(worker_sessions)
    upload_read(upload_id)
    row = read(worker_sessions, upload_id)
    assert (row.status, row.error_message) == (UploadStatus.ACCEPTED, None)
    assert list(row.sample_ids) == ["driver"]


def test_the_house_keeper_sends_uploads_again_too(
    worker_sessions: sessionmaker[Session], broker_url: str, engines: EmbeddedEngines
) -> None:
    upload_id = add_upload(worker_sessions)
    with unit_of_work(worker_sessions) as session:
        session.get_one(Upload, upload_id).queued_at = datetime.now(UTC) - timedelta(hours=1)
    queue = QueueClient(broker_url)
    with redis.Redis.from_url(engines.redis_url) as client:
        client.flushdb()
    for _ in range(2):  # the second time it waits in the broker
        keep_house(worker_sessions, queue, get_settings())
        assert queued_messages(broker_url, "io") == [("upload.read", [upload_id])]
    queue.close()
