_base_ = [
    "../_base_/models/camera_space.py",
    "../_base_/datasets/real_mix_t7.py",
    "../_base_/schedules/stage2_50k.py",
    "../_base_/default_runtime.py",
]
# A hybrid for small devices.
model = dict(
    # Its weights take pixels in [0, 1] as they are.
    data_preprocessor=dict(crop_size=256, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)),
    backbone=dict(type="HFConvNet", pretrained="data/weights/mobilevit-small"),
    temporal=dict(type="TemporalEncoder", num_layers=2, num_heads=16),
    frozen=("backbone", "neck", "head"),
)
load_from = "work_dirs/mobilevit_small/iter_100000.pth"
