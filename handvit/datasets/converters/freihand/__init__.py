"""Convert FreiHAND."""
