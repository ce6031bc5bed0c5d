_base_ = [
    "../../../configs/_base_/models/resnet_tiny.py",
    "../../../configs/_base_/datasets/quickstart.py",
    "../../../configs/_base_/schedules/demo_1500.py",
    "../../../configs/_base_/default_runtime.py",
]
custom_imports = dict(imports=["projects.example_project.models"])
model = dict(
    head=dict(pose_head=dict(type="QuaternionPoseHead")),
    losses=dict(loss_bone_length=dict(type="BoneLengthLoss", weight=1.0)),  # per metre
)
