_base_ = [
    "../_base_/models/camera_space.py",
    "../_base_/datasets/real_mix.py",
    "../_base_/schedules/stage1_100k.py",
    "../_base_/default_runtime.py",
]
# HaMeR's decoder and camera on our data and protocol: no rays, the true focal length.
model = dict(
    backbone=dict(type="HFViT", pretrained="data/weights/dinov2-large"),
    neck=dict(_delete_=True, type="NoPerspInfo"),
    head=dict(
        decoder=dict(_delete_=True, type="HamerDecoder"),
        pose_head=dict(_delete_=True, type="Rotation6DPoseHead"),
        translation_head=dict(
            _delete_=True,
            type="WeakPerspectiveHead",
            focal=dict(type="TrueFocal"),
            keypoint_weight=0.005,  # per pixel
        ),
    ),
    # No absolute term: the camera is asked for its own projections only, as HaMeR's is.
    losses=dict(
        _delete_=True,
        loss_keypoints_rel=dict(type="Keypoint3DLoss", weight=5.0),  # per metre
        loss_vertices_rel=dict(type="Vertex3DLoss", weight=5.0),  # per metre
        loss_global_orient=dict(type="Axis3DLoss", weight=0.2),  # per radian
        loss_hand_pose=dict(type="ManoPoseLoss", weight=0.1),  # per matrix element
        loss_betas=dict(type="ManoShapeLoss", weight=0.02),  # per standard deviation
    ),
)
