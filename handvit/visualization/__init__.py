"""Make pictures: hands over images and in camera space, curves, and reports."""

from handvit.visualization.aim_run_backend import AimRunBackend
from handvit.visualization.camera_views import draw_camera_views
from handvit.visualization.draw import draw_labels, draw_skeleton, tile_images
from handvit.visualization.draw_mesh import draw_mesh
from handvit.visualization.guarded_vis_backend import GuardedVisBackend
from handvit.visualization.hand_report import HandReport
from handvit.visualization.tensorboard_run_backend import TensorboardRunBackend
from handvit.visualization.wandb_run_backend import WandbRunBackend
from handvit.visualization.zoom import move_points, zoom_to_box

__all__ = [
    "AimRunBackend",
    "GuardedVisBackend",
    "HandReport",
    "TensorboardRunBackend",
    "WandbRunBackend",
    "draw_camera_views",
    "draw_labels",
    "draw_mesh",
    "draw_skeleton",
    "move_points",
    "tile_images",
    "zoom_to_box",
]
