"""Oracles that run simulations: the built-in lumped-mass occupant model."""

from worker.simulation.fleet import sample_fleet
from worker.simulation.labels import CrashLabel, label
from worker.simulation.occupant_model import SimulatedCrashes, simulate
from worker.simulation.oracle import OracleResult, run_occupant_model
from worker.simulation.schema import FEATURES, Design, DesignError, Feature, check_design
from worker.simulation.sensors import CORRUPTIONS, Corrupted, SensorErrors, corrupt, execute, measure

__all__ = [
    "CORRUPTIONS",
    "FEATURES",
    "Corrupted",
    "CrashLabel",
    "Design",
    "DesignError",
    "Feature",
    "OracleResult",
    "SensorErrors",
    "SimulatedCrashes",
    "check_design",
    "corrupt",
    "execute",
    "label",
    "measure",
    "run_occupant_model",
    "sample_fleet",
    "simulate",
]
