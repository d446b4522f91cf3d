"""The protocols' names, where each asks, and which kinds of phrase make headline figures. Imports nothing heavy."""

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

PlaceOfQuestions = Literal["test views", "labelled photos", "held-out labelled photos", "the scene"]

# In which of the scene's views each protocol asks; "the scene": of the whole scene, and no view is rendered.
ASKED_IN: Final[dict[ProtocolName, PlaceOfQuestions]] = {
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

LevelMaps = Literal["refined", "raw"]

# The relevancy maps of which protocols choose one for each phrase.
LEVEL_MAPS: Final[dict[LevelMaps, str]] = {
    "refined": "one map, langfield's own: a mean over crop levels, smoothed over the surface",
    "raw": "the map of each crop level as it is rendered, and they compete: the protocol as published",
}
PROTOCOLS_AT_LEVELS: Final[tuple[ProtocolName, ...]] = ("lerf-ovs", "lerf-ovs-held-out", "3d-ovs", "3d-ovs-held-out")

# The kinds of phrase that headline figures are of: they name a thing that the scene has, and labels know all of its
# places. Background has no edges; abstract and long-tail phrases have more right answers than labels name.
HEADLINE_KINDS: Final = ("object", "attribute", "synonym")
