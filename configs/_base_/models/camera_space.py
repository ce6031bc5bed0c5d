# All but the backbone: rays by cross-attention, one-query decoder, wrist by heatmap and bins.
# The statistics of the training data are written by tools/misc/compute_statistics.py.
model = dict(
    type="HandPoseEstimator",
    data_preprocessor=dict(
        type="HandDataPreprocessor",
        crop_size=224,
        expand=1.4,
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
        geometric=dict(
            type="GeometricAugmentation",
            roll=0.52,  # 30 degrees
            tilt=0.17,  # 10 degrees
            focal_log_scale=0.05,
            box_shift=0.08,
            box_log_scale=0.15,
            crop_log_scale=0.1,
        ),
        pixel=dict(
            type="PixelAugmentation",
            brightness=0.2,
            contrast=0.2,
            saturation=0.2,
            hue=0.03,
            blur_probability=0.2,
            noise_std=0.03,
            erase_probability=0.2,
        ),
    ),
    neck=dict(type="PerspInfoCrossAttention", num_heads=8),
    head=dict(
        type="HandHead",
        decoder=dict(
            type="HandDecoder", width=1024, num_layers=4, num_heads=16, mlp_dim=4096, dropout=0.1
        ),
        pose_head=dict(type="Rotation6DPoseHead"),
        translation_head=dict(
            type="UvDistanceHead",
            statistics="data/statistics/real_mix.json",
            heatmap_loss=dict(type="HeatmapCELoss", weight=0.1, std=0.03),  # per nat; crop sides
            # Per nat; per unit of log distance.
            bin_loss=dict(type="MultiBinLoss", bin_weight=0.1, residual_weight=1.0),
        ),
        statistics="data/statistics/real_mix.json",
    ),
    hand_model=dict(type="ManoLayer", source="data/mano/MANO_RIGHT.npz"),
    losses=dict(
        loss_keypoints_rel=dict(type="Keypoint3DLoss", weight=5.0),  # per metre
        loss_vertices_rel=dict(type="Vertex3DLoss", weight=5.0),  # per metre
        loss_global_orient=dict(type="Axis3DLoss", weight=0.2),  # per radian
        loss_hand_pose=dict(type="ManoPoseLoss", weight=0.1),  # per matrix element
        loss_betas=dict(type="ManoShapeLoss", weight=0.02),  # per standard deviation
        loss_root=dict(type="RootLoss", weight=2.0),  # per metre
        loss_keypoints_img=dict(type="ReprojectionLoss", weight=0.005),  # per pixel
    ),
)
