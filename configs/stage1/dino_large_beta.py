_base_ = [
    "../_base_/models/camera_space.py",
    "../_base_/datasets/real_mix.py",
    "../_base_/schedules/stage1_100k.py",
    "../_base_/default_runtime.py",
]
# Finger angles as Beta distributions within the joints' limits: how sure is the pose?
model = dict(
    backbone=dict(type="HFViT", pretrained="data/weights/dinov2-large"),
    head=dict(
        pose_head=dict(
            _delete_=True,
            type="BetaPoseHead",
            statistics="data/statistics/real_mix.json",
            nll_weight=0.1,  # per nat, averaged over 45 angles
        )
    ),
)
