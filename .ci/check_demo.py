"""Fails unless nine of ten things were found at their place, nine of ten absent ones said absent, and that in time."""

import json
import sys
from pathlib import Path

WANTED = 0.9
MAX_SECONDS = 180  # twice what it may take on two idle cores: CI's may have company

result = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
seconds, failures = result["seconds"]["all"], []
print(f"{seconds:.0f} s")
for kind in ("object", "attribute", "synonym", "abstract", "absent"):
    right = [answer["correct"] for answer in result["answers"] if answer["kind"] == kind]
    print(f"{kind:10s} {sum(right):3d} of {len(right)}")
    if kind in ("object", "absent") and sum(right) < WANTED * max(len(right), 1):
        failures.append(f"too few of {kind}: {WANTED:.0%} are wanted")
if seconds > MAX_SECONDS:
    failures.append(f"too slow: {MAX_SECONDS} s at most")
sys.exit("; ".join(failures) or 0)  # an empty string would count as a failure
