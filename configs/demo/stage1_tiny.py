_base_ = [
    "../_base_/models/resnet_tiny.py",
    "../_base_/datasets/quickstart.py",
    "../_base_/schedules/demo_1500.py",
    "../_base_/default_runtime.py",
]
default_hooks = dict(logger=dict(interval=50), checkpoint=dict(interval=500))
