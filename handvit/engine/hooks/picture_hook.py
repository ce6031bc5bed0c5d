"""Draw predictions while testing, because people would rather look than read."""

from pathlib import Path

import cv2
from mmengine.hooks import Hook
from mmengine.runner import Runner

from handvit.registry import HOOKS
from handvit.structures import HandBatch, HandPrediction
from handvit.visualization.comparison_pictures import ANNOTATION, draw_comparison


@HOOKS.register_module()
class PictureHook(Hook):
    """Write the first hand of every n-th batch as a picture: annotation, prediction, side views.

    Hands that are not annotated in 3D throughout have nothing to be compared with and are left
    out. The files are named after their samples, so several processes can share the folder.
    """

    priority = "LOW"

    def __init__(self, *, out_dir: str, interval: int = 20) -> None:
        """Set where to write.

        Args:
            out_dir: folder, created when missing.
            interval: batches from one picture to the next.
        """
        self.out_dir = Path(out_dir)
        self.interval = interval

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: HandBatch | None = None,
        outputs: list[HandPrediction] | None = None,
    ) -> None:
        """Draw the first hand of this batch if it is its turn."""
        if batch_idx % self.interval:
            return
        labels = data_batch.labels.last_frame()
        if not labels.keypoints_cam_valid[0].all():
            return
        width, height = data_batch.image_size[0, -1].int().tolist()
        image = data_batch.image[0, -1, :, :height, :width].permute(1, 2, 0).numpy()
        annotation = labels.keypoints_cam[0, 0].numpy()
        picture = draw_comparison(
            image,
            {ANNOTATION: annotation, "prediction": outputs[0].keypoints_cam.numpy()},
            camera=(labels.focal[0, 0].numpy(), labels.princpt[0, 0].numpy()),
            bbox_xyxy=labels.bbox_xyxy[0, 0].numpy(),
        )
        self.out_dir.mkdir(parents=True, exist_ok=True)
        path = self.out_dir / f"{labels.sample_id[0].replace('/', '_')}.jpg"
        if not cv2.imwrite(str(path), picture[..., ::-1]):
            raise OSError(f"--show-dir: cannot write {path}")
