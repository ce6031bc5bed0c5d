_base_ = [
    "../_base_/models/camera_space.py",
    "../_base_/datasets/real_mix.py",
    "../_base_/schedules/stage1_100k.py",
    "../_base_/default_runtime.py",
]
model = dict(
    data_preprocessor=dict(crop_size=256),
    backbone=dict(type="HFSwin", pretrained="data/weights/swinv2-tiny-patch4-window8-256"),
    head=dict(translation_head=dict(unit=dict(type="HandSizeUnit"))),
)
