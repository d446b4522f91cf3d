"""Made the runs in `released/0.1.0/`, with the langfield of commit df16aa3, and what they show, answer and export.

    python -m tests.runs.make_released

It is kept to tell how they came about, and as a pattern for the next released version. With any other langfield it
would make other runs, and those in the folder stand for the ones that people have: do not run it again.

Each run is trained twice: interrupted as by Ctrl-C in the middle of its steps (NAME/), and a copy of that to its end
(NAME/finished/). Random numbers, threads and the encoders' number format are fixed; of the files only times and dates
differ from one making to the next.
"""

import contextlib
import hashlib
import json
import lzma
import os
import shutil
import signal
import tempfile
from pathlib import Path

import numpy as np
import open_clip
import pytest
import timm
import torch
from safetensors.torch import save_file
from tests.cli.conftest import MODEL
from tests.data.scenes import BALLS, TABLE, arc_cameras, draw, write_ball_scene
from tests.runs.released import (
    BAKED_ELEMENTS,
    DENSE_MODEL,
    EXPORTED,
    PHRASES,
    RELEASED,
    Unpacked,
    answers,
    asked,
    exported,
    pictures,
    register_dense_model,
    same_numbers_everywhere,
    unpack,
)
from tests.runs.released_presets import STEPS, use_released_presets

import langfield
from langfield.core.errors import Interrupted
from langfield.core.progress import Progress, ProgressEvent
from langfield.query.presence import common_nouns

FOLDER = RELEASED / "0.1.0"
STEP = 1 / 64  # the encoders' weights are multiples of it, and rows of token embeddings repeat, so that files are small
TOKEN_ROWS = 1021
REPORT_EVERY = 50  # steps, of the training loop; reports in between depend on the time
SHARPNESS = 60  # in training; 10 in relevancy, which then is neither 0 nor 1 everywhere
ABSENT = "piano", "zebra"
NEGATIVES = ("object", "things", "stuff", "texture")


# -- encoders --------------------------------------------------------------------------------------------------------


def make_encoder(folder: Path) -> None:
    """An OpenCLIP model that knows the colours of three balls, the table and the wall: a minute of contrastive training
    on crops of the scene. Everything else is noise to it."""
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": MODEL, "preprocess_cfg": {}}))
    torch.manual_seed(3)
    model = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
    rows = len(model.token_embedding.weight)
    model.token_embedding = folded = Folded(model.token_embedding.weight)
    texts = [*(ball.name for ball in BALLS), "table", "wall", *ABSENT, *NEGATIVES, *common_nouns()]
    spelled = open_clip.get_tokenizer(f"local-dir:{folder}")(list(dict.fromkeys(texts)))
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    crops, labels = _crops()
    loss = torch.zeros(())
    for _ in range(300):
        batch = torch.randint(len(crops), (256,))
        image, text = model.encode_image(crops[batch], normalize=True), model.encode_text(spelled, normalize=True)
        loss = torch.nn.functional.cross_entropy(SHARPNESS * image @ text.T, labels[batch])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    print(f"encoder: loss {loss.item():.3f}")
    state = model.state_dict()
    del state["token_embedding.table"]
    state["token_embedding.weight"] = folded(torch.arange(rows)).detach()
    save_file(_rounded(state), folder / "open_clip_model.safetensors")


class Folded(torch.nn.Module):
    """Token embeddings of which only so many differ."""

    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__()
        self.table = torch.nn.Parameter(weight.detach()[:TOKEN_ROWS].clone())

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.table[tokens % TOKEN_ROWS]


def _crops() -> tuple[torch.Tensor, torch.Tensor]:
    """Crops of the scene's pictures as the pyramid makes them, and which text each is about: what most of its middle
    shows."""
    random, crops, labels = np.random.default_rng(0), [], []
    mean, std = (
        torch.tensor(rgb)[:, None, None] for rgb in (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)
    )
    for camera in arc_cameras(15, 96, 72):
        rgb, ids, _ = draw(camera)
        for _ in range(200):
            side = int(random.choice([14, 20, 28, 36]))
            top, left = random.integers(0, 72 - side), random.integers(0, 96 - side)
            part = torch.from_numpy(rgb[top : top + side, left : left + side]).permute(2, 0, 1)[None].float() / 255
            small = torch.nn.functional.interpolate(part, (16, 16), mode="bilinear", antialias=True)[0]
            crops.append((small - mean) / std)
            middle = ids[top + side // 4 : top + side - side // 4, left + side // 4 : left + side - side // 4]
            shown, count = np.unique(middle, return_counts=True)
            most = int(shown[count.argmax()])
            labels.append(most if most >= 0 else 3 if most == TABLE else 4)
    return torch.stack(crops), torch.tensor(labels)


def make_dense(folder: Path) -> None:
    """Random weights, for what timm calls `DENSE_MODEL`."""
    register_dense_model()
    torch.manual_seed(5)
    save_file(_rounded(timm.create_model(DENSE_MODEL).state_dict()), folder / "model.safetensors")


def _rounded(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {
        name: ((value / STEP).round() * STEP).contiguous() if value.is_floating_point() else value
        for name, value in state.items()
    }


def pack(folder: Path, out: Path) -> None:
    """The folder's weights compressed, and a JSON file of what comes out again."""
    out.mkdir(parents=True)
    digests = {}
    for file in sorted(folder.iterdir()):
        content = file.read_bytes()
        digests[file.name] = hashlib.sha256(content).hexdigest()
        packed = file.suffix == ".safetensors"
        (out / (file.name + ".xz" * packed)).write_bytes(lzma.compress(content, preset=9) if packed else content)
    (out / "sha256.json").write_text(json.dumps(digests, indent=1) + "\n")


# -- runs ------------------------------------------------------------------------------------------------------------


def interrupt_in_the_middle(steps: int) -> Progress:
    """Progress that asks for an end as Ctrl-C does, once: a second one ends the process at once."""
    after = -(-steps // (2 * REPORT_EVERY)) * REPORT_EVERY
    asked_for: list[int] = []

    def told(event: ProgressEvent) -> None:
        if event.stage == "training" and event.done >= after and not asked_for:
            asked_for.append(event.done)
            signal.raise_signal(signal.SIGINT)

    return told


def make_run(name: str, scene: Path, work: Path, at: Unpacked) -> None:
    """NAME/ stopped, NAME/finished/ gone on with, in the folder of released runs."""
    dense = at.dense if name == "lerf" else "none"
    stopped, finished = work / "stopped" / name, work / name / "finished"
    arguments = {"preset": name, "encoder": at.encoder, "dense": dense, "device": "cpu"}
    with contextlib.suppress(Interrupted):
        langfield.train(scene, stopped, progress=interrupt_in_the_middle(STEPS[name]), **arguments)
    shutil.copytree(stopped, finished)
    report = langfield.train(scene, finished, **arguments)
    print(f"{name}: {json.loads((stopped / 'run.json').read_text())['steps_done']} and {report.steps} steps")
    out = FOLDER / name
    keep(stopped, out, work, "run.json", "model.safetensors", "training.safetensors", "training.json")
    keep(finished, out / "finished", work, "run.json", "model.safetensors")
    np.savez_compressed(out / "shown.npz", **pictures(langfield.open(stopped, device="cpu")))
    observe(finished, out / "finished", at, work / f"{name}-exports")


def observe(run: Path, out: Path, at: Unpacked, exports: Path) -> None:
    """What the run shows, answers and exports, beside it."""
    session = langfield.open(run, device="cpu", encoder=at.encoder)
    np.savez_compressed(out / "shown.npz", **pictures(session), **asked(session))
    (out / "answers.json").write_text(json.dumps(answers(session)) + "\n")
    files = exported(run, at.encoder, exports, EXPORTED.get(out.parent.name, ()))
    files.facts.pop("json", None)  # the answers again
    (out / "exports.json").write_text(json.dumps(files.facts) + "\n")
    np.savez_compressed(out / "exports.npz", **files.arrays)


def keep(run: Path, out: Path, work: Path, *names: str) -> None:
    """Copy a run's files, with every path of this machine made relative to the folder of released runs."""
    out.mkdir(parents=True)
    for name in names:
        (out / name).write_bytes((run / name).read_bytes())
    text = (out / "run.json").read_text().replace(json.dumps(str(work))[1:-1] + "/", "")
    assert str(work) not in text
    (out / "run.json").write_text(text)


def main() -> None:
    os.environ["LANGFIELD_CACHE"] = tempfile.mkdtemp()
    torch.set_num_threads(1)
    shutil.rmtree(FOLDER, ignore_errors=True)
    with tempfile.TemporaryDirectory() as temporary, pytest.MonkeyPatch.context() as patch:
        same_numbers_everywhere(patch)
        work = Path(temporary)
        write_ball_scene(FOLDER / "scene", n_views=9, width_px=48, height_px=36, n_points=200)
        for name, make in (("encoder", make_encoder), ("dense", make_dense)):
            (work / "raw" / name).mkdir(parents=True)
            make(work / "raw" / name)
            pack(work / "raw" / name, FOLDER / name)
        at = unpack(FOLDER, work)
        shutil.copytree(FOLDER / "scene", work / "scene")
        use_released_presets(patch)
        for name in STEPS:
            make_run(name, work / "scene", work, at)
        baked = work / "baked"
        langfield.bake(work / "nano" / "finished", baked, elements=BAKED_ELEMENTS, phrases=PHRASES, device="cpu")
        keep(baked, FOLDER / "baked" / "finished", work, "run.json", "model.safetensors")
        observe(baked, FOLDER / "baked" / "finished", at, work / "baked-exports")


if __name__ == "__main__":
    main()
