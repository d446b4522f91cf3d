"""From photos to the first answer: a process of its own that trains, opens what it made, and asks one phrase.

    python benchmarks/first_answer.py SCENE "wooden spoon" [--preset splat] [--encoder openclip:ViT-B-16/random]

Everything counts, from the start of Python to the printed answer: imports, bringing up the device, encoding (nothing is
taken from a cache), training, lifting, saving, and the scene's index, which the first query makes and keeps. It prints
a table of the parts, in seconds.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measuring import table

_CHILD = """
import json, sys, time
marks = {"start": time.time()}
import langfield
train = langfield.train  # imports what it needs
marks["imports"] = time.time()
scene, run, phrase, options = sys.argv[1], sys.argv[2], sys.argv[3], json.loads(sys.argv[4])
report = train(scene, run, **options).to_json()
marks["train"] = time.time()
session = langfield.open(run, device=options["device"])
marks["open"] = time.time()
answer = session.query([phrase])[0].to_json()
marks["query"] = time.time()
print(json.dumps({"marks": marks, "report": report, "answer": answer}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scene", type=Path)
    parser.add_argument("phrase")
    parser.add_argument("--preset", default="splat")
    parser.add_argument("--encoder", default="openclip:ViT-B-16/random")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--max-steps", type=int)
    parser.add_argument("--out", default="", help="a JSON file")
    found = measured(parser.parse_args())
    print(table(["part", "seconds"], [[part, seconds] for part, seconds in found["seconds"].items()]))
    print(json.dumps(found["answer"]))


def measured(options: argparse.Namespace) -> dict:
    """Seconds by part, what training reported, and the answer."""
    given = {"preset": options.preset, "encoder": options.encoder, "device": options.device}
    if options.max_steps:
        given["max_steps"] = options.max_steps
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"LANGFIELD_CACHE": str(Path(folder) / "cache")}
        run = str(Path(folder) / "run")
        command = [sys.executable, "-c", _CHILD, str(options.scene.absolute()), run, options.phrase, json.dumps(given)]
        start = time.time()
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
        end = time.time()
    found = json.loads(done.stdout.splitlines()[-1])
    marks, stages = found.pop("marks"), found["report"]["stages"]
    training = marks["train"] - marks["imports"]
    found["seconds"] = {
        "Python starts": marks["start"] - start,
        "imports": marks["imports"] - marks["start"],
        **{f"train: {name}": seconds for name, seconds in stages.items()},
        "train: the rest (device, saving)": training - sum(stages.values()),
        "open": marks["open"] - marks["train"],
        "query": marks["query"] - marks["open"],
        "Python ends": end - marks["query"],
        "all": end - start,
    }
    if options.out:
        Path(options.out).write_text(json.dumps(found, indent=1) + "\n")
    return found


if __name__ == "__main__":
    main()
