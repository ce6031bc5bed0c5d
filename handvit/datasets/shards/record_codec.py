"""Turn the labels of a sample into the bytes that a shard keeps, and back."""

import json

from handvit.structures import HandSample


def encode_record(sample: HandSample) -> bytes:
    """Return everything but the image as JSON.

    Raises:
        TypeError, ValueError: ``extra`` holds something that JSON has no word for.
    """
    return json.dumps(sample.to_record(), separators=(",", ":"), allow_nan=False).encode()


def decode_record(record: bytes, image: bytes) -> HandSample:
    """Return the sample after checking all of it: for bytes from anywhere.

    Raises:
        ValueError: names the field and what is wrong with it.
    """
    try:
        return HandSample.from_record(json.loads(record), image)
    except (AttributeError, TypeError) as error:
        raise ValueError(f"not an object of labels ({error})") from error
