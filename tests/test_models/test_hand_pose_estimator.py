import pytest
import torch
from mmengine.optim import OptimWrapper
from torch import nn

from handvit.engine.optim import PartLRConstructor
from handvit.geometry.camera import project
from handvit.geometry.rotation import matrix_to_axis_angle, mirror_points, mirror_rotation
from handvit.hand_models.mano_layer import ManoLayer
from handvit.models import HandPoseEstimator
from handvit.models.hand_pose_estimator import check_statistics, split_hands
from handvit.registry import MODELS
from handvit.structures import HandCrops


def build(cfg, **changes) -> HandPoseEstimator:
    return MODELS.build({**cfg, **changes})


def total_loss(model: HandPoseEstimator, crops: HandCrops) -> torch.Tensor:
    return model.parse_losses(model(crops, mode="loss"))[0]


def stepper(model: HandPoseEstimator, **optimizer) -> OptimWrapper:
    optimizer = dict(type="AdamW", weight_decay=0.01, **optimizer)
    return PartLRConstructor(dict(optimizer=optimizer))(model)


def without_labels(crops: HandCrops) -> HandCrops:
    labels = crops.labels
    names = ("camera_valid", "keypoints_img_valid", "keypoints_cam_valid", "mano_valid")
    nothing = {name: torch.zeros_like(getattr(labels, name)) for name in names}
    return crops._replace(labels=labels._replace(**nothing))


def test_prediction_of_the_last_frame(model_cfg, stage2_cfg, make_crops):
    for cfg, num_frames in ((model_cfg, 1), (stage2_cfg, 3)):
        prediction = build(cfg)(make_crops(2, num_frames))
        assert prediction.mano.global_orient.shape == (2, 1, 3, 3)
        assert prediction.mano.hand_pose.shape == (2, 1, 15, 3, 3)
        assert prediction.mano.betas.shape == (2, 1, 10)
        assert prediction.keypoints_cam.shape == (2, 1, 21, 3)
        assert prediction.vertices_cam.shape == (2, 1, 778, 3)


def test_prediction_is_the_posed_hand_at_its_place(model_cfg, make_crops):
    prediction = build(model_cfg)(make_crops())
    mano = prediction.mano
    mesh = ManoLayer()(mano.global_orient, mano.hand_pose, mano.betas)
    assert torch.equal(prediction.keypoints_cam, mesh.keypoints_rel + mano.root_cam[..., None, :])
    assert torch.equal(prediction.vertices_cam, mesh.vertices_rel + mano.root_cam[..., None, :])
    assert torch.equal(prediction.keypoints_cam[..., 0, :], prediction.root.root_cam)


def test_untrained_temporal_encoder_changes_nothing(model_cfg, stage2_cfg, make_crops):
    stage1 = build(model_cfg).eval()
    stage2 = build(stage2_cfg).eval()
    missing = stage2.load_state_dict(stage1.state_dict(), strict=False)
    assert not missing.unexpected_keys
    assert all(name.startswith("temporal.") for name in missing.missing_keys)
    crops = make_crops(2, 4)
    ours, wanted = stage2(crops), stage1(crops)
    assert torch.equal(ours.keypoints_cam, wanted.keypoints_cam)
    assert torch.equal(ours.vertices_cam, wanted.vertices_cam)
    # A batch of another size may round the backbone's sums differently.
    alone = stage1(crops.last_frame())
    torch.testing.assert_close(ours.keypoints_cam, alone.keypoints_cam, rtol=0, atol=1e-5)


def test_history_matters_once_the_temporal_encoder_has_learned(stage2_cfg, make_crops):
    model = build(stage2_cfg).eval()
    nn.init.normal_(model.temporal.to_out.weight)
    crops = make_crops(2, 3)
    other = crops.crop.clone()
    other[:, 0] = torch.randn_like(other[:, 0])
    changed = model(crops._replace(crop=other)).keypoints_cam
    assert (changed - model(crops).keypoints_cam).abs().max() > 1e-5
    hidden = crops.labels._replace(frame_valid=torch.tensor([[False, True, True]] * 2))
    crops = crops._replace(labels=hidden)
    torch.testing.assert_close(
        model(crops._replace(crop=other)).keypoints_cam, model(crops).keypoints_cam
    )


@pytest.mark.parametrize("stage", ["model_cfg", "stage2_cfg"])
@pytest.mark.parametrize("labelled", [True, False], ids=["labelled", "unlabelled"])
def test_every_trainable_parameter_gets_a_gradient(request, make_crops, stage, labelled):
    """DDP waits for all of them, also on a batch without any label."""
    model = build(request.getfixturevalue(stage))
    crops = make_crops(2, 3)
    loss = total_loss(model, crops if labelled else without_labels(crops))
    loss.backward()
    assert (loss > 0) == labelled
    for name, parameter in model.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, name
        if parameter.requires_grad:
            assert parameter.grad.isfinite().all(), name


def test_gradients_go_where_they_should(model_cfg, make_crops):
    """All parts learn in stage 1; the neck's inner layers wait for its output to leave zero."""
    model = build(model_cfg)
    total_loss(model, make_crops()).backward()
    for name, parameter in model.named_parameters():
        asleep = name.startswith("neck.") and "to_out" not in name
        assert parameter.grad.any() != asleep, name
    assert not list(model.hand_model.parameters())


def test_frozen_parts_get_no_gradient_and_stay_in_eval_mode(stage2_cfg, make_crops):
    model = build(stage2_cfg)
    model.train()
    for part in ("backbone", "neck", "head"):
        assert not any(p.requires_grad for p in getattr(model, part).parameters())
        assert not any(module.training for module in getattr(model, part).modules())
    assert all(module.training for module in model.temporal.modules())
    total_loss(model, make_crops(2, 3)).backward()
    trained = {name for name, p in model.named_parameters() if p.grad is not None}
    assert trained == {f"temporal.{name}" for name, _ in model.temporal.named_parameters()}
    model.eval()
    assert not any(module.training for module in model.modules())


def test_one_frozen_part_lets_gradients_pass(model_cfg, make_crops):
    model = build(model_cfg, frozen=("head",))
    total_loss(model, make_crops()).backward()
    assert all(parameter.grad is None for parameter in model.head.parameters())
    assert any(parameter.grad.any() for parameter in model.backbone.parameters())


def test_stage_2_steps_move_the_temporal_encoder_only(stage2_cfg, make_batch):
    model = build(stage2_cfg)
    optim_wrapper = stepper(model, lr=1e-3)
    seen = {id(p) for group in optim_wrapper.optimizer.param_groups for p in group["params"]}
    assert seen == {id(parameter) for parameter in model.temporal.parameters()}
    before = {name: value.clone() for name, value in model.state_dict().items()}
    for _ in range(2):
        model.train()
        log = model.train_step(make_batch(2, 3), optim_wrapper)
    assert log["loss"].isfinite()
    for name, value in model.state_dict().items():  # running statistics included
        assert torch.equal(value, before[name]) != name.startswith("temporal."), name


def test_losses_have_their_names(model_cfg, make_crops):
    terms = build(model_cfg)(make_crops(), mode="loss")
    head = {f"loss_root_{name}" for name in ("heatmap", "bin", "residual", "spread")}
    assert set(terms) == set(model_cfg["losses"]) | head
    assert all(term.isfinite() and term.shape == () for term in terms.values())


def test_only_the_last_frame_is_judged(model_cfg, make_crops):
    model = build(model_cfg).eval()
    crops = make_crops(2, 3)
    keypoints_cam = crops.labels.keypoints_cam.clone()
    keypoints_cam[:, :2] += 1
    other = crops._replace(labels=crops.labels._replace(keypoints_cam=keypoints_cam))
    assert torch.equal(total_loss(model, other), total_loss(model, crops))


def test_predict_returns_real_left_hands(model_cfg, make_batch):
    """In the stored image, where nothing is mirrored."""
    model = build(model_cfg).eval()
    nn.init.normal_(model.head.pose_head.linear.weight, std=0.05)
    batch = make_batch(4)
    crops = model.data_preprocessor(batch)["crops"]
    seen, hands = model(crops), model(crops, mode="predict")
    for index, hand in enumerate(hands):
        pixels = project(
            seen.keypoints_cam[index, 0],
            crops.labels.focal[index, 0],
            crops.labels.princpt[index, 0],
        )
        if not batch.labels.is_right[index, 0]:
            width = batch.image_size[index, 0, 0]
            pixels = torch.stack([width - 1 - pixels[:, 0], pixels[:, 1]], -1)
        camera = batch.labels.focal[index, 0], batch.labels.princpt[index, 0]
        found = project(hand.keypoints_cam, *camera)
        torch.testing.assert_close(found, pixels, rtol=0, atol=1e-2)


def test_predict_gives_parameters_of_the_hand_s_own_side(model_cfg, make_batch):
    model = build(model_cfg).eval()
    nn.init.normal_(model.head.pose_head.linear.weight, std=0.05)
    batch = make_batch(4)
    for index, hand in enumerate(model.val_step(batch)):
        layer = ManoLayer(is_right=bool(batch.labels.is_right[index, 0]))
        mesh = layer(hand.mano.global_orient, hand.mano.hand_pose, hand.mano.betas)
        root_cam = hand.mano.root_cam
        close = dict(rtol=0, atol=1e-5)
        torch.testing.assert_close(mesh.keypoints_rel + root_cam, hand.keypoints_cam, **close)
        torch.testing.assert_close(mesh.vertices_rel + root_cam, hand.vertices_cam, **close)
        torch.testing.assert_close(hand.root.root_cam, root_cam)


def test_predict_mirrors_left_hands_only(model_cfg, make_batch):
    model = build(model_cfg).eval()
    crops = model.data_preprocessor(make_batch(2))["crops"]
    seen, (right, left) = model(crops), model(crops, mode="predict")
    assert torch.equal(right.vertices_cam, seen.vertices_cam[0, 0])
    assert torch.equal(left.vertices_cam, mirror_points(seen.vertices_cam[1, 0]))
    mirrored = type(seen.mano)(*(value[1, 0] for value in seen.mano)).mirrored()
    assert all(torch.equal(a, b) for a, b in zip(left.mano, mirrored, strict=True))
    assert not left.vertices_cam.requires_grad


def test_predict_mirrors_rotations_of_left_hands(model_cfg, make_crops):
    model, crops = build(model_cfg).eval(), make_crops(2)
    nn.init.normal_(model.head.pose_head.linear.weight, std=0.05)
    seen, (right, left) = model(crops).pose, model(crops, mode="predict")
    assert torch.equal(right.pose, seen[0, 0])
    assert torch.equal(left.pose, mirror_rotation(seen[1, 0]))


def test_intervals_hold_left_hands_as_often_as_right_ones(model_cfg, make_crops, statistics):
    """One answer twice, as a right hand's and a left hand's; drawn angles turn with the side."""
    pose_head = dict(type="BetaPoseHead", statistics=statistics.to_json())
    model = build(model_cfg, head={**model_cfg["head"], "pose_head": pose_head}).eval()
    nn.init.normal_(model.head.pose_head.to_mean.weight, std=0.3)
    hand = model(make_crops(1))
    right, left = (split_hands(hand, torch.tensor([[turned]]))[0] for turned in (False, True))
    pose = right.pose
    y = torch.distributions.Beta(pose.alpha, pose.beta).sample((200,))  # (200, 15, 3)
    angles = pose.low + (pose.high - pose.low) * y
    for side, wanted in ((right, angles), (left, angles * torch.tensor([1.0, -1.0, -1.0]))):
        lower, upper = side.pose.interval(0.9)
        inside = ((wanted > lower) & (wanted < upper)).float().mean()
        assert 0.88 < inside < 0.92
        own = matrix_to_axis_angle(side.mano.hand_pose)  # the means
        assert ((own > lower) & (own < upper)).all()
        assert torch.equal(side.pose.rotations[1:], side.mano.hand_pose)


def test_autocast_keeps_geometry_in_float32(stage2_cfg, make_batch):
    model = build(stage2_cfg).eval()
    nn.init.normal_(model.temporal.to_out.weight, std=0.01)
    batch = make_batch(2, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        crops = model.data_preprocessor(batch)["crops"]
        prediction = model(crops)
        loss = total_loss(model, crops)
    mano = prediction.mano
    tensors = (*mano, *prediction.root[:3], *prediction.root.log_ratio, prediction.vertices_cam)
    assert {x.dtype for x in tensors} == {torch.float32}
    mesh = model.hand_model(mano.global_orient, mano.hand_pose, mano.betas)
    wanted = mesh.vertices_rel + mano.root_cam[..., None, :]
    assert torch.equal(prediction.vertices_cam, wanted)
    torch.testing.assert_close(loss, total_loss(model, crops), rtol=0.05, atol=0)


def test_tiny_model_fits_two_hands(model_cfg, make_batch):
    model_cfg["head"]["decoder"]["dropout"] = 0.0
    model = build(model_cfg).train()
    optim_wrapper = stepper(model, lr=3e-3)
    batch = make_batch(2)
    for _ in range(60):
        model.train_step(batch, optim_wrapper)
    error = [
        (hand.keypoints_rel - (gt - gt[:1])).norm(dim=-1).mean()
        for hand, gt in zip(
            model.eval().val_step(batch), batch.labels.keypoints_cam[:, 0], strict=True
        )
    ]
    assert max(error) < 0.010, "mpjpe_rel in metres"


def test_wrong_configs_are_named(model_cfg):
    with pytest.raises(ValueError, match=r"names \['keypoints'\] must start with 'loss_'"):
        build(model_cfg, losses=dict(keypoints=dict(type="Keypoint3DLoss", weight=1.0)))
    for part in ("bakcbone", "temporal", "frozen"):
        with pytest.raises(ValueError, match=f"no part '{part}'"):
            build(model_cfg, frozen=(part,))


def test_losses_named_like_the_head_s_own_are_refused(model_cfg, make_crops):
    losses = dict(loss_root_bin=dict(type="RootLoss", weight=1.0))
    model = build(model_cfg, losses=losses)
    with pytest.raises(ValueError, match=r"losses: \['loss_root_bin'\] are names of the head's"):
        model(make_crops(), mode="loss")


@pytest.mark.parametrize("part", ["head", "pose_head", "translation_head"])
def test_statistics_of_another_hand_model_are_refused(model_cfg, statistics, part):
    """Wherever they stand in the head's config; digests may differ, names may not."""
    head = model_cfg["head"]
    head["pose_head"] = dict(type="BetaPoseHead", statistics=statistics.to_json())
    head["translation_head"].update(prior_scale=None, statistics=statistics.to_json())
    head["statistics"] = {**statistics.to_json(), "hand_model": "openhand:0123"}
    build(model_cfg)
    (head if part == "head" else head[part])["statistics"] = {
        **statistics.to_json(),
        "hand_model": "mano:0123",
    }
    with pytest.raises(ValueError, match=r"hand model 'mano', but model\.hand_model is 'openhand'"):
        build(model_cfg)


def test_statistics_are_found_in_files_and_lists(statistics, tmp_path):
    statistics.save(tmp_path / "statistics.json")
    config = dict(parts=[dict(statistics=None), dict(statistics=tmp_path / "statistics.json")])
    check_statistics(config, "openhand:0123")
    with pytest.raises(ValueError, match=r"hand model 'openhand', but model\.hand_model is 'mano'"):
        check_statistics(config, "mano:0123")


def test_a_frozen_spatial_part_keeps_nothing_for_backward(stage2_cfg, make_crops):
    """Only where all of backbone and neck is frozen; the tokens are the same."""
    model = build(stage2_cfg).train()
    crops = make_crops(2, 3)

    def saved_by_tokens() -> tuple[int, torch.Tensor]:
        saved = []
        with torch.autograd.graph.saved_tensors_hooks(saved.append, lambda x: x):
            tokens = model.extract_tokens(crops)
        return len(saved), tokens.all.detach()

    none, tokens = saved_by_tokens()
    model.freeze(["neck", "head"])
    model.backbone.eval()
    some, same_tokens = saved_by_tokens()
    assert none == 0 and some > 0
    torch.testing.assert_close(same_tokens, tokens, rtol=0, atol=0)


def test_freezing_is_taken_back_but_what_never_learns_stays(model_cfg):
    model = build(model_cfg)
    learns = {name for name, p in model.named_parameters() if p.requires_grad}
    assert "backbone.model.embeddings.mask_token" not in learns
    model.freeze(["backbone", "head.decoder"])
    assert not any(p.requires_grad for p in model.backbone.parameters())
    assert not model.head.decoder.training
    assert model.head.pose_head.training
    model.freeze([])
    assert {name for name, p in model.named_parameters() if p.requires_grad} == learns
    assert all(module.training for module in (model.backbone, model.head.decoder))
