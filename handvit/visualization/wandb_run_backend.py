"""Continue the same run of Weights & Biases when a training is resumed."""

import uuid
from pathlib import Path
from typing import Any

from mmengine.visualization import WandbVisBackend

from handvit.registry import VISBACKENDS

_ID_FILE = "wandb_run_id.txt"


@VISBACKENDS.register_module()
class WandbRunBackend(WandbVisBackend):
    """MMEngine's backend, with a run id that is kept in the work dir."""

    def __init__(self, save_dir: str, *, init_kwargs: dict[str, Any], **settings: Any) -> None:
        """Take what MMEngine's backend takes.

        Args:
            save_dir: ``WORK_DIR/TIME/vis_data``, given by the visualizer.
            init_kwargs: of ``wandb.init``; an ``id`` given there is left alone.
        """
        run = {"id": _run_id(Path(save_dir).parents[1]), "resume": "allow", **init_kwargs}
        super().__init__(save_dir, init_kwargs=run, **settings)


def _run_id(work_dir: Path) -> str:
    """Read the id of a work dir's run, or draw one."""
    path = work_dir / _ID_FILE
    if not path.is_file():
        work_dir.mkdir(parents=True, exist_ok=True)
        path.write_text(uuid.uuid4().hex[:16])
    return path.read_text().strip()
