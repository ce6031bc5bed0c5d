"""A generator of small images, and a few tracks that it drew."""

import pytest

from handvit.datasets.synthetic import HandGenerator, SceneLimits, TrackSpec


@pytest.fixture(scope="session")
def generator():
    return HandGenerator(SceneLimits(), image_size=96)


@pytest.fixture(scope="session")
def takes(generator):
    """Forty single frames."""
    return generator.draw([TrackSpec(f"single{i}", (1, i), 1) for i in range(40)])


@pytest.fixture(scope="session")
def sequences(generator):
    """Six sequences of two seconds."""
    return generator.draw([TrackSpec(f"seq{i}", (2, i), 60) for i in range(6)])
