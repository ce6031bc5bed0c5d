_base_ = [
    "../_base_/models/ablation.py",
    "../_base_/datasets/ablation.py",
    "../_base_/schedules/ablation_2500.py",
    "../_base_/default_runtime.py",
]
default_hooks = dict(
    logger=dict(interval=50),
    checkpoint=dict(interval=500, max_keep_ckpts=1, save_best=None),
)
as_hamer = dict(embedding="no_embedding", decoder="hamer_decoder")
# For tools/benchmark/ablation.py, which replaces one part of the model after the other.
ablation = dict(
    data=dict(
        train=dict(num_singles=16_000, image_size=96, seed=7),
        test=dict(num_singles=1000, image_size=96, seed=7),
    ),
    default=dict(
        translation="uv_distance",
        embedding="cross_attention",
        pose="rotation_6d",
        decoder="hand_decoder",
        losses="in_camera",
    ),
    # Rows besides the default: what is different.
    variants=[
        dict(embedding="dense"),
        dict(embedding="no_embedding"),
        dict(translation="xy_depth"),
        dict(translation="xy_depth", embedding="dense"),
        dict(translation="xy_depth", embedding="no_embedding"),
        dict(translation="soft_argmax_3d"),
        dict(translation="soft_argmax_3d", embedding="dense"),
        dict(translation="soft_argmax_3d", embedding="no_embedding"),
        dict(translation="uv_distance_by_hand"),
        dict(translation="xy_depth_by_hand"),
        dict(translation="soft_argmax_3d_by_hand"),
        dict(pose="axis_angle"),
        dict(pose="quaternion"),
        dict(pose="beta"),
        dict(decoder="hamer_decoder"),
        dict(translation="weak_perspective", losses="with_root"),
        # As HaMeR does it, no camera in: the true focal length and the wrist in the losses; or no
        # camera in the losses either, and HaMeR's focal length or the true one.
        dict(as_hamer, translation="weak_perspective", losses="with_root"),
        dict(as_hamer, translation="weak_perspective_5000", losses="relative"),
        dict(as_hamer, translation="weak_perspective", losses="relative"),
    ],
)
del as_hamer
