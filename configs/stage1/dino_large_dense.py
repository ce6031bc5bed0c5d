_base_ = [
    "../_base_/models/camera_space.py",
    "../_base_/datasets/real_mix.py",
    "../_base_/schedules/stage1_100k.py",
    "../_base_/default_runtime.py",
]
# The rays as one dense code, added to all tokens.
model = dict(
    backbone=dict(type="HFViT", pretrained="data/weights/dinov2-large"),
    neck=dict(_delete_=True, type="PerspInfoDenseAll"),
)
