"""Show now and then what the network saw in training, and what it made of it."""

from typing import Any

import numpy as np
import torch
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import nn

from handvit.registry import HOOKS
from handvit.structures import HandCrops
from handvit.visualization.crop_pictures import draw_pair, stack_rows
from handvit.visualization.drawn_hands import crop_pictures, labelled_hands, predicted_hands


@HOOKS.register_module()
class TrainingPictureHook(Hook):
    """Send pictures of an iteration's first hands to the visualizer, that is to all trackers.

    Each row shows a crop as the network saw it, augmented and with left hands mirrored: the
    annotation as skeleton and mesh, and what the weights after the step predict for it. That takes
    one more forward pass without gradients, in eval mode; it draws no random numbers, so the
    training is the same with it.
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
        self._crops: HandCrops | None = None

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: object = None) -> None:
        """Look at the crops of this iteration if its turn has come."""
        if runner.iter % self.interval or not is_main_process():
            return
        handle = _inner(runner.model).register_forward_pre_hook(self._note, with_kwargs=True)
        self._stop_looking = handle.remove

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: object = None, outputs: object = None
    ) -> None:
        """Draw them."""
        if self._crops is None:
            return
        crops, self._crops = self._crops, None
        self._stop_looking()
        if not crops.crop.numel():
            return  # a token cache has no pixels
        picture = draw_crops(_inner(runner.model), crops, self.num_hands)
        runner.visualizer.add_image("train_hands", picture, step=runner.iter)

    def _note(self, model: nn.Module, arguments: tuple, named: dict[str, Any]) -> None:
        self._crops = named["crops"]


@torch.no_grad()
def draw_crops(model: nn.Module, crops: HandCrops, num_hands: int) -> np.ndarray:
    """Predict the last frames of a batch and draw its first hands, one below the other."""
    was_training = model.training
    model.eval()
    prediction = model(crops=crops)
    model.train(was_training)
    crops = crops.last_frame()
    truths = labelled_hands(crops, model.hand_model, num_hands)
    predictions = predicted_hands(prediction, crops, num_hands)
    pictures = crop_pictures(crops, model.data_preprocessor, num_hands)
    rows = [
        draw_pair(picture, truth, predicted, faces=model.hand_model.faces.cpu().numpy(), name=name)
        for picture, truth, predicted, name in zip(
            pictures, truths, predictions, crops.labels.sample_id, strict=False
        )
    ]
    return stack_rows(rows)


def _inner(model: nn.Module) -> nn.Module:
    return model.module if is_model_wrapper(model) else model
