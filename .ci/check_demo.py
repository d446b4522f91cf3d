"""Fails unless nine of ten things were found at their place, and nine of ten absent ones said absent."""

import json
import sys
from pathlib import Path

WANTED = 0.9

result = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
print(f"{result['seconds']['all']:.0f} s")
for kind in ("object", "attribute", "synonym", "abstract", "absent"):
    right = [answer["correct"] for answer in result["answers"] if answer["kind"] == kind]
    print(f"{kind:10s} {sum(right):3d} of {len(right)}")
    if kind in ("object", "absent") and (not right or sum(right) < WANTED * len(right)):
        sys.exit(f"too few: {WANTED:.0%} are wanted")
