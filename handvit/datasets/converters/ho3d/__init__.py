"""Convert HO3D v2 and v3."""
