"""What a file leaves open, said beside it: units, columns, channels, as a reader wants to hear it."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from service.campaigns.schemas import Label, Strict, storable
from service.ingest import ChannelChoice, ReadOptions, TableMapping
from service.ingest.options import UNIT_SYSTEMS

KMH_PER_MPS = 3.6
MOST_CHANNELS = 20


def _known_system(units: str) -> str:
    if units not in UNIT_SYSTEMS:
        raise ValueError(f"is not a system of units: use one of {', '.join(UNIT_SYSTEMS)}")
    return units


def _storable_mapping(mapping: TableMapping) -> TableMapping:
    storable(mapping.model_dump(mode="json"))
    return mapping


class Reading(Strict):
    """How to read a file; what its reader does not need is ignored."""

    file_format: Label = Field("auto", description="Name of a reader; `auto` tells it by the files.")
    units: Annotated[Label, AfterValidator(_known_system)] | None = Field(
        None, description="binout: the model's mass, length and time, such as kg-mm-ms."
    )
    mapping: Annotated[TableMapping, AfterValidator(_storable_mapping)] | None = Field(
        None,
        description="csv: units and roles of the columns; NAME.mapping.json in the archive does as well.",
    )
    initial_speed_kmh: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="Speed at first contact, instead of the file's."
    )
    vehicle_channels: list[Label] = Field(
        default_factory=list,
        max_length=MOST_CHANNELS,
        description="Keys of the channels whose mean is the vehicle pulse, instead of those by the rules.",
    )
    chest_channels: dict[Label, Label] = Field(
        default_factory=dict, max_length=MOST_CHANNELS, description="Occupant to key of the chest channel."
    )
    test_number: Label | None = Field(
        None, description="Number or name of the test, instead of the file's: it names the samples."
    )

    def options(self) -> ReadOptions:
        """The same for `service.ingest.read_crash_test`."""
        speed_kmh = self.initial_speed_kmh
        return ReadOptions(
            channels=ChannelChoice(tuple(self.vehicle_channels), dict(self.chest_channels)),
            initial_speed_mps=None if speed_kmh is None else speed_kmh / KMH_PER_MPS,
            units=self.units,
            mapping=self.mapping,
        )
