import numpy as np
import pytest
from mmengine.config import Config

from handvit.visualization import TensorboardRunBackend

event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")


def log(work_dir, time: str, steps: list[int], sign: float) -> None:
    backend = TensorboardRunBackend(str(work_dir / time / "vis_data"))
    backend.add_config(Config({"seed": 3}))
    for step in steps:
        backend.add_scalars({"loss": sign * step, "dexycb/mpjpe_cam": 40.0}, step=step)
    backend.add_image("hands", np.full((8, 8, 3), 7, np.uint8), step=steps[-1])
    backend.close()


def test_what_was_logged_can_be_read_back_and_goes_on_after_a_resume(tmp_path):
    log(tmp_path, "20260101_000000", [10, 20, 30, 40], 1.0)
    log(tmp_path, "20260102_000000", [30, 40, 50], -1.0)  # from a checkpoint of iteration 20
    (folder,) = (path for path in tmp_path.iterdir() if path.name == "tensorboard")
    events = event_accumulator.EventAccumulator(str(folder)).Reload()
    loss = [(event.step, event.value) for event in events.Scalars("loss")]
    assert loss == [(10, 10), (20, 20), (30, -30), (40, -40), (50, -50)]
    assert events.Scalars("dexycb/mpjpe_cam")[0].value == 40.0
    assert [image.step for image in events.Images("hands")] == [50]
