"""From stored images to the model's crops, on the device."""

from handvit.preprocessing.geometric_augmentation import GeometricAugmentation
from handvit.preprocessing.hand_data_preprocessor import HandDataPreprocessor
from handvit.preprocessing.pixel_augmentation import PixelAugmentation

__all__ = ["GeometricAugmentation", "HandDataPreprocessor", "PixelAugmentation"]
