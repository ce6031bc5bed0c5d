"""Make training data that needs no licence: the open hand, rendered."""

from handvit.datasets.synthetic.generator import HandGenerator, TrackSpec
from handvit.datasets.synthetic.plan import SyntheticPlan
from handvit.datasets.synthetic.producer import produce
from handvit.datasets.synthetic.scene import SceneLimits

__all__ = ["HandGenerator", "SceneLimits", "SyntheticPlan", "TrackSpec", "produce"]
