"""Lumped-mass frontal crash: a vehicle against a rigid wall and the chest of its driver.

Two masses on one axis, x forward; x, v are the vehicle's crush and speed, y, u the chest's:

    m_v dv/dt = -F_wall(x, v) + F_restraint        m_c du/dt = -F_restraint        d = y - x

    F_wall, loading    (F_rail + F_engine + F_firewall) (1 + c max(v, 0))
        F_rail       = k_r L (1 - exp(-x / L)) (1 + a sin(2 pi x / p))     rails that fold with pitch p
        F_engine     = k_e max(x - x_engine, 0)                            drive unit reached
        F_firewall   = k_f max(x - x_firewall, 0)                          crush space used up
    F_wall, unloading  max(0, F(x_max) - k_u (x_max - x))                  gives the rebound
    F_restraint = h (G F_belt + F_bag + F_pelvis + F_wheel) - F_seat
        h        = r + (1 - r) exp(min(dd/dt, 0) / w)                      hysteresis: 1 until rebound
        F_belt   = min(F_limit, k_b (d - slack + pulled in - paid out))    limiter pays out, plastic
        F_bag    = k_a s r(t),  ds/dt = d(pen)/dt - s / tau                spring and vent in series
        F_pelvis = k_p max(d - gap, 0)                                     lap belt, knees on the chest
        F_wheel  = F_column tanh(k_w max(d - wheel, 0) / F_column)         column that strokes
        F_seat   = max(0, -k_s d - c_s dd/dt) where d < 0                  rebound into the seat back

The pretensioner pulls webbing in at constant speed from its fire time unless the belt force exceeds
its own. Forces on the chest act back on the vehicle, so momentum changes by the wall force only.

Source: the classic mass-spring occupant models of Huang, Vehicle Crash Mechanics (2002), with a
belt and bag law per component.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from worker.simulation.parameters import Array, Fidelity, Parameters, parameters_of

SAMPLE_INTERVAL_S = 1e-4
PRE_TRIGGER_SAMPLES = 300
IMPACT_SAMPLES = 2200

BELT_GEOMETRY = 1.30  # horizontal force on the chest per shoulder-belt force: both ends pull
PRETENSIONER_PULL_S = 0.008
PRETENSIONER_FORCE_N = 2000.0
BAG_DEPTH_M = 0.26
BAG_DELAY_S = 0.008
WHEEL_N_PER_M = 90e3
COLUMN_FORCE_N = 4800.0
FIREWALL_N_PER_M_PER_KG = 1700.0
RECOVERED = 0.2  # share of the restraint force that is left when the chest rebounds
REBOUND_SPEED_MPS = 1.5
SEAT_N_PER_M = 20e3
SEAT_DAMPING_NS_PER_M = 500.0


@dataclass(frozen=True, eq=False)
class SimulatedCrashes:
    """Signals of n crashes on one time grid; braking is negative (SAE J211).

    Attributes:
        time_s: shape (samples,), 10 kHz, t = 0 is the contact with the wall.
        vehicle_acceleration_mps2: shape (n, samples), occupant compartment, x.
        chest_acceleration_mps2: shape (n, samples), driver's chest, x.
        wall_force_n: shape (n, samples), >= 0.
        initial_speed_mps: shape (n,).
    """

    time_s: Array
    vehicle_acceleration_mps2: Array
    chest_acceleration_mps2: Array
    wall_force_n: Array
    initial_speed_mps: Array


@dataclass(eq=False)
class _State:
    """Where n crashes stand; every array has shape (n,)."""

    crush_m: Array
    vehicle_mps: Array
    chest_m: Array
    chest_mps: Array
    peak_crush_m: Array
    peak_force_n: Array
    paid_out_m: Array
    pulled_in_m: Array
    bag_spring_m: Array
    bag_penetration_m: Array


def simulate(designs: Sequence[Mapping[str, object]], fidelity: Fidelity = "test") -> SimulatedCrashes:
    """Crash n designs, all at once.

    Semi-implicit Euler at 0.1 ms: forces at the old positions, then speeds, then positions with the new
    speeds. The fastest oscillator (wheel or wall unloading) has less than 600 rad/s, so step times
    frequency is 0.06 at most where 2 is the limit of stability. O(n * samples), nothing random.

    Args:
        designs: n mappings with every feature of `schema.FEATURES`; further keys are left aside.
        fidelity: `test` or `simulation`, see `parameters.parameters_of`.

    Returns:
        Signals with 30 ms before and 220 ms after the contact.

    Raises:
        DesignError: a feature is missing, of the wrong kind or out of its range.
    """
    parameters = parameters_of(designs, fidelity)
    count, samples = len(designs), PRE_TRIGGER_SAMPLES + IMPACT_SAMPLES + 1
    # Time first, so that each step writes one contiguous row.
    vehicle, chest, wall = (np.zeros((samples, count)) for _ in range(3))
    state = _at_contact(parameters)
    for step in range(IMPACT_SAMPLES + 1):
        row = PRE_TRIGGER_SAMPLES + step
        wall[row] = _wall_force(parameters, state)
        restraint = _restraint_force(parameters, state, step * SAMPLE_INTERVAL_S)
        vehicle[row] = (restraint - wall[row]) / parameters.vehicle_mass_kg
        chest[row] = -restraint / parameters.chest_mass_kg
        _advance(state, vehicle[row], chest[row])
    time_s = SAMPLE_INTERVAL_S * np.arange(-PRE_TRIGGER_SAMPLES, IMPACT_SAMPLES + 1, dtype=np.float64)
    return SimulatedCrashes(time_s, vehicle.T, chest.T, wall.T, parameters.speed_mps)


def _at_contact(parameters: Parameters) -> _State:
    speed = parameters.speed_mps
    zero = np.zeros_like(speed)
    return _State(zero.copy(), speed.copy(), zero.copy(), speed.copy(), *(zero.copy() for _ in range(6)))


def _advance(state: _State, vehicle_mps2: Array, chest_mps2: Array) -> None:
    state.vehicle_mps += vehicle_mps2 * SAMPLE_INTERVAL_S
    state.chest_mps += chest_mps2 * SAMPLE_INTERVAL_S
    state.crush_m += state.vehicle_mps * SAMPLE_INTERVAL_S
    state.chest_m += state.chest_mps * SAMPLE_INTERVAL_S


def _wall_force(parameters: Parameters, state: _State) -> Array:
    loading = state.crush_m >= state.peak_crush_m
    force = _loading_force(parameters, state.crush_m, state.vehicle_mps)
    state.peak_crush_m = np.maximum(state.peak_crush_m, state.crush_m)
    state.peak_force_n = np.where(loading, force, state.peak_force_n)
    recovered = parameters.unloading_n_per_m * (state.peak_crush_m - state.crush_m)
    return np.maximum(state.peak_force_n - recovered, 0.0)


def _loading_force(parameters: Parameters, crush_m: Array, speed_mps: Array) -> Array:
    saturation = parameters.rail_saturation_m
    rail = parameters.rail_n_per_m * saturation * -np.expm1(-crush_m / saturation)
    fold = 1 + parameters.fold_share * np.sin(2 * np.pi * crush_m / parameters.fold_pitch_m)
    engine = parameters.engine_n_per_m * np.maximum(crush_m - parameters.engine_contact_m, 0.0)
    firewall = (
        FIREWALL_N_PER_M_PER_KG
        * parameters.vehicle_mass_kg
        * np.maximum(crush_m - parameters.firewall_contact_m, 0.0)
    )
    hardening = 1 + parameters.rate_hardening_s_per_m * np.maximum(speed_mps, 0.0)
    return (rail * fold + engine + firewall) * hardening


def _restraint_force(parameters: Parameters, state: _State, time_s: float) -> Array:
    forward_m = state.chest_m - state.crush_m
    belt = _belt_force(parameters, state, forward_m, time_s)
    bag = _bag_force(parameters, state, forward_m, time_s)
    pelvis = parameters.pelvis_n_per_m * np.maximum(forward_m - parameters.pelvis_gap_m, 0.0)
    wheel = WHEEL_N_PER_M * np.maximum(forward_m - parameters.wheel_gap_m, 0.0)
    column = COLUMN_FORCE_N * np.tanh(wheel / COLUMN_FORCE_N)
    forward_mps = state.chest_mps - state.vehicle_mps
    hysteresis = RECOVERED + (1 - RECOVERED) * np.exp(np.minimum(forward_mps, 0.0) / REBOUND_SPEED_MPS)
    seat = np.maximum(-SEAT_N_PER_M * forward_m - SEAT_DAMPING_NS_PER_M * forward_mps, 0.0)
    held = BELT_GEOMETRY * belt + bag + pelvis + column
    return hysteresis * held - np.where(forward_m < 0, seat, 0.0)


def _belt_force(parameters: Parameters, state: _State, forward_m: Array, time_s: float) -> Array:
    stretch = forward_m - parameters.belt_slack_m + state.pulled_in_m
    yield_m = parameters.belt_limit_n / parameters.belt_n_per_m
    state.paid_out_m = np.maximum(state.paid_out_m, stretch - yield_m)
    force = parameters.belt_n_per_m * np.maximum(stretch - state.paid_out_m, 0.0)
    pulls = (time_s >= parameters.fire_time_s) & (force < PRETENSIONER_FORCE_N)
    step_m = np.where(pulls, parameters.pull_in_m * (SAMPLE_INTERVAL_S / PRETENSIONER_PULL_S), 0.0)
    state.pulled_in_m = np.minimum(state.pulled_in_m + step_m, parameters.pull_in_m)
    return force


def _bag_force(parameters: Parameters, state: _State, forward_m: Array, time_s: float) -> Array:
    since_s = time_s - parameters.fire_time_s - BAG_DELAY_S
    filled = np.clip(since_s / parameters.bag_fill_s, 0.0, 1.0)
    gap_m = parameters.wheel_gap_m - BAG_DEPTH_M * filled
    penetration = np.where(filled > 0, np.maximum(forward_m - gap_m, 0.0), 0.0)
    # The vent relaxes the spring exactly over one step, so a wide vent cannot make it unstable.
    kept = np.exp(-parameters.bag_leak_per_s * SAMPLE_INTERVAL_S)
    spring = state.bag_spring_m * kept + penetration - state.bag_penetration_m
    state.bag_spring_m = np.clip(spring, 0.0, penetration)
    state.bag_penetration_m = penetration
    return parameters.bag_n_per_m * filled * state.bag_spring_m
