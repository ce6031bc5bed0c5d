import time

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.visualization import BaseVisBackend

from handvit.registry import VISBACKENDS
from handvit.visualization import GuardedVisBackend
from handvit.visualization import guarded_vis_backend as module


@VISBACKENDS.register_module()
class FailingVisBackend(BaseVisBackend):
    """Fail in one method, and count calls of all."""

    def __init__(self, save_dir, *, fails_in):
        super().__init__(save_dir)
        self.calls = []
        self.fails_in = fails_in
        self._note("init")

    def _note(self, name):
        self.calls.append(name)
        if f"{name} hangs" == self.fails_in:
            time.sleep(30)
        if name == self.fails_in:
            raise ConnectionError("the server is down\nmore")

    def _init_env(self):
        pass

    @property
    def experiment(self):
        self._note("experiment")
        return self

    def add_config(self, config, **settings):
        self._note("add_config")

    def add_image(self, name, image, step=0, **settings):
        self._note("add_image")

    def add_scalar(self, name, value, step=0, **settings):
        self._note("add_scalar")

    def add_scalars(self, scalar_dict, step=0, file_path=None, **settings):
        self._note("add_scalars")

    def close(self):
        self._note("close")


METHODS = ("experiment", "add_config", "add_image", "add_scalar", "add_scalars", "close")


def use(backend: GuardedVisBackend) -> None:
    _ = backend.experiment
    backend.add_config(Config({}))
    backend.add_image("hands", np.zeros((2, 2, 3), np.uint8), step=1)
    backend.add_scalar("loss", 1.0, step=1)
    backend.add_scalars({"loss": 1.0}, step=1)
    backend.close()


def guarded(tmp_path, fails_in: str, **settings) -> GuardedVisBackend:
    inner = dict(type="FailingVisBackend", fails_in=fails_in)
    return GuardedVisBackend(backend=inner, save_dir=str(tmp_path), **settings)


@pytest.fixture
def told(monkeypatch) -> list[str]:
    lines = []
    monkeypatch.setattr(module, "print_log", lambda text, **settings: lines.append(text))
    return lines


def test_everything_reaches_the_tracker(tmp_path):
    backend = guarded(tmp_path, "nothing")
    use(backend)
    assert backend.experiment.calls[:-1] == ["init", *METHODS]


@pytest.mark.parametrize("method", ["init", *METHODS])
def test_one_failure_is_told_once_and_turns_it_off(tmp_path, method, told):
    backend = guarded(tmp_path, method)
    use(backend)
    use(backend)
    (line,) = told
    assert "FailingVisBackend: failed, and is off for the rest of the run: the server is" in line
    assert backend.experiment is None


@pytest.mark.parametrize("method", ["init", "add_scalars", "close"])
def test_one_that_hangs_is_left_alone(tmp_path, method, told):
    began = time.monotonic()
    backend = guarded(tmp_path, f"{method} hangs", patience=0.2)
    use(backend)
    use(backend)
    assert time.monotonic() - began < 5
    (line,) = told
    assert "FailingVisBackend: failed, and is off for the rest of the run: no answer within" in line


def test_a_package_that_is_missing_ends_nothing(tmp_path):
    backend = GuardedVisBackend(backend=dict(type="NoSuchVisBackend"), save_dir=str(tmp_path))
    use(backend)
    assert backend.experiment is None


def test_a_training_goes_on_without_its_tracker(tmp_path, request):
    """The visualizer is only ever asked through the guard."""
    from mmengine.visualization import Visualizer

    inner = dict(type="FailingVisBackend", fails_in="add_scalars")
    visualizer = Visualizer(
        name=request.node.name,
        vis_backends=[dict(type="handvit.GuardedVisBackend", backend=inner)],
        save_dir=str(tmp_path),
    )
    visualizer.add_scalars({"loss": 1.0}, step=1)
    visualizer.add_scalars({"loss": 0.5}, step=2)
