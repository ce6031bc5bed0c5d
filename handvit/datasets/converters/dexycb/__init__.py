"""Convert DexYCB."""
