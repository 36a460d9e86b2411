"""A map of the round that `rows.add_campaign` stores."""

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from service.database.engine import unit_of_work
from service.database.models import PoolMap, Sample
from service.maps import repository as maps
from service.vocabulary import MapRole, SampleStatus, Split
from tests.service.admin.rows import Rows


def add_map(store: sessionmaker[Session], rows: Rows, *, candidates: int = 48_213) -> None:
    """Every sample but the holdout at (id, -id), and one point of the target domain; half the interval is 2."""
    with unit_of_work(store) as session:
        statement = select(Sample).where(Sample.campaign_id == rows.campaign_id, Sample.split == Split.TRAIN)
        samples = session.scalars(statement.order_by(Sample.id)).all()
        roles = {SampleStatus.LABELLED: MapRole.LABELLED, SampleStatus.CANDIDATE: MapRole.CANDIDATE}
        points = [(None, MapRole.TARGET, 0.0)]
        points += [(sample.id, roles[sample.status], float(sample.id)) for sample in samples]
        shown = sum(sample.status is SampleStatus.CANDIDATE for sample in samples)
        drivers = [
            [{"column": "impact_speed_kmh", "correlation": 0.8}],
            [{"column": "source=full_vehicle", "correlation": -0.5}],
        ]
        pool_map = PoolMap(
            round_id=rows.round_id,
            explained_share=0.48,
            axes={"explained": [0.3, 0.18], "drivers": drivers},
            candidates=candidates,
            candidates_shown=shown,
            interval_level=0.9,
        )
        maps.add(
            session,
            pool_map,
            [(rows.round_id, key, role.value, x, -x, 26.34, 1.22, 2.0) for key, role, x in points],
        )
