_base_ = [
    "../_base_/models/camera_space.py",
    "../_base_/datasets/real_mix.py",
    "../_base_/schedules/stage1_100k.py",
    "../_base_/default_runtime.py",
]
model = dict(
    backbone=dict(
        type="HFViT", pretrained="data/weights/dinov2-giant", gradient_checkpointing=True
    ),
    head=dict(translation_head=dict(unit=dict(type="HandSizeUnit"))),
)
