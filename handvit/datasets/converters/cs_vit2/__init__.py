"""Convert CS-ViT2's shards."""
