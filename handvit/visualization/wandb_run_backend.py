"""Track a training and all of its resumes as one run of Weights & Biases."""

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.visualization import WandbVisBackend

from handvit.registry import VISBACKENDS

_ID_FILE = "wandb_run_id.txt"
#: Curves over iterations. W&B's own steps count the calls, and go on counting after a resume.
_METRICS = [dict(name="step"), dict(name="*", step_metric="step")]


@VISBACKENDS.register_module()
class WandbRunBackend(WandbVisBackend):
    """MMEngine's backend, with a run id that is kept in the work dir, and with iterations."""

    def __init__(self, save_dir: str, *, init_kwargs: dict[str, Any], **settings: Any) -> None:
        """Take what MMEngine's backend takes.

        Args:
            save_dir: ``WORK_DIR/TIME/vis_data``, given by the visualizer.
            init_kwargs: of ``wandb.init``; an ``id`` given there is left alone.
        """
        init_kwargs = {"resume": "allow", **init_kwargs}
        super().__init__(save_dir, init_kwargs=init_kwargs, define_metric_cfg=_METRICS, **settings)

    def add_config(self, config: Config, **settings: Any) -> None:
        """Record the config, but no code: MMEngine's would search the working directory for it.

        A resumed training may change its config; at least it says where it was resumed from.
        """
        self.experiment.config.update(config.to_dict(), allow_val_change=True)

    def add_image(self, name: str, image: np.ndarray, step: int = 0, **settings: Any) -> None:
        """Record a picture, (H, W, 3) uint8 RGB."""
        wandb = self.experiment
        wandb.log({name: wandb.Image(image), "step": step})

    def add_scalar(self, name: str, value: float, step: int = 0, **settings: Any) -> None:
        """Record a number."""
        self.add_scalars({name: value}, step)

    def add_scalars(
        self,
        scalar_dict: Mapping[str, float],
        step: int = 0,
        file_path: str | None = None,
        **settings: Any,
    ) -> None:
        """Record several numbers."""
        super().add_scalars({**scalar_dict, "step": step}, step)

    def _init_env(self) -> None:
        """Start or continue the run; only the first process ever does."""
        path = Path(self._save_dir).parents[1] / _ID_FILE
        if not path.is_file():
            path.write_text(uuid.uuid4().hex[:16])
        self._init_kwargs.setdefault("id", path.read_text().strip())
        super()._init_env()
