"""Say what a synthetic data set is to hold, and divide it among shards.

The division depends on the plan alone, never on who carries it out.
"""

import zlib
from dataclasses import asdict, dataclass, field
from pathlib import Path

from handvit.datasets.shards.dataset_info import DatasetInfo
from handvit.datasets.shards.folder_claim import claim_folder
from handvit.datasets.synthetic.generator import TrackSpec
from handvit.datasets.synthetic.scene import SceneLimits
from handvit.hand_models.mano_assets import OPENHAND

PLAN_FILE = "synthetic.json"
#: Raise it when the same plan gives other pictures than before.
GENERATOR_VERSION = 1
_FRAMES_PER_SHARD = 1000


@dataclass(frozen=True, kw_only=True)
class SyntheticPlan:
    """Describe a synthetic data set completely.

    Args:
        split: name of the split. Splits of one seed show different hands.
        seed: not negative.
        num_singles: images that belong to no sequence.
        num_sequences: sequences of ``sequence_length`` frames at 30 frames a second.
        image_size: side of the stored images, px.
        limits: what may be drawn.

    Raises:
        ValueError: names the value and what it may be.
    """

    split: str
    seed: int
    num_singles: int
    num_sequences: int
    sequence_length: int
    image_size: int = 160
    limits: SceneLimits = field(default_factory=SceneLimits)

    def __post_init__(self) -> None:
        """Refuse plans that cannot be carried out."""
        if not self.split or not self.split.replace("_", "").isalnum():
            raise ValueError(f"split: {self.split!r} must be letters, digits and underscores")
        for name in ("seed", "num_singles", "num_sequences"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}: {getattr(self, name)} must not be negative")
        if not self.num_frames:
            raise ValueError("num_singles and num_sequences: both are 0, so nothing to make")
        if self.sequence_length < 1:
            raise ValueError(f"sequence_length: {self.sequence_length} must be 1 or more")
        if not 32 <= self.image_size <= 1024:
            raise ValueError(f"image_size: {self.image_size} must be in [32, 1024] px")

    @property
    def num_frames(self) -> int:
        """Number of samples in all."""
        return self.num_singles + self.num_sequences * self.sequence_length

    @property
    def info(self) -> DatasetInfo:
        """Describe the data set for its readers."""
        return DatasetInfo(
            name="synthetic",
            split=self.split,
            source=f"rendered by handvit's make_synthetic, seed {self.seed}; see {PLAN_FILE}",
            license="CC0-1.0",
            hand_model=OPENHAND,
            fingertips="smplx",
        )

    def shards(self) -> list[list[TrackSpec]]:
        """Divide all tracks among shards; a track is never cut."""
        singles = [self._track("single", number, 1) for number in range(self.num_singles)]
        sequences = [
            self._track("seq", number, self.sequence_length) for number in range(self.num_sequences)
        ]
        per_shard = max(1, _FRAMES_PER_SHARD // self.sequence_length)
        return [*_slices(singles, _FRAMES_PER_SHARD), *_slices(sequences, per_shard)]

    def claim(self, root: Path) -> None:
        """Take a folder for this plan: a new one, or one that the same plan has begun to fill.

        Raises:
            ValueError: the folder holds something else; names the differences.
        """
        record = {"generator_version": GENERATOR_VERSION, **asdict(self)}
        claim_folder(root, PLAN_FILE, record)

    def _track(self, kind: str, number: int, num_frames: int) -> TrackSpec:
        """Name a track; its seed is its own, so more tracks do not change the first ones."""
        entropy = (self.seed, zlib.crc32(f"{self.split}/{kind}".encode()), number)
        return TrackSpec(f"{self.split}-s{self.seed}-{kind}{number:06d}", entropy, num_frames)


def _slices(tracks: list[TrackSpec], size: int) -> list[list[TrackSpec]]:
    return [tracks[start : start + size] for start in range(0, len(tracks), size)]
