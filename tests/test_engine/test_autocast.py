from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from mmengine.optim import OptimWrapper
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from handvit.engine.autocast import autocast
from handvit.engine.optim import BF16OptimWrapper, FP16OptimWrapper
from handvit.registry import MODELS

HALF = {"bfloat16": torch.bfloat16, "float16": torch.float16}
#: All that must not be rounded; the preprocessor warps, the translation head knows the camera.
EXACT = ("data_preprocessor", "hand_model", "head.pose_head", "head.shape_head", "losses")


@pytest.fixture
def model(tiny_config, tmp_path):
    cfg = tiny_config("stage1_tiny.py", tmp_path).model
    cfg.data_preprocessor.pop("geometric")  # augmentation draws random numbers
    cfg.head.decoder.dropout = 0.0
    return MODELS.build(cfg)


class _DtypeSpy(TorchDispatchMode):
    """Note every dtype that an operation reads or writes, after autocast has had its say."""

    def __init__(self):
        super().__init__()
        self.found = set()

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        output = function(*arguments, **(options or {}))
        tensors = tree_leaves((arguments, options, output))
        self.found |= {x.dtype for x in tensors if isinstance(x, torch.Tensor)}
        return output


@contextmanager
def spied(module: nn.Module) -> Iterator[set]:
    """Collect the dtypes inside the calls of one module, also of those inside of it."""
    spies, dtypes = [], set()

    def enter(*_):
        spies.append(_DtypeSpy())
        spies[-1].__enter__()

    def leave(*_):
        spy = spies.pop()
        spy.__exit__(None, None, None)
        dtypes.update(spy.found)

    handles = [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]
    yield dtypes
    for handle in handles:
        handle.remove()


@pytest.mark.parametrize("dtype", HALF)
def test_only_the_network_computes_in_half_precision(model, make_batch, dtype):
    batch = make_batch()
    parts = {name: model.get_submodule(name) for name in EXACT if name != "losses"}
    parts |= {f"losses.{name}": loss for name, loss in model.losses.items()}
    parts |= {"translation_head": model.head.translation_head, "backbone": model.backbone}
    for name, part in parts.items():
        with spied(part) as found, autocast(dtype):
            model(**model.data_preprocessor(batch), mode="loss")
        assert found, f"{name} is not called"
        assert (HALF[dtype] in found) == (name == "backbone"), f"{name}: {found}"


@pytest.mark.parametrize("dtype", HALF)
def test_what_follows_the_network_is_what_it_is_in_float32(model, make_batch, dtype):
    crops = model.data_preprocessor(make_batch())["crops"]
    with autocast(dtype):
        crops_autocast = model.data_preprocessor(make_batch())["crops"]
        hands = model(crops)
        terms = model._loss(hands, crops)
    assert torch.equal(crops_autocast.crop, crops.crop)  # warped
    mano = hands.mano
    assert mano.hand_pose.dtype == torch.float32
    mesh = model.hand_model(mano.global_orient, mano.hand_pose, mano.betas)
    error = hands.vertices_cam - (mesh.vertices_rel + mano.root_cam[..., None, :])
    assert error.abs().max() < 1e-6  # metres
    exact = model._loss(hands, crops)  # projections, too
    assert terms.keys() == exact.keys() and "loss_keypoints_img" in terms
    for name, value in terms.items():
        assert torch.equal(value, exact[name]), name
    # It is another computation, however.
    assert not torch.equal(model(crops).vertices_cam, hands.vertices_cam)


@pytest.mark.parametrize("wrapper", [OptimWrapper, BF16OptimWrapper, FP16OptimWrapper])
def test_two_hands_are_learned_in_every_precision(model, make_batch, wrapper):
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    optim_wrapper = wrapper(optimizer, clip_grad=dict(max_norm=1.0))
    batch = make_batch()
    model.train()
    losses = [model.train_step(batch, optim_wrapper)["loss"].item() for _ in range(30)]
    assert losses[-1] < 0.3 * losses[0]


def test_other_dtypes_are_refused():
    with pytest.raises(ValueError, match="dtype='half': autocast computes in bfloat16 or float16"):
        autocast("half")
