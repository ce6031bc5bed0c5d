"""Convert ARCTIC."""
