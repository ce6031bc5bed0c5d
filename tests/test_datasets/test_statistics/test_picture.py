import cv2
import numpy as np
import pytest

from handvit.datasets.statistics import picture, plot_survey, survey_hands


@pytest.fixture
def survey(write_hands, make_samples):
    return survey_hands([write_hands(make_samples(12))])


def test_a_survey_is_plotted(survey):
    png = plot_survey(survey)
    image = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == (770, 1210, 3)
    for part in (image[:385, :605], image[:385, 605:], image[385:]):
        colourful = np.ptp(part.astype(int), axis=2) > 60
        assert colourful.sum() > 2000  # bars


def test_bars_are_where_the_numbers_are(survey, monkeypatch):
    monkeypatch.setattr(picture, "encode_png", lambda figure: figure)
    depth, prior, limits = plot_survey(survey).axes
    statistics = survey.statistics()
    assert mean_of(depth) == pytest.approx(statistics.root_mean[2], abs=0.01)  # half a bin
    assert abs(mean_of(prior)) < 0.1  # the prior fits on average
    assert {-0.71, 0, 0.75} == {line.get_xdata()[0] for line in prior.lines}
    assert prior.get_title() == "distance / prior: 0.0% out of UvDistanceHead's range"
    tops = [bar.get_y() + bar.get_height() for bar in limits.patches]
    assert np.allclose(tops, statistics.pose_high.T.ravel())  # first x of all joints, then y, z
    assert np.allclose([bar.get_y() for bar in limits.patches], statistics.pose_low.T.ravel())


def mean_of(axes):
    shares, edges, _ = axes.patches[0].get_data()
    assert shares.sum() == pytest.approx(100)
    return (shares * (edges[:-1] + edges[1:]) / 2).sum() / 100
