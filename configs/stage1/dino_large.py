_base_ = [
    "../_base_/models/dino_large.py",
    "../_base_/datasets/real_mix.py",
    "../_base_/schedules/stage1_100k.py",
    "../_base_/default_runtime.py",
]
