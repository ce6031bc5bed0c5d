# TensorBoard besides the local files; needs `pip install tensorboard`.
visualizer = dict(
    type="Visualizer",
    vis_backends=[dict(type="LocalVisBackend"), dict(type="TensorboardVisBackend")],
)
