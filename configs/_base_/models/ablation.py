# A small ResNet (4x4 tokens) with a small decoder, and the parts that can stand in their places.
decoders = dict(
    hand_decoder=dict(
        type="HandDecoder", width=192, num_layers=3, num_heads=6, mlp_dim=384, dropout=0.0
    ),
    hamer_decoder=dict(
        type="HamerDecoder", width=192, num_layers=3, num_heads=6, head_dim=32, mlp_dim=384
    ),
)
pose_heads = dict(
    rotation_6d=dict(type="Rotation6DPoseHead"),
    axis_angle=dict(type="AxisAnglePoseHead"),
    quaternion=dict(type="UnitQuaternionPoseHead"),
    beta=dict(type="BetaPoseHead", statistics="data/ablation/statistics.json"),
)
embeddings = dict(
    cross_attention=dict(type="PerspInfoCrossAttention", num_heads=4),
    dense=dict(type="PerspInfoDenseAll"),
    no_embedding=dict(type="NoPerspInfo"),
)
losses = dict(
    loss_keypoints_rel=dict(type="Keypoint3DLoss", weight=10.0),  # per metre
    loss_vertices_rel=dict(type="Vertex3DLoss", weight=5.0),  # per metre
    loss_global_orient=dict(type="Axis3DLoss", weight=0.2),  # per radian
    loss_hand_pose=dict(type="ManoPoseLoss", weight=0.1),  # per matrix element
    loss_betas=dict(type="ManoShapeLoss", weight=0.1),  # per standard deviation
)
loss_sets = dict(
    in_camera=dict(
        losses,
        loss_root=dict(type="RootLoss", weight=2.0),  # per metre
        loss_keypoints_img=dict(type="ReprojectionLoss", weight=0.01),  # per pixel
    ),
    # For a head with projections and a loss of its own.
    with_root=dict(losses, loss_root=dict(type="RootLoss", weight=2.0)),  # per metre
    # What a camera that is not the real one can be asked for, besides its own projections.
    relative=losses,
)

# Per nat; standard deviations of the training data's wrists.
line_loss = dict(type="HeatmapCELoss", weight=0.1, std=0.1)
uv_distance = dict(
    type="UvDistanceHead",
    heatmap_loss=dict(type="HeatmapCELoss", weight=0.1, std=0.03),  # per nat; crop sides
    # Per nat; per unit of log distance.
    bin_loss=dict(type="MultiBinLoss", bin_weight=0.2, residual_weight=2.0),
)
xy_depth = dict(
    type="XyDepthHead",
    statistics="data/ablation/statistics.json",
    heatmap_loss=line_loss,
    # Per nat; per standard deviation of the depth, which is 0.4 in log distance at 0.7 m.
    bin_loss=dict(type="MultiBinLoss", bin_weight=0.2, residual_weight=0.8),
)
soft_argmax_3d = dict(
    type="SoftArgmax3DHead", statistics="data/ablation/statistics.json", heatmap_loss=line_loss
)
metre, hand_size = dict(type="MetreUnit"), dict(type="HandSizeUnit")
translation_heads = dict(
    uv_distance=dict(uv_distance, unit=metre, prior_scale=0.141),
    uv_distance_by_hand=dict(uv_distance, unit=hand_size, prior_scale=1.66),
    xy_depth=dict(xy_depth, unit=metre),
    xy_depth_by_hand=dict(xy_depth, unit=hand_size),
    soft_argmax_3d=dict(soft_argmax_3d, unit=metre),
    soft_argmax_3d_by_hand=dict(soft_argmax_3d, unit=hand_size),
    weak_perspective=dict(type="WeakPerspectiveHead", focal=dict(type="TrueFocal")),
    weak_perspective_5000=dict(
        type="WeakPerspectiveHead", focal=dict(type="FixedFocal", focal=5000.0)
    ),
)

# Each axis with the metric that its rows are judged by.
ablation = dict(
    axes=dict(
        translation=dict(
            key="model.head.translation_head", metric="mpjpe_cam", options=translation_heads
        ),
        embedding=dict(key="model.neck", metric="mpjpe_cam", options=embeddings),
        pose=dict(key="model.head.pose_head", metric="mpjpe_rel", options=pose_heads),
        decoder=dict(key="model.head.decoder", metric="mpjpe_rel", options=decoders),
        losses=dict(key="model.losses", metric="mpjpe_cam", options=loss_sets),
    ),
    limits=[
        "These are small models on 64 px crops, trained briefly from random weights; with"
        " pretrained weights and long trainings, parts may rank otherwise.",
        "Boxes are exact here, which favours the heads that divide by the box's size"
        " (`uv_distance`, `weak_perspective`).",
        "`no_embedding` with `xy_depth` or `soft_argmax_3d` is a control: these heads see the"
        " camera through the embedding alone, so they do not know it at all.",
        "The size of a hand is nearly invisible in these pictures, so `*_by_hand` can hardly gain.",
        "Weights of the heads' losses follow from their units and are not tuned.",
        "Not all combinations of the parts are tried, so how parts act together is mostly unknown.",
    ],
)
model = dict(
    type="HandPoseEstimator",
    data_preprocessor=dict(
        type="HandDataPreprocessor",
        crop_size=64,
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
            hidden_sizes=[32, 64, 128],
            depths=[1, 1, 1],
            layer_type="basic",
        ),
    ),
    neck=embeddings["cross_attention"],
    head=dict(
        type="HandHead",
        decoder=decoders["hand_decoder"],
        pose_head=pose_heads["rotation_6d"],
        translation_head=translation_heads["uv_distance"],
        statistics="data/ablation/statistics.json",
    ),
    hand_model=dict(type="ManoLayer", source="openhand"),
    losses=loss_sets["in_camera"],
)
# Only names for this file: the config holds the parts under ``ablation`` and ``model``.
del decoders, pose_heads, embeddings, losses, loss_sets, translation_heads
del line_loss, uv_distance, xy_depth, soft_argmax_3d, metre, hand_size
