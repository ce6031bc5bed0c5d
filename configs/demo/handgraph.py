_base_ = [
    "../_base_/models/resnet_tiny.py",
    "../_base_/datasets/handgraph.py",
    "../_base_/schedules/demo_1500.py",
    "../_base_/default_runtime.py",
]
# 350 images of one hand: vary them as much as the geometry allows.
model = dict(
    data_preprocessor=dict(
        geometric=dict(roll=0.5, tilt=0.2, box_shift=0.05, box_log_scale=0.05, crop_log_scale=0.1),
        pixel=dict(type="PixelAugmentation", brightness=0.2, contrast=0.2, noise_std=0.02),
    ),
    head=dict(translation_head=dict(prior_scale=0.121)),
)
default_hooks = dict(logger=dict(interval=50), checkpoint=dict(interval=500))
