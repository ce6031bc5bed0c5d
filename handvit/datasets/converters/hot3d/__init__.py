"""Convert HOT3D-Clips, hands before the fisheye cameras of two headsets."""
