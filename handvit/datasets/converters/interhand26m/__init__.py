"""Convert InterHand2.6M."""
