_base_ = [
    "../_base_/models/resnet_tiny.py",
    "../_base_/datasets/quickstart_t7.py",
    "../_base_/schedules/demo_300.py",
    "../_base_/default_runtime.py",
]
model = dict(
    temporal=dict(type="TemporalEncoder", num_layers=2, num_heads=4),
    frozen=("backbone", "neck", "head"),
)
load_from = "work_dirs/quickstart/stage1/iter_1500.pth"
default_hooks = dict(logger=dict(interval=50), checkpoint=dict(interval=300))
