"""The body of ``POST /inspect`` as OpenAPI describes it; ``uploads`` reads it."""

from fastdefect.serving.settings import MOST_PHOTOS, MOST_TEXT
from fastdefect.serving.uploads import PART

BINARY = {"type": "string", "format": "binary"}
_TEXT = {"type": "string", "maxLength": MOST_TEXT, "pattern": PART}
BODY = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": {
                    "photo": {
                        "type": "array",
                        "items": BINARY,
                        "minItems": 1,
                        "maxItems": MOST_PHOTOS,
                    },
                    "part": {**_TEXT, "examples": ["17"]},
                    "product": {
                        "type": "array",
                        "items": _TEXT,
                        "maxItems": MOST_PHOTOS,
                        "description": "Once for the part, or once for each photo in their order.",
                        "examples": [["cover"]],
                    },
                    "view": {
                        "type": "array",
                        "items": _TEXT,
                        "maxItems": MOST_PHOTOS,
                        "description": "Once for each photo, in their order; empty if not known. "
                        "Without it the view is that in the name of the file.",
                        "examples": [["left", "top"]],
                    },
                },
                "required": ["photo"],
                "additionalProperties": False,
            }
        },
        **{kind: {"schema": BINARY} for kind in ("image/jpeg", "image/png", "image/tiff")},
        "application/octet-stream": {"schema": BINARY},
    },
}
