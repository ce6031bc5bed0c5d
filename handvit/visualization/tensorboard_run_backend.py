"""Track a training and all of its resumes as one run of TensorBoard."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.visualization import TensorboardVisBackend

from handvit.registry import VISBACKENDS


@VISBACKENDS.register_module()
class TensorboardRunBackend(TensorboardVisBackend):
    """MMEngine's backend, in the one folder ``WORK_DIR/tensorboard``.

    What a training had logged beyond the checkpoint that it was resumed from is hidden.
    """

    def __init__(self, save_dir: str) -> None:
        """Take ``WORK_DIR/TIME/vis_data``, given by the visualizer."""
        super().__init__(str(Path(save_dir).parents[1] / "tensorboard"))
        self._has_logged = False

    def add_scalars(
        self,
        scalar_dict: Mapping[str, float],
        step: int = 0,
        file_path: str | None = None,
        **settings: Any,
    ) -> None:
        """Record several numbers."""
        if not self._has_logged:
            self._hide_from(step)
        super().add_scalars(dict(scalar_dict), step)

    def _hide_from(self, step: int) -> None:
        """Hide what was logged before for this step and later ones."""
        writer = self.experiment
        writer.close()
        self._tensorboard = type(writer)(self._save_dir, purge_step=step)
        self._has_logged = True
