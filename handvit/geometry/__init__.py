"""Pure functions on tensors with any leading dims: rotations, cameras, boxes, warps, alignment."""
