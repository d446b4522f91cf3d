"""What a trained model knows: zero-shot figures on crops of things, and the files that tell them."""

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from training.mini.captions import GENERIC, Captions, Identity
from training.mini.cutting import Squares, cut, reach_px
from training.mini.data import FIRST_THING, Pictures
from training.mini.model import PREPROCESSING, normalised, tokens_of

EVALUATED_PIXELS = 300
RECORD = "training.json"
FRAME = 1.25
LARGE_PIXELS = 900
MAX_CROPS, MAX_TRAINED_CROPS = 20_000, 3_000
_BATCH = 256
_UNKNOWN_WORDS = ("zeppelin", "walrus", "tractor", "violin", "submarine", "cathedral", "a giraffe", "kangaroo")


@dataclass(frozen=True)
class _Judged:
    """Crops that were encoded, with what they truly show."""

    identities: list[Identity]
    scenes: np.ndarray
    pixels: np.ndarray
    embeddings: Tensor

    def where(self, chosen: np.ndarray) -> "_Judged":
        """Some of them."""
        kept = np.flatnonzero(chosen)
        rows = torch.from_numpy(kept).to(self.embeddings.device)
        return _Judged([self.identities[i] for i in kept], self.scenes[kept], self.pixels[kept], self.embeddings[rows])


def evaluate(model: Any, pictures: Pictures, captions: Captions, seed: int = 0) -> dict[str, Any]:
    """All figures. A crop frames one visible thing: of held-out scenes, or of held-out pairs from all scenes."""
    rng = np.random.default_rng(seed)
    shown = pictures.instances[pictures.instances["pixels"] >= EVALUATED_PIXELS]
    held = captions.held_out[shown["identity"]]
    fresh = pictures.held_out_scene[shown["scene"]]
    if not fresh.any():
        print("no scene is held out (their numbers end in 0): these figures are of training scenes", flush=True)
        fresh = np.ones_like(fresh)
    known = _judged(model, pictures, _some(shown[fresh & ~held], rng))
    trained = _judged(model, pictures, _some(shown[~fresh & ~held], rng, MAX_TRAINED_CROPS))
    unseen = _judged(model, pictures, _some(shown[held], rng))
    unseen_fresh = unseen.where(pictures.held_out_scene[unseen.scenes])
    nouns = sorted({identity.nouns[0] for identity in captions.identities if identity.is_thing})
    pairs = _pairs(captions.identities)
    figures: dict[str, Any] = {"crops": len(known.identities), "held_out_crops": len(unseen.identities)}
    figures["held_out_crops_of_held_out_scenes"] = len(unseen_fresh.identities)
    figures["nouns"] = len(nouns)
    figures["colour_nouns"] = len(pairs)
    figures["noun_top1"], figures["confusions"] = _noun_top1(model, known, nouns)
    figures["noun_top1_large"], _ = _noun_top1(model, known.where(known.pixels >= LARGE_PIXELS), nouns)
    figures["noun_top1_templates"], _ = _noun_top1(model, known, nouns, ("{}", "a photo of a {}"))
    figures["noun_top1_trained"], _ = _noun_top1(model, trained, nouns)
    figures["colour_noun_top1"] = _pair_top1(model, known, pairs)
    figures["colour_top1_given_noun"] = _colour_top1(model, known, captions.identities)
    for name, judged in (("held_out", unseen), ("held_out_fresh", unseen_fresh)):
        figures[f"{name}_noun_top1"], _ = _noun_top1(model, judged, nouns)
        figures[f"{name}_pair_top1"] = _pair_top1(model, judged, pairs)
        figures[f"{name}_colour_top1_given_noun"] = _colour_top1(model, judged, captions.identities)
    figures["hypernym_auroc"], figures["hypernyms"] = _hypernym_auroc(model, known)
    figures |= _presence(model, known, pictures, nouns, rng)
    figures |= _emptiness(model, pictures, nouns, rng)
    figures["held_out_pairs"] = [" ".join(pair) for pair in captions.held_out_pairs]
    return figures


def _some(instances: np.ndarray, rng: np.random.Generator, most: int = MAX_CROPS) -> np.ndarray:
    return instances if len(instances) <= most else rng.choice(instances, most, replace=False)


def frames(instances: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Left, top and side of the square around each thing's visible box: 1.25 times its longer side."""
    box = instances["box"].astype(np.float32)
    side = np.maximum(np.round(FRAME * (box[:, 2:] - box[:, :2]).max(axis=1, initial=1)), 8)
    corner = np.round((box[:, 2:] + box[:, :2]) / 2 - side[:, None] / 2)
    return corner[:, 0], corner[:, 1], side


def _judged(model: Any, pictures: Pictures, instances: np.ndarray) -> _Judged:
    identities = [pictures.identities[q] for q in instances["identity"]]
    embeddings = encode_crops(model, pictures, instances["picture"], *frames(instances))
    return _Judged(identities, instances["scene"], instances["pixels"], embeddings)


@torch.no_grad()
def encode_crops(
    model: Any, pictures: Pictures, picture: np.ndarray, left: np.ndarray, top: np.ndarray, side: np.ndarray
) -> Tensor:
    """(n, d) unit embeddings of crops as langfield cuts them: outside of the picture is black."""
    device = model.positional_embedding.device
    size = _image_size(model)
    reach = reach_px(int(max(side, default=size)), size)
    found = [torch.zeros(0, model.text_projection.shape[1], device=device)]
    for start in range(0, len(picture), _BATCH):
        part = slice(start, start + _BATCH)
        rgb = torch.from_numpy(pictures.rgb[picture[part]]).to(device)
        numbers = (torch.from_numpy(np.asarray(array[part], np.float32)).to(device) for array in (left, top, side))
        count = len(rgb)
        yes, no = (torch.full((count,), value, device=device) for value in (True, False))
        squares = Squares(torch.arange(count, device=device), *numbers, black=yes)
        crops = cut(rgb, squares, size, torch.full((count,), float(size), device=device), no, reach)
        found.append(nn.functional.normalize(model.encode_image(normalised(crops)).float(), dim=-1))
    return torch.cat(found)


def _image_size(model: Any) -> int:
    size = model.visual.image_size  # a ResNet's is one number, a ViT's two
    return int(size if isinstance(size, int) else size[0])


@torch.no_grad()
def encode_texts(model: Any, texts: Sequence[str]) -> Tensor:
    """(n, d) unit embeddings."""
    tokens = tokens_of(texts).to(model.positional_embedding.device)
    return nn.functional.normalize(model.encode_text(tokens).float(), dim=-1)


def _best(embeddings: Tensor, texts: Tensor, excluded: np.ndarray | None = None) -> np.ndarray:
    """(n,) the text that each crop is most like, without those that are excluded for it (n, texts)."""
    similarity = (embeddings @ texts.T).cpu().numpy()
    if excluded is not None:
        similarity[excluded] = -2
    return similarity.argmax(axis=1) if len(similarity) else np.zeros(0, np.int64)


def _noun_top1(
    model: Any, judged: _Judged, nouns: Sequence[str], templates: Sequence[str] = ("{}",)
) -> tuple[float | None, list[list[Any]]]:
    """A synonym of the thing that is another kind's noun counts as right, that an orange mug is "orange" as neither."""
    texts = torch.stack([encode_texts(model, [template.format(noun) for noun in nouns]) for template in templates])
    also = np.array([[n in i.colours and n not in i.nouns for n in nouns] for i in judged.identities], bool)
    best = _best(judged.embeddings, nn.functional.normalize(texts.mean(dim=0), dim=-1), also.reshape(-1, len(nouns)))
    said = [nouns[i] for i in best]
    wrong = Counter((i.nouns[0], s) for i, s in zip(judged.identities, said, strict=True) if s not in i.nouns)
    confusions = [[true, false, count] for (true, false), count in wrong.most_common(15)]
    return _share([s in i.nouns for i, s in zip(judged.identities, said, strict=True)]), confusions


def _pairs(identities: Sequence[Identity]) -> list[tuple[str, str]]:
    return sorted({(colour, i.nouns[0]) for i in identities if i.is_thing for colour in i.colours})


def _coloured(judged: _Judged) -> _Judged:
    return judged.where(np.array([bool(identity.colours) for identity in judged.identities], bool))


def _pair_top1(model: Any, judged: _Judged, pairs: Sequence[tuple[str, str]]) -> float | None:
    if not pairs:
        return None
    coloured = _coloured(judged)
    said = [pairs[i] for i in _best(coloured.embeddings, encode_texts(model, [" ".join(pair) for pair in pairs]))]
    together = zip(coloured.identities, said, strict=True)
    return _share([colour in i.colours and noun in i.nouns for i, (colour, noun) in together])


def _colour_top1(model: Any, judged: _Judged, identities: Sequence[Identity]) -> float | None:
    """The right colour among all colours, the noun being given."""
    colours = sorted({colour for identity in identities for colour in identity.colours})
    coloured = _coloured(judged)
    right: list[bool] = []
    by_noun: dict[str, list[int]] = defaultdict(list)
    for i, identity in enumerate(coloured.identities):
        by_noun[identity.nouns[0]].append(i)
    for noun, rows in by_noun.items():
        texts = encode_texts(model, [f"{colour} {noun}" for colour in colours])
        said = (coloured.embeddings[rows] @ texts.T).argmax(dim=1).tolist()
        right += [colours[s] in coloured.identities[i].colours for i, s in zip(rows, said, strict=True)]
    return _share(right)


def _hypernym_auroc(model: Any, judged: _Judged) -> tuple[float | None, dict[str, float]]:
    """How well a hypernym's similarity tells its things from others: the mean over hypernyms, and each."""
    hypernyms = sorted({h for identity in judged.identities for h in identity.hypernyms})
    if not hypernyms:
        return None, {}
    scores = (judged.embeddings @ encode_texts(model, hypernyms).T).cpu().numpy()
    each = {}
    for h, hypernym in enumerate(hypernyms):
        true = np.array([hypernym in (*i.hypernyms, *i.nouns) for i in judged.identities])
        if 0 < true.sum() < len(true):
            each[hypernym] = round(auroc(scores[:, h], true), 4)
    return (float(np.mean(list(each.values()))) if each else None), each


def auroc(scores: np.ndarray, true: np.ndarray) -> float:
    """The share of (true, false) pairs in the right order."""
    ranks = np.argsort(np.argsort(scores)) + 1.0
    positive = int(true.sum())
    return float((ranks[true].sum() - positive * (positive + 1) / 2) / (positive * (len(true) - positive)))


def _presence(
    model: Any, judged: _Judged, pictures: Pictures, nouns: Sequence[str], rng: np.random.Generator
) -> dict[str, float | None]:
    """How often a noun that is true beats all four generic words, and how often a false or an unknown one does not."""
    if not judged.identities:
        return {"presence_true": None, "presence_false": None, "presence_unknown": None}
    names = {noun: n for n, noun in enumerate(nouns)}
    beats = _beats_generics(model, judged.embeddings, nouns)
    unknown = _beats_generics(model, judged.embeddings, _UNKNOWN_WORDS)
    own = np.array([names[i.nouns[0]] for i in judged.identities])
    false = np.ones_like(beats)
    for row, scene in enumerate(judged.scenes):
        for q in pictures.identity_of[scene]:
            if q >= 0:
                identity = pictures.identities[q]
                false[row, [names[word] for word in (*identity.nouns, *identity.hypernyms) if word in names]] = False
    drawn = np.where(false, rng.random(false.shape), -1).argmax(axis=1)
    rows = np.arange(len(own))
    return {
        "presence_true": _share(beats[rows, own]),
        "presence_false": _share(~beats[rows, drawn][false.any(axis=1)]),
        "presence_unknown": _share(~unknown.ravel()),
    }


def _emptiness(
    model: Any, pictures: Pictures, nouns: Sequence[str], rng: np.random.Generator
) -> dict[str, float | None]:
    """On crops without any thing, how often a thing's noun does not beat the generic words."""
    chosen = np.flatnonzero(pictures.held_out_scene[pictures.scene_of])
    chosen = chosen if len(chosen) else np.arange(len(pictures.rgb))
    picture = rng.choice(chosen, 2000)
    point = pictures.background[picture, rng.integers(0, pictures.background.shape[1], len(picture))]
    side = np.round(np.exp(rng.uniform(np.log(24), np.log(96), len(picture))))
    left, top = (np.round(point[:, axis] - side / 2) for axis in (0, 1))
    ids = pictures.ids
    empty = np.array(
        [
            (ids[p, max(int(y), 0) : int(y + s), max(int(x), 0) : int(x + s)] < FIRST_THING).all()
            for p, x, y, s in zip(picture, left, top, side, strict=True)
        ]
    )
    if not empty.any():
        return {"empty_crops": 0, "absence_on_empty": None}
    embeddings = encode_crops(model, pictures, picture[empty], left[empty], top[empty], side[empty])
    return {
        "empty_crops": int(empty.sum()),
        "absence_on_empty": _share(~_beats_generics(model, embeddings, nouns).ravel()),
    }


def _beats_generics(model: Any, embeddings: Tensor, texts: Sequence[str]) -> np.ndarray:
    generic = (embeddings @ encode_texts(model, GENERIC).T).amax(dim=1, keepdim=True)
    return (embeddings @ encode_texts(model, texts).T > generic).cpu().numpy()


def _share(right: Sequence[bool] | np.ndarray) -> float | None:
    return float(np.mean(right)) if len(right) else None


_TABLE = (
    ("noun_top1", "noun, among {nouns} nouns"),
    ("noun_top1_large", "noun, crops that show 900 pixels of the thing"),
    ("noun_top1_templates", 'noun, mean of "…" and "a photo of a …"'),
    ("noun_top1_trained", "noun, scenes that it was trained on"),
    ("colour_noun_top1", "colour and noun, among {colour_nouns} pairs"),
    ("colour_top1_given_noun", "colour, the noun given"),
    ("held_out_noun_top1", "noun, crops of held-out pairs"),
    ("held_out_pair_top1", "colour and noun, held-out pairs, among the same"),
    ("held_out_colour_top1_given_noun", "colour, the noun given, held-out pairs"),
    ("held_out_fresh_noun_top1", "noun, held-out pairs of held-out scenes"),
    ("held_out_fresh_pair_top1", "colour and noun, held-out pairs of held-out scenes"),
    ("held_out_fresh_colour_top1_given_noun", "colour, the noun given, the same"),
    ("hypernym_auroc", "hypernyms, mean AUROC"),
    ("presence_true", "true noun beats object, things, stuff, texture"),
    ("presence_false", "false noun does not"),
    ("presence_unknown", "word never trained on does not"),
    ("absence_on_empty", "on crops without things, noun does not"),
)


def _table(figures: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (label.format(**figures), "none" if figures[key] is None else f"{100 * figures[key]:.1f} %")
        for key, label in _TABLE
    ]


def write_record(folder: Path, pictures: Pictures, steps: int) -> None:
    """Write training.json: what a model was trained on, for cards that are written when less of it is at hand."""
    folder.mkdir(parents=True, exist_ok=True)
    record = {
        "pictures": int((~pictures.held_out_scene[pictures.scene_of]).sum()),
        "scenes": int((~pictures.held_out_scene).sum()),
        "steps": steps,
    }
    (folder / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def write_report(
    figures: dict[str, Any], captions: Captions, words: Sequence[str], size_bytes: int, folder: Path
) -> None:
    """Write figures.json, vocabulary.txt and CARD.md, and print the figures."""
    (folder / "figures.json").write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / "vocabulary.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    (folder / "CARD.md").write_text(_card(figures, captions, record, size_bytes), encoding="utf-8")
    print(f"{figures['crops']} crops of held-out scenes, {figures['held_out_crops']} crops of held-out pairs")
    for label, value in _table(figures):
        print(f"  {label:52s} {value:>8s}")
    print("most frequent confusions (true, said, crops):")
    for true, said, count in figures["confusions"]:
        print(f"  {true:24s} {said:24s} {count:6d}")


def _card(figures: dict[str, Any], captions: Captions, record: dict[str, int], size_bytes: int) -> str:
    things = [identity for identity in captions.identities if identity.is_thing]
    nouns = ", ".join(sorted({identity.nouns[0] for identity in things}))
    other = ", ".join(sorted({word for identity in things for word in identity.nouns[1:]}))
    hypernyms = ", ".join(sorted({word for identity in things for word in identity.hypernyms}))
    colours = ", ".join(sorted({word for identity in captions.identities for word in identity.colours}))
    materials = ", ".join(sorted({word for identity in captions.identities for word in identity.materials}))
    rows = "\n".join(f"| {label} | {value} |" for label, value in _table(figures))
    return f"""# builtin:mini

A small CLIP in OpenCLIP's format ({size_bytes / 1e6:.1f} MB in float16), trained from scratch by
`training/mini/train.py` in {record["steps"]:,} steps on {record["pictures"]:,} rendered pictures of
{record["scenes"]:,} synthetic scenes of things on a table (`langfield_synthetic`). No photograph and no text from
elsewhere was used.

## What it knows

- Things: {nouns}.
- Other names of them: {other or "none"}.
- Groups of things: {hypernyms or "none"}.
- Colours: {colours or "none"}. Materials: {materials or "none"}.
- Around them: table, tabletop, wall, floor, background.

Say a noun, a colour and a noun ("red mug"), a material, or a group. `vocabulary.txt` lists every word that it
was trained on.

## What it does not know

- Any other word: it means nothing to the model, and what is left of the phrase decides.
- Photographs: it has seen rendered pictures only, so its similarities on photos of real rooms are not to be trusted.
- Relations ("left of"), counts, negation, what is written on things, people, animals, outdoor scenes.

## How well

Measured on {figures["crops"]} crops of scenes that it was not trained on, and on {figures["held_out_crops"]} crops of
{len(captions.held_out_pairs)} pairs of colour and noun that it saw in no picture and in no caption
({figures["held_out_crops_of_held_out_scenes"]} of them in scenes that it was not trained on). In training, things of
other colours were recoloured at random and captioned without a colour: some may have looked like a held-out pair.
A crop frames a thing's visible part ({EVALUATED_PIXELS} pixels or more); the phrases are bare nouns, or a colour and a
noun.

| | |
|---|---|
{rows}

Pictures are normalised with mean {_numbers("mean")} and standard deviation {_numbers("std")}.
"""


def _numbers(key: str) -> str:
    return ", ".join(f"{number:.4f}" for number in PREPROCESSING[key])
