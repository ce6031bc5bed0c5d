"""Track a training and all of its resumes as one run of Aim."""

from pathlib import Path
from typing import Any

from mmengine.visualization import AimVisBackend

from handvit.registry import VISBACKENDS

_HASH_FILE = "aim_run_hash.txt"


@VISBACKENDS.register_module()
class AimRunBackend(AimVisBackend):
    """MMEngine's backend, with a run that is named after its work dir and kept there."""

    def __init__(self, save_dir: str, *, init_kwargs: dict[str, Any]) -> None:
        """Take what MMEngine's backend takes.

        Args:
            save_dir: ``WORK_DIR/TIME/vis_data``, given by the visualizer.
            init_kwargs: of ``aim.Run``; a ``run_hash`` given there is left alone.
        """
        super().__init__(save_dir, init_kwargs=dict(init_kwargs))

    def _init_env(self) -> None:
        """Start or continue the run; only the first process ever does."""
        work_dir = Path(self._save_dir).parents[1]
        path = work_dir / _HASH_FILE
        self._init_kwargs.setdefault("experiment", work_dir.name)
        if path.is_file():
            self._init_kwargs.setdefault("run_hash", path.read_text().strip())
        super()._init_env()
        path.write_text(self._aim_run.hash)
