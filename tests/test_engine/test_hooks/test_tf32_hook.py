import pytest
import torch

from handvit.engine.hooks.tf32_hook import TF32Hook


@pytest.fixture(autouse=True)
def _as_before():
    yield
    TF32Hook().before_run(None)


@pytest.mark.parametrize("enabled", [False, True])
def test_products_and_convolutions_are_set_alike(enabled):
    TF32Hook(enabled=not enabled).before_run(None)
    TF32Hook(enabled=enabled).before_run(None)
    assert torch.backends.cuda.matmul.allow_tf32 == enabled
    assert torch.backends.cudnn.allow_tf32 == enabled


def test_recipes_are_exact(build):
    TF32Hook(enabled=True).before_run(None)
    runner = build("stage1_tiny.py", "run")
    (hook,) = (hook for hook in runner.hooks if isinstance(hook, TF32Hook))
    hook.before_run(runner)
    assert torch.get_float32_matmul_precision() == "highest"
    assert not torch.backends.cudnn.allow_tf32
