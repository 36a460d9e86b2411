"""Where tensors live: the same code with and without a GPU."""

import pytest
import torch

from worker.device import choose_device


def test_auto_takes_a_gpu_where_there_is_one() -> None:
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_cpu_is_the_cpu() -> None:
    assert choose_device("cpu").type == "cpu"


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_an_error_with_a_remedy() -> None:
    with pytest.raises(ValueError, match="set auto or cpu"):
        choose_device("cuda")


def test_the_cuda_runtime_is_not_touched_before_a_task_runs() -> None:
    import subprocess
    import sys

    code = (
        "import torch; from service.settings import Settings; from worker.app import create_celery;"
        "create_celery(Settings(broker_url='redis://localhost:1'));"
        "assert not torch.cuda.is_initialized()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
