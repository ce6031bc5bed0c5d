_base_ = [
    "../_base_/models/camera_space.py",
    "../_base_/datasets/real_mix_t7.py",
    "../_base_/schedules/stage2_50k.py",
    "../_base_/default_runtime.py",
]
model = dict(
    backbone=dict(type="HFViTMAE", pretrained="data/weights/vit-mae-huge"),
    head=dict(translation_head=dict(unit=dict(type="HandSizeUnit"))),
    temporal=dict(type="TemporalEncoder", num_layers=2, num_heads=16),
    frozen=("backbone", "neck", "head"),
)
load_from = "work_dirs/mae_huge_norm_by_hand/iter_100000.pth"
