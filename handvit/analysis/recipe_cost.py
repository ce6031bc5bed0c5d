"""Measure what a recipe costs: parameters, operations, memory."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config

from handvit.analysis.fake_model import fake_model
from handvit.analysis.flops import count_flops, count_streamed_flops
from handvit.analysis.parameters import ParameterCount, count_parameters
from handvit.analysis.plain_crops import plain_crops
from handvit.analysis.stand_in import self_contained
from handvit.analysis.training_memory import TrainingMemory, training_memory
from handvit.datasets.mixture_dataset import with_shared
from handvit.engine.launch import load_config


class RecipeCost(NamedTuple):
    """What a recipe costs, and at what input."""

    crop_size: int  # px
    num_frames: int  # of a clip
    batch_size: int  # of a training step
    parameters: dict[str, ParameterCount]  # by top-level part
    frame_flops: dict[str, int]  # of one more frame of a stream, by top-level part
    clip_flops: dict[str, int]  # of predicting the last frame from its clip, by top-level part
    memory: TrainingMemory  # bytes at ``batch_size``

    def to_json(self) -> dict[str, Any]:
        """Return plain values, named."""
        counts = {name: count._asdict() for name, count in self.parameters.items()}
        return {**self._asdict(), "parameters": counts, "memory": self.memory._asdict()}


def measure_file(path: Path, *, batch_size: int = 32) -> RecipeCost:
    """Measure the recipe in a file.

    Raises:
        ValueError: names the file and the key that cannot be measured.
    """
    try:
        return measure_recipe(load_config(str(path)), batch_size=batch_size)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def measure_recipe(cfg: Config, *, batch_size: int = 32) -> RecipeCost:
    """Measure a recipe, without its weights and with tensors that take no memory.

    Raises:
        ValueError: names the key that cannot be measured.
    """
    cfg = self_contained(cfg)
    num_frames = clip_length(cfg)
    with fake_model(cfg.model) as model:
        crop_size = model.data_preprocessor.crop_size
        crops = plain_crops(1, num_frames=num_frames, crop_size=crop_size)
        return RecipeCost(
            crop_size=crop_size,
            num_frames=num_frames,
            batch_size=batch_size,
            parameters=count_parameters(model),
            frame_flops=count_streamed_flops(model, crops),
            clip_flops=count_flops(model, crops),
            memory=training_memory(model, cfg, batch_size=batch_size, num_frames=num_frames),
        )


def clip_length(cfg: Config) -> int:
    """Return T of the clips that a recipe trains on.

    Raises:
        ValueError: its data sets do not agree.
    """
    lengths = set(_clip_lengths(cfg.train_dataloader.dataset))
    if len(lengths) != 1:
        raise ValueError(
            f"train_dataloader.dataset: clip_length is {sorted(lengths)}; give all parts the same"
        )
    return lengths.pop()


def _clip_lengths(dataset: dict[str, Any]) -> Iterator[int]:
    if "datasets" in dataset:
        for part in dataset["datasets"]:
            yield from _clip_lengths(with_shared(part, dataset.get("shared") or {}))
    else:
        yield dataset.get("clip_length", 1)
