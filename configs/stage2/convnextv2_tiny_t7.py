_base_ = [
    "../_base_/models/camera_space.py",
    "../_base_/datasets/real_mix_t7.py",
    "../_base_/schedules/stage2_50k.py",
    "../_base_/default_runtime.py",
]
# A convolutional network for real time.
model = dict(
    backbone=dict(type="HFConvNet", pretrained="data/weights/convnextv2-tiny-22k-224"),
    temporal=dict(type="TemporalEncoder", num_layers=2, num_heads=16),
    frozen=("backbone", "neck", "head"),
)
load_from = "work_dirs/convnextv2_tiny/iter_100000.pth"
