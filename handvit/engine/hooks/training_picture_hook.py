"""Show now and then what the network saw in training, and what it said."""

from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import nn

from handvit.registry import HOOKS
from handvit.structures import HandCrops, HandPrediction
from handvit.visualization.crop_pictures import draw_pair, stack_rows
from handvit.visualization.drawn_hands import crop_pictures, labelled_hands, predicted_hands

NAME = "train_hands"


@HOOKS.register_module()
class TrainingPictureHook(Hook):
    """Send pictures of an iteration's first hands to the visualizer, that is to all trackers.

    They are in ``WORK_DIR/pictures``, too. Each row shows a crop as the network saw it, augmented
    and with left hands mirrored: the annotation as skeleton and mesh, and the very prediction that
    the loss was computed from. Nothing is predicted anew and no random number drawn, so the
    training is the same with it, and processes need not agree.
    """

    priority = "LOW"

    def __init__(self, *, interval: int = 2000, num_hands: int = 4) -> None:
        """Set how often, and how many hands.

        Args:
            interval: iterations from one picture to the next; the first one is at the start.
            num_hands: rows of a picture, at most the batch size.
        """
        self.interval = interval
        self.num_hands = num_hands
        self._seen: tuple[HandCrops, HandPrediction] | None = None

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: object = None) -> None:
        """Look at what the head gets and returns if this iteration's turn has come."""
        if runner.iter % self.interval == 0 and is_main_process():
            self._looking = _inner(runner.model).head.register_forward_hook(self._note)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: object = None, outputs: object = None
    ) -> None:
        """Draw it."""
        if self._seen is None:
            return
        (crops, prediction), self._seen = self._seen, None
        self._looking.remove()
        if not crops.crop.numel():
            return  # a token cache has no pixels
        picture = draw_training(_inner(runner.model), crops, prediction, self.num_hands)
        runner.visualizer.add_image(NAME, picture, step=runner.iter)
        write_picture(Path(runner.work_dir, "pictures", f"{NAME}_{runner.iter}.jpg"), picture)

    def _note(self, head: nn.Module, arguments: tuple, prediction: HandPrediction) -> None:
        _, crops, _ = arguments
        self._seen = crops, prediction


@torch.no_grad()
def draw_training(
    model: nn.Module, crops: HandCrops, prediction: HandPrediction, num_hands: int
) -> np.ndarray:
    """Draw the first hands of a batch, (B, 1, ...), one below the other."""
    truths = labelled_hands(crops, model.hand_model, num_hands)
    predictions = predicted_hands(prediction, crops, num_hands)
    pictures = crop_pictures(crops, model.data_preprocessor, num_hands)
    faces = model.hand_model.faces.cpu().numpy()
    rows = [
        draw_pair(picture, truth, predicted, faces=faces, name=name)
        for picture, truth, predicted, name in zip(
            pictures, truths, predictions, crops.labels.sample_id, strict=False
        )
    ]
    return stack_rows(rows)


def write_picture(path: Path, picture: np.ndarray) -> None:
    """Write an (H, W, 3) uint8 RGB picture as a file; unlike OpenCV, tell of a full disk."""
    _, encoded = cv2.imencode(path.suffix, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded.tobytes())


def _inner(model: nn.Module) -> nn.Module:
    return model.module if is_model_wrapper(model) else model
