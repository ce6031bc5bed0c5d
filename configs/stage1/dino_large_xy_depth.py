_base_ = [
    "../_base_/models/camera_space.py",
    "../_base_/datasets/real_mix.py",
    "../_base_/schedules/stage1_100k.py",
    "../_base_/default_runtime.py",
]
# The wrist sideways by heatmaps, in depth by bins.
model = dict(
    backbone=dict(type="HFViT", pretrained="data/weights/dinov2-large"),
    head=dict(
        translation_head=dict(
            _delete_=True,
            type="XyDepthHead",
            statistics="data/statistics/real_mix.json",
            heatmap_loss=dict(type="HeatmapCELoss", weight=0.1, std=0.1),  # per nat; deviations
            # Per nat; per deviation of the depth.
            bin_loss=dict(type="MultiBinLoss", bin_weight=0.1, residual_weight=0.4),
        )
    ),
    losses=dict(loss_keypoints_img=dict(hold=dict(type="HoldDepth"))),
)
