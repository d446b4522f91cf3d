"""Who needs no encoder does not wait seconds for what encoders import."""

import json
import subprocess
import sys

HEAVY = ("open_clip", "timm", "torchvision", "transformers")
CODE = f"""
import json, sys, langfield
[langfield.train, langfield.lift, langfield.open, langfield.evaluate, langfield.bake]
print(json.dumps([name for name in {HEAVY} if name in sys.modules]))
"""


def test_the_api_comes_without_encoders():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


def test_an_encoder_brings_what_it_needs():
    code = CODE.replace("[langfield.train", "from langfield.encoders.registry import load_image_text\n[langfield.train")
    code = code.replace("print(", "load_image_text('builtin:mini')\nprint(")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "open_clip" in json.loads(done.stdout)
