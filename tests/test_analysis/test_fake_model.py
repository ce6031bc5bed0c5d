import torch
from torch._subclasses import FakeTensor

from handvit.analysis import fake_model, plain_crops
from handvit.registry import MODELS


def test_no_tensor_has_memory(vit_recipe):
    with fake_model(vit_recipe().model) as model:
        tensors = [*model.parameters(), *model.buffers()]
        assert all(isinstance(tensor, FakeTensor) for tensor in tensors)
        assert isinstance(torch.zeros(3), FakeTensor)
    assert not isinstance(torch.zeros(3), FakeTensor)


def test_shapes_and_gradients_are_those_of_the_real_model(vit_recipe):
    cfg = vit_recipe("stage2_tiny_t7")
    real = MODELS.build(cfg.model)
    wanted = {name: (p.shape, p.requires_grad) for name, p in real.named_parameters()}
    with fake_model(cfg.model) as model:
        assert {n: (p.shape, p.requires_grad) for n, p in model.named_parameters()} == wanted
        prediction = model(plain_crops(2, num_frames=7, crop_size=56))
        assert prediction.vertices_cam.shape == (2, 1, 778, 3)
        assert prediction.keypoints_cam.shape == (2, 1, 21, 3)


def test_a_training_step_reaches_every_trained_parameter(vit_recipe):
    with fake_model(vit_recipe().model) as model:
        loss, _ = model.parse_losses(model(plain_crops(2, crop_size=56), mode="loss"))
        loss.backward()
        assert all(p.grad is not None for p in model.parameters() if p.requires_grad)
