"""Where a command computes, and what is said when it cannot."""

from __future__ import annotations

from service.errors import InputError

MOST_THREADS = 256


def check_seed_and_threads(seed: int, threads: int) -> None:
    """Refuse what no machine has.

    Raises:
        InputError: a seed or a number of threads out of range.
    """
    if not 0 <= seed < 2**63:
        raise InputError(f"--seed {seed} is out of range.", hint="Use 0 or more.")
    if not 1 <= threads <= MOST_THREADS:
        raise InputError(f"--threads {threads} is out of range.", hint=f"Use 1 to {MOST_THREADS}.")


def prepare_device(wanted: str, threads: int) -> str:
    """Bind torch to so many threads; the device by its name.

    Raises:
        InputError: this machine has no such device.
    """
    from worker.device import choose_device, use_threads

    use_threads(threads)
    try:
        return str(choose_device(wanted))
    except (ValueError, RuntimeError) as error:
        hint = "Use auto or cpu; cuda needs a GPU and a torch built for it."
        raise InputError(f"--device {wanted} is not possible here.", hint=hint) from error
