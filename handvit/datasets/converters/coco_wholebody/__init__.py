"""Convert the hands of COCO-WholeBody."""
