"""Let a tracker fail, or hang, without ending the training that it tracks."""

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from threading import Thread
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.visualization import BaseVisBackend

from handvit.registry import VISBACKENDS


@VISBACKENDS.register_module()
class GuardedVisBackend(BaseVisBackend):
    """Hand everything on to another backend until it fails, and say so once.

    A tracker may lack its package, its server, its login or its disk: days of training are worth
    more than its curves, which the local files have too.
    """

    def __init__(self, *, backend: dict[str, Any], save_dir: str, patience: float = 100.0) -> None:
        """Build the tracker.

        Args:
            backend: its config.
            save_dir: folder for what it keeps on disk, given by the visualizer.
            patience: seconds that one call may take; afterwards the tracker counts as failed, and
                is left alone. Less than the time that processes wait for each other.
        """
        super().__init__(save_dir)
        self._type = backend["type"]
        self._patience = patience
        self._is_off = False
        self._backend = self._try(lambda: VISBACKENDS.build({**backend, "save_dir": save_dir}))

    @property
    def experiment(self) -> Any:
        """The tracker's own handle; None when it has failed."""
        return self._try(lambda: self._backend.experiment)

    def add_config(self, config: Config, **settings: Any) -> None:
        """Record the config."""
        self._try(lambda: self._backend.add_config(config, **settings))

    def add_image(self, name: str, image: np.ndarray, step: int = 0, **settings: Any) -> None:
        """Record a picture, (H, W, 3) uint8 RGB."""
        self._try(lambda: self._backend.add_image(name, image, step, **settings))

    def add_scalar(self, name: str, value: float, step: int = 0, **settings: Any) -> None:
        """Record a number."""
        self._try(lambda: self._backend.add_scalar(name, value, step, **settings))

    def add_scalars(
        self,
        scalar_dict: Mapping[str, float],
        step: int = 0,
        file_path: str | None = None,
        **settings: Any,
    ) -> None:
        """Record several numbers."""
        self._try(lambda: self._backend.add_scalars(dict(scalar_dict), step, file_path, **settings))

    def close(self) -> None:
        """Let the tracker finish."""
        self._try(lambda: self._backend.close())

    def _init_env(self) -> None:
        """Do nothing: the tracker sets itself up."""

    def _try(self, call: Callable[[], Any]) -> Any:
        if self._is_off:
            return None
        try:
            return call_within(self._patience, call)
        # Anything at all may go wrong in other people's services, and none of it matters enough.
        except Exception as error:
            self._is_off = True
            reason = str(error).strip().splitlines() or [type(error).__name__]
            print_log(
                f"{self._type}: failed, and is off for the rest of the run: {reason[0]}."
                f" The curves are also in {self._save_dir}",
                logger="current",
                level=logging.WARNING,
            )
            return None


def call_within(seconds: float, call: Callable[[], Any]) -> Any:
    """Return what a call returns, or leave it alone in a thread if that takes too long.

    Trackers write in the background by themselves, so a queue here would only hide their errors.

    Raises:
        TimeoutError: it has not returned in time.
        Exception: what the call raises.
    """
    future: Future[Any] = Future()
    # A daemon, so that a program can end without it.
    Thread(target=_settle, args=(future, call), daemon=True).start()
    if not wait([future], timeout=seconds).done:
        raise TimeoutError(f"no answer within {seconds:g} s")
    return future.result()


def _settle(future: Future[Any], call: Callable[[], Any]) -> None:
    try:
        future.set_result(call())
    except BaseException as error:  # for the one who waits to raise, whatever it is
        future.set_exception(error)
