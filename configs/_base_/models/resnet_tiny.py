# A three-stage ResNet (6x6 tokens) and a small decoder: learns from random weights on a CPU.
model = dict(
    type="HandPoseEstimator",
    data_preprocessor=dict(
        type="HandDataPreprocessor",
        crop_size=96,
        expand=1.4,
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
        geometric=dict(
            type="GeometricAugmentation",
            roll=0.1,  # 6 degrees: the renders vary enough
            box_shift=0.02,
            box_log_scale=0.02,
        ),
    ),
    backbone=dict(
        type="HFConvNet",
        config=dict(
            model_type="resnet",
            embedding_size=32,
            hidden_sizes=[64, 128, 192],
            depths=[1, 1, 1],
            layer_type="basic",
        ),
    ),
    neck=dict(type="PerspInfoCrossAttention", num_heads=4),
    head=dict(
        type="HandHead",
        decoder=dict(
            type="HandDecoder", width=256, num_layers=4, num_heads=8, mlp_dim=512, dropout=0.0
        ),
        pose_head=dict(type="Rotation6DPoseHead"),
        translation_head=dict(
            type="UvDistanceHead",
            prior_scale=0.144,  # metres, fitted on the synthetic hands
            heatmap_loss=dict(type="HeatmapCELoss", weight=0.1, std=0.03),  # per nat; crop sides
            # Per nat; per unit of log distance.
            bin_loss=dict(type="MultiBinLoss", bin_weight=0.2, residual_weight=2.0),
        ),
    ),
    hand_model=dict(type="ManoLayer", source="openhand"),
    losses=dict(
        loss_keypoints_rel=dict(type="Keypoint3DLoss", weight=10.0),  # per metre
        loss_vertices_rel=dict(type="Vertex3DLoss", weight=5.0),  # per metre
        loss_global_orient=dict(type="Axis3DLoss", weight=0.2),  # per radian
        loss_hand_pose=dict(type="ManoPoseLoss", weight=0.1),  # per matrix element
        loss_betas=dict(type="ManoShapeLoss", weight=0.1),  # per standard deviation
        loss_root=dict(type="RootLoss", weight=2.0),  # per metre
        loss_keypoints_img=dict(type="ReprojectionLoss", weight=0.01),  # per pixel
    ),
)
