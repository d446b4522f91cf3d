"""Masks of phrases in all photos, as COCO. Usage: python examples/masks_to_coco.py RUN OUT.json PHRASE..."""

import json
import sys
from pathlib import Path

import langfield

run, out, *phrases = sys.argv[1:]
document = langfield.coco_document(langfield.open(run), phrases)
Path(out).write_text(json.dumps(document), encoding="utf-8")

for category in document["categories"]:
    found = [a for a in document["annotations"] if a["category_id"] == category["id"]]
    photos = len({a["image_id"] for a in found})
    print(f"{category['name']}: {len(found)} masks in {photos} of {len(document['images'])} photos")
