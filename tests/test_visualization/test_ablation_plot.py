import cv2
import numpy as np
import pytest

from handvit.evaluation.ablation_table import COMPARED, AblationTable, MeasuredVariant
from handvit.evaluation.depth_bins import DepthBins
from handvit.visualization.ablation_plot import plot_ablation


def variant(error: float) -> MeasuredVariant:
    bins = DepthBins(*(np.array(x) for x in ([0.2, 0.6, 1.2], [5, 5], [error, 2 * error], [0, 0])))
    return MeasuredVariant({}, bins, dict.fromkeys(COMPARED, np.full((1, 10), error)), 1)


@pytest.mark.parametrize("num_rows", [1, 12])
def test_draws_every_variant(num_rows):
    """Also the row of a camera that errs by metres."""
    rows = {f"row{number}": variant(0.05 * 4**number % 9) for number in range(num_rows)}
    image = plot_ablation(AblationTable(rows, default="row0"))
    picture = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape[1] == 1320 and picture.std() > 10
    assert picture.shape[0] == pytest.approx(176 + 33 * num_rows, abs=1)


def test_the_colour_is_the_verdict():
    rows = {"default": variant(0.05), "good": variant(0.04), "bad": variant(0.06)}
    image = plot_ablation(AblationTable(rows, default="default"))
    picture = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR)[:, :700].astype(int)
    blue, green, red = np.moveaxis(picture, -1, 0)
    assert (green > red + 40).any() and (red > green + 40).any() and (blue > red + 40).any()
