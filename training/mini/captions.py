"""What can be said of a crop: captions, which of them are true of which thing, and which pairs are held out.

Everything follows from `Identity`: a noun with its synonyms, hypernyms, colour, material. Its phrases are enumerated in
groups; a caption is a phrase in a template. A phrase is *possible* for an identity if the identity enumerates it, or
would if a colour or material that it leaves unsaid were said: only impossible phrases may serve as negatives. Nor may
the name of a kind that is held out in the identity's colour.

Each identity has a *twin* without colour and material: what a recoloured picture of it is. The tables have the Q
identities' rows first, then those of their twins (fewer than Q: many identities share one); R rows in all.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

GENERIC = ("object", "things", "stuff", "texture")
SUBSTANCES = {"wooden": "wood", "golden": "gold", "woollen": "wool", "woolen": "wool", "metallic": "metal"}
GROUPS = {
    "noun": 0.35,
    "colour noun": 0.25,
    "material noun": 0.08,
    "hypernym": 0.12,
    "colour": 0.05,
    "generic": 0.12,
    "other": 0.03,
    "pattern": 0.10,
}
_UNCOUNTED = (
    "ware",
    "equipment",
    "stationery",
    "food",
    "clothing",
    "furniture",
    "packaging",
    "bread",
    "cheese",
    "dice",
)
_TEMPLATES = {
    "one": {"{}": 0.6, "a {}": 0.14, "the {}": 0.1, "a photo of a {}": 0.16},
    "many": {"{}": 0.7, "the {}": 0.1, "a photo of {}": 0.2},
    "bare": {"{}": 1.0},
}
_HELD_OUT_OF = 10
_MIN_COLOURS = 4
_FEW_COLOURS = 3
_DRAWS = 4096


@dataclass(frozen=True)
class Identity:
    """All that is said of a thing, of the table or of what surrounds it. The first noun is the kind's name."""

    nouns: tuple[str, ...]
    colours: tuple[str, ...] = ()
    materials: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    hypernyms: tuple[str, ...] = ()
    is_thing: bool = True


SURROUND = Identity(("wall", "floor", "background"), is_thing=False)


@dataclass(frozen=True)
class Phrase:
    """Words without a template. `form` is a key of `_TEMPLATES`; colour and head say what a held-out pair bans."""

    text: str
    form: str
    colour: str = ""
    head: str = ""


@dataclass(frozen=True)
class Captions:
    """Everything that training says, as tables.

    Attributes:
        captions: the strings; `phrase_of` (C,) is the phrase of each.
        phrases: the phrases without templates; `generic` (P,) marks the four generic ones.
        draw: (R, 4096) captions of each identity and twin, as often as they shall be drawn.
        possible: (R, P) whether a phrase may be true of an identity or twin; generic ones are of all.
        twin: (R,) the row of each one's twin; a twin is its own.
        held_out: (Q,) identities that training must not see.
        held_out_pairs: (colour, noun).
        nouns, colours: what things are called first, and their colours; only those that captions say.
        noun_of, colour_of: (R,) which of them a row is, −1 for none; of several colours the first.
        recolourable: (R,) things of a kind that has three colours or more.
    """

    identities: tuple[Identity, ...]
    captions: tuple[str, ...]
    phrase_of: np.ndarray
    phrases: tuple[str, ...]
    generic: np.ndarray
    draw: np.ndarray
    possible: np.ndarray
    twin: np.ndarray
    held_out: np.ndarray
    held_out_pairs: tuple[tuple[str, str], ...]
    nouns: tuple[str, ...]
    colours: tuple[str, ...]
    noun_of: np.ndarray
    colour_of: np.ndarray
    recolourable: np.ndarray

    @property
    def noun_phrases(self) -> np.ndarray:
        """(n,) the phrases of `nouns`."""
        return np.array([self.phrases.index(noun) for noun in self.nouns], np.int64)

    @property
    def colour_phrases(self) -> np.ndarray:
        """(c,) the phrases of `colours`."""
        return np.array([self.phrases.index(colour) for colour in self.colours], np.int64)


def is_held_out(colour: str, noun: str) -> bool:
    """About one pair of ten, the same ones on every machine."""
    return int(hashlib.sha256(f"{colour} {noun}".encode()).hexdigest(), 16) % _HELD_OUT_OF == 0


def held_out_pairs(identities: Iterable[Identity]) -> tuple[tuple[str, str], ...]:
    """The (colour, noun) pairs that are kept for evaluation, among kinds of at least four colours."""
    colours: dict[str, set[str]] = defaultdict(set)
    for identity in identities:
        if identity.is_thing:
            colours[identity.nouns[0]].update(identity.colours)
    pairs = ((c, noun) for noun, known in colours.items() if len(known) >= _MIN_COLOURS for c in known)
    return tuple(sorted(pair for pair in pairs if is_held_out(*pair)))


def plural(noun: str) -> str:
    """More than one of it; a noun that already looks like a plural, or that is not counted, stays."""
    for link in (" of ", " in ", " with "):
        if link in noun:
            head, _, rest = noun.partition(link)
            return plural(head) + link + rest
    if noun.endswith(_UNCOUNTED) or (noun.endswith("s") and not noun.endswith(("ss", "us"))):
        return noun
    if noun.endswith(("s", "x", "z", "ch", "sh")):
        return noun + "es"
    if noun.endswith("y") and noun[-2:-1] not in tuple("aeiou"):
        return noun[:-1] + "ies"
    if noun.endswith(("knife", "shelf", "loaf", "leaf", "half")):
        return noun.removesuffix("fe").removesuffix("f") + "ves"
    return noun + "s"


def phrases_of(identity: Identity) -> dict[str, list[tuple[Phrase, float]]]:
    """All phrases that are true of an identity, in the groups of `GROUPS`, with weights within each group."""
    groups: dict[str, list[tuple[Phrase, float]]] = {group: [] for group in GROUPS}
    for i, noun in enumerate(identity.nouns):
        weight = 1.0 if i == 0 or not identity.is_thing else 0.5 / (len(identity.nouns) - 1)
        _say_noun(groups, identity, noun, weight)
    for hypernym in identity.hypernyms:
        if hypernym not in (*GENERIC, "thing"):
            _say_hypernym(groups, identity, hypernym)
    for colour in identity.colours:
        groups["colour"] += [
            (Phrase(colour, "bare", colour), 0.5),
            (Phrase(f"something {colour}", "bare", colour), 0.25),
            (Phrase(f"{colour} thing", "one", colour), 0.25),
        ]
    for material in identity.materials:
        substance = SUBSTANCES.get(material, material)
        groups["other"] += [
            (Phrase(material, "bare"), 0.4),
            (Phrase(f"something {material}", "bare"), 0.2),
            (Phrase(f"something made of {substance}", "bare"), 0.3),
            (Phrase(substance, "bare"), 0.1),
        ]
    groups["pattern"] += [(Phrase(pattern, "bare"), 0.5) for pattern in identity.patterns]
    groups["generic"] = [(Phrase(text, "many" if text != "object" else "one"), 1.0) for text in GENERIC]
    return groups


def _say_noun(groups: dict[str, list[tuple[Phrase, float]]], identity: Identity, noun: str, weight: float) -> None:
    several = plural(noun)
    forms = [(noun, "one", 0.9), (several, "many", 0.1)] if several != noun else [(noun, "many", 1.0)]
    for word, form, share in forms:
        groups["noun"].append((Phrase(word, form, head=noun), weight * share))
        for colour in identity.colours:
            groups["colour noun"].append((Phrase(f"{colour} {word}", form, colour, noun), weight * share))
            for material in identity.materials:
                phrase = Phrase(f"{colour} {material} {word}", form, colour, noun)
                groups["material noun"].append((phrase, 0.6 * weight * share))
        for material in identity.materials:
            groups["material noun"].append((Phrase(f"{material} {word}", form, head=noun), weight * share))
        for pattern in identity.patterns:
            groups["pattern"].append((Phrase(f"{pattern} {word}", form, head=noun), weight * share))


def _say_hypernym(groups: dict[str, list[tuple[Phrase, float]]], identity: Identity, hypernym: str) -> None:
    form = "bare" if hypernym.startswith("something") else ("many" if plural(hypernym) == hypernym else "one")
    groups["hypernym"].append((Phrase(hypernym, form), 0.7))
    if form == "bare":
        return
    for adjective, share in ((identity.colours, 0.15), (identity.materials, 0.05)):
        for word in adjective:
            colour = word if word in identity.colours else ""
            groups["hypernym"].append((Phrase(f"{word} {hypernym}", form, colour), share))
    if form == "one":
        groups["hypernym"].append((Phrase(plural(hypernym), "many"), 0.1))


def in_templates(phrase: Phrase) -> Iterator[tuple[str, float]]:
    """The captions that say a phrase, with their shares."""
    for template, share in _TEMPLATES[phrase.form].items():
        if template.endswith("a {}") and phrase.text[0] in "aeiou":
            template = template.removesuffix("a {}") + "an {}"
        yield template.format(phrase.text), share


def possible_texts(identity: Identity, colours: Sequence[str], materials: Sequence[str]) -> set[str]:
    """Texts of all phrases that may be true: those that are, and those that say a colour or material it leaves unsaid.

    A thing without a colour word is of many colours or of none with a name, one without a material may be of any: that
    it is red, or wooden, is neither true nor false.
    """
    wide = replace(
        identity, colours=identity.colours or tuple(colours), materials=identity.materials or tuple(materials)
    )
    return {phrase.text for group in phrases_of(wide).values() for phrase, _ in group}


def without_colour(identity: Identity) -> Identity:
    """What a recoloured thing still is."""
    return replace(identity, colours=(), materials=())


def build_captions(identities: Sequence[Identity]) -> Captions:
    """The tables of everything that is said of these identities in training."""
    pairs = held_out_pairs(identities)
    banned = _banned(identities, pairs)
    held = np.array([any((c, i.nouns[0]) in pairs for c in i.colours) and i.is_thing for i in identities], bool)
    twins = list(dict.fromkeys(map(without_colour, identities)))
    rows = [*identities, *twins]
    said = [{} if q < len(held) and held[q] else _weights(row, banned) for q, row in enumerate(rows)]
    phrase_of = {caption: text for captions in said for caption, (text, _) in captions.items()}
    captions = tuple(sorted(phrase_of))
    texts = tuple(sorted(set(phrase_of.values())))
    number = {caption: c for c, caption in enumerate(captions)}
    phrase_number = {text: p for p, text in enumerate(texts)}
    draw = np.zeros((len(rows), _DRAWS), np.int32)
    generics = {caption: (text, 1.0) for caption, text in phrase_of.items() if text in GENERIC}
    for q, weighted in enumerate(said):
        draw[q] = _draws({number[caption]: weight for caption, (_, weight) in (weighted or generics).items()})
    nouns = sorted({i.nouns[0] for i in identities if i.is_thing and i.nouns[0] in phrase_number})
    colours = sorted({colour for i in identities if i.is_thing for colour in i.colours if colour in phrase_number})
    place = {twin: len(identities) + t for t, twin in enumerate(twins)}
    return Captions(
        identities=tuple(identities),
        captions=captions,
        phrase_of=np.array([phrase_number[phrase_of[caption]] for caption in captions], np.int64),
        phrases=texts,
        generic=np.array([text in GENERIC for text in texts], bool),
        draw=draw,
        possible=_possible(identities, twins, phrase_number) | _never_denied(rows, pairs, phrase_number),
        twin=np.array([place[without_colour(row)] for row in rows], np.int64),
        held_out=held,
        held_out_pairs=pairs,
        nouns=tuple(nouns),
        colours=tuple(colours),
        noun_of=_positions([row.nouns[0] if row.is_thing else "" for row in rows], nouns),
        colour_of=_positions([row.colours[0] if row.is_thing and row.colours else "" for row in rows], colours),
        recolourable=_recolourable(rows),
    )


def _positions(words: Sequence[str], among: Sequence[str]) -> np.ndarray:
    place = {word: k for k, word in enumerate(among)}
    return np.array([place.get(word, -1) for word in words], np.int64)


def _recolourable(rows: Sequence[Identity]) -> np.ndarray:
    colours: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        colours[row.nouns[0]].update(row.colours)
    return np.array([row.is_thing and len(colours[row.nouns[0]]) >= _FEW_COLOURS for row in rows], bool)


def _banned(identities: Sequence[Identity], pairs: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
    """Colour and head of every phrase that would tell a held-out pair: by the noun or by a synonym."""
    synonyms: dict[str, set[str]] = defaultdict(set)
    for identity in identities:
        synonyms[identity.nouns[0]].update(identity.nouns)
    return {(colour, head) for colour, noun in pairs for head in synonyms[noun]}


def _weights(identity: Identity, banned: set[tuple[str, str]]) -> dict[str, tuple[str, float]]:
    """Caption: (its phrase, how often it is drawn for this identity)."""
    allowed = {
        group: [(phrase, weight) for phrase, weight in phrases if (phrase.colour, phrase.head) not in banned]
        for group, phrases in phrases_of(identity).items()
        if phrases
    }
    specific = sum(GROUPS[group] for group, phrases in allowed.items() if phrases and group != "generic")
    result: dict[str, tuple[str, float]] = {}
    for group, phrases in allowed.items():
        share = GROUPS[group] if group == "generic" else (1 - GROUPS["generic"]) * GROUPS[group] / specific
        total = sum(weight for _, weight in phrases)
        for phrase, weight in phrases:
            for caption, part in in_templates(phrase):
                before = result.get(caption, ("", 0.0))[1]
                result[caption] = (phrase.text, before + share * weight / total * part)
    return result


def _draws(weights: Mapping[int, float]) -> np.ndarray:
    """4096 captions in which each comes as often as its weight says, to within one."""
    numbers = np.fromiter(weights, np.int32)
    ends = np.cumsum(np.fromiter(weights.values(), np.float64))
    places = (np.arange(_DRAWS) + 0.5) / _DRAWS * ends[-1]
    return numbers[np.minimum(np.searchsorted(ends, places), len(numbers) - 1)]


def _possible(
    identities: Sequence[Identity], twins: Sequence[Identity], phrase_number: Mapping[str, int]
) -> np.ndarray:
    colours = sorted({colour for identity in identities for colour in identity.colours})
    materials = sorted({material for identity in identities for material in identity.materials})
    table = np.zeros((len(identities) + len(twins), len(phrase_number)), bool)
    for q, identity in enumerate([*identities, *twins]):
        for text in possible_texts(identity, colours, materials):
            if text in phrase_number:
                table[q, phrase_number[text]] = True
    return table


def _never_denied(
    rows: Sequence[Identity], pairs: Sequence[tuple[str, str]], phrase_number: Mapping[str, int]
) -> np.ndarray:
    """(R, P): names of the kinds whose pair with a row's colour is held out.

    Without this, all that training hears of blue and of mugs is that what is blue is no mug: an artefact of holding
    "blue mug" out. Recoloured crops, whose colour is unsaid, remain to tell what is no mug.
    """
    synonyms: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        if row.is_thing:
            synonyms[row.nouns[0]].update(row.nouns)
    table = np.zeros((len(rows), len(phrase_number)), bool)
    for colour, noun in pairs:
        words = {word for name in synonyms[noun] for word in (name, plural(name))}
        phrases = [phrase_number[word] for word in sorted(words) if word in phrase_number]
        of_colour = [q for q, row in enumerate(rows) if row.is_thing and colour in row.colours]
        table[np.ix_(of_colour, phrases)] = True
    return table
