_base_ = [
    "../_base_/models/camera_space.py",
    "../_base_/datasets/real_mix.py",
    "../_base_/schedules/stage1_100k.py",
    "../_base_/default_runtime.py",
]
# A convolutional network for real time.
model = dict(
    backbone=dict(type="HFConvNet", pretrained="data/weights/convnextv2-tiny-22k-224"),
)
