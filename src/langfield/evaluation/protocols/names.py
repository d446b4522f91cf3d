"""The names of the protocols, and which kinds of phrase make their headline figures. Imports nothing heavy."""

from typing import Final, Literal

ProtocolName = Literal[
    "langfield", "lerf", "lerf-ovs", "lerf-ovs-held-out", "lerf-mask", "3d-ovs", "3d-ovs-held-out", "3d", "presence"
]  # fmt: skip

PROTOCOLS: Final[dict[ProtocolName, str]] = {
    "langfield": "pictures, and this package's answers on the test views",
    "lerf": "the same, answered by the one pixel of highest relevancy at LERF's 30 scales",
    "lerf-ovs": "LangSplat's mIoU and localisation on LERF-OVS labels, in every labelled photo",
    "lerf-ovs-held-out": "the same, only in labelled photos that were never trained on",
    "lerf-mask": "Gaussian Grouping's mIoU and boundary IoU, in labelled photos that are not to train on",
    "3d-ovs": "mIoU over the classes of 3D-OVS's labelled photos, of relevancy over 0.4 (of several "
    "levels, at that with the highest mean there)",
    "3d-ovs-held-out": "the same, only in labelled photos that were never trained on",
    "3d": "positions, boxes and number of hits against the things' true places",
    "presence": "whether phrases are there at all: AUROC, accuracy at 0.5, calibration",
}

AskedIn = Literal["test views", "labelled photos", "held-out labelled photos", "the scene"]

# Where each protocol asks: in which of the scene's views, or the scene as a whole without rendering any.
ASKED_IN: Final[dict[ProtocolName, AskedIn]] = {
    "langfield": "test views",
    "lerf": "test views",
    "lerf-ovs": "labelled photos",
    "lerf-ovs-held-out": "held-out labelled photos",
    "lerf-mask": "held-out labelled photos",
    "3d-ovs": "labelled photos",
    "3d-ovs-held-out": "held-out labelled photos",
    "3d": "the scene",
    "presence": "the scene",
}

# Phrases that name a thing the scene has. Background has no edges; long-tail and abstract phrases have more answers
# than labels say.
HEADLINE_KINDS: Final = ("object", "attribute", "synonym")
