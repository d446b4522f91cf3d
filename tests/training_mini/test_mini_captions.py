"""What may be said of what, and what is never said."""

import numpy as np
import pytest
from training.mini.captions import GENERIC, SURROUND, Captions, Identity, build_captions, is_held_out, plural

COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "black", "white", "gray")
NOUNS = ("mug", "book", "bottle", "car", "lamp", "scarf")
MUG = Identity(("mug", "cup"), ("red",), ("ceramic",), (), ("container", "something to drink from"))
TRUE = (
    *("mug", "cup", "mugs", "red mug", "red cup", "ceramic mug", "red ceramic mug", "container", "red container"),
    *("something to drink from", "red", "something red", "red thing", "something made of ceramic"),
)
SPOON = Identity(("spoon",), ("gray",), ("metal",), (), ("cutlery",))
GLOBE = Identity(("globe",), (), (), (), ("decoration",))
TABLE = Identity(("table", "tabletop"), ("brown",), ("wooden",), ("checkered",), is_thing=False)


@pytest.fixture(scope="module")
def small() -> Captions:
    wooden_spoon = Identity(("spoon",), ("brown",), ("wooden",), (), ("cutlery",))
    bare_spoon = Identity(("spoon",), ("gray",), (), (), ("cutlery",))
    blue_mug = Identity(("mug", "cup"), ("blue",), ("ceramic",), (), ("container", "something to drink from"))
    return build_captions([MUG, SPOON, GLOBE, TABLE, SURROUND, wooden_spoon, bare_spoon, blue_mug])


@pytest.fixture(scope="module")
def many() -> Captions:
    kinds = [Identity((noun, f"{noun} kind"), (c,), ("plastic",), (), ("thingy",)) for noun in NOUNS for c in COLOURS]
    return build_captions([*kinds, TABLE, SURROUND])


def _possible(captions: Captions, row: int, text: str) -> bool:
    return bool(captions.possible[row, captions.phrases.index(text)])


@pytest.mark.parametrize("text", [*TRUE, *GENERIC])
def test_true_of_a_red_mug(small: Captions, text: str) -> None:
    assert _possible(small, 0, text)


@pytest.mark.parametrize("text", ["blue mug", "blue", "spoon", "gray spoon", "table", "wooden table", "wall", "metal"])
def test_not_true_of_a_red_mug(small: Captions, text: str) -> None:
    assert not _possible(small, 0, text)


def test_what_is_left_unsaid_is_neither_true_nor_false(small: Captions) -> None:
    assert _possible(small, 2, "red")  # a globe of many colours
    assert not _possible(small, 2, "red mug")
    assert _possible(small, 6, "wooden spoon")  # of no known material
    assert _possible(small, 6, "metal")
    assert not _possible(small, 6, "ceramic mug")
    assert not _possible(small, 1, "wooden")
    assert _possible(small, 4, "wooden")  # a floor may be


def test_table_and_surroundings(small: Captions) -> None:
    for text in ("table", "tabletop", "wooden table", "brown", "checkered table", "something made of wood"):
        assert _possible(small, 3, text)
    assert _possible(small, 4, "wall")
    assert _possible(small, 4, "background")
    assert not _possible(small, 3, "wall")


def test_captions_are_drawn_of_what_is_true_and_as_often_as_agreed(small: Captions) -> None:
    for q in range(len(small.identities)):
        phrases = small.phrase_of[small.draw[q]]
        assert small.possible[q, phrases].all()
        assert small.generic[phrases].mean() == pytest.approx(0.12, abs=0.005)
    said = [small.captions[c] for c in small.draw[0]]
    bare = [caption in small.phrases for caption in said]
    assert 0.55 < np.mean(bare) < 0.7
    assert {"an object", "a photo of a mug", "red mug", "the cup"} <= set(said)


def test_twins_have_neither_colour_nor_material(small: Captions) -> None:
    rows = [*small.identities, *[None] * (len(small.twin) - len(small.identities))]
    twin = int(small.twin[0])
    assert rows[twin] is None
    assert twin == small.twin[7] == small.twin[twin]  # of a red mug and a blue one
    for text in ("mug", "cup", "red mug", "blue mug", "red", "ceramic", "wooden", "container", "object"):
        assert _possible(small, twin, text)
    for text in ("spoon", "gray spoon", "table", "wooden table"):
        assert not _possible(small, twin, text)
    said = {small.captions[c] for c in small.draw[twin]}
    assert {"mug", "a photo of a cup", "something to drink from", "object"} <= said
    assert not [caption for caption in said if {"red", "blue", "ceramic"} & set(caption.split())]


def test_what_is_named(small: Captions, many: Captions) -> None:
    assert small.nouns == ("globe", "mug", "spoon")
    assert small.colours == ("blue", "brown", "gray", "red")
    rows = len(small.identities)
    assert small.noun_of[:rows].tolist() == [1, 2, 0, -1, -1, 2, 2, 1]
    assert small.colour_of[:rows].tolist() == [3, 2, -1, -1, -1, 1, 2, 0]
    assert small.noun_of[small.twin[0]] == 1
    assert (small.colour_of[rows:] == -1).all()
    assert [small.phrases[p] for p in small.noun_phrases] == list(small.nouns)
    assert [small.phrases[p] for p in small.colour_phrases] == list(small.colours)
    assert not small.recolourable.any()
    assert many.recolourable[:60].all()
    assert not many.recolourable[60:62].any()


def test_held_out_pairs_are_fixed_and_never_said(many: Captions) -> None:
    pairs = many.held_out_pairs
    assert pairs == tuple(sorted((c, n) for c in COLOURS for n in NOUNS if is_held_out(c, n)))
    assert 2 <= len(pairs) <= 12
    assert not is_held_out("red", "mug")
    for colour, noun in pairs:
        assert not [text for text in many.captions if colour in text.split() and noun in text.replace("s", "").split()]
        row = many.identities.index(Identity((noun, f"{noun} kind"), (colour,), ("plastic",), (), ("thingy",)))
        assert many.held_out[row]
    assert many.held_out.sum() == len(pairs)


def test_what_is_held_out_is_not_denied_either(many: Captions) -> None:
    for colour, noun in many.held_out_pairs:
        other = next(n for n in NOUNS if n != noun and (colour, n) not in many.held_out_pairs)
        row = many.identities.index(Identity((other, f"{other} kind"), (colour,), ("plastic",), (), ("thingy",)))
        assert _possible(many, row, noun)
        assert _possible(many, row, f"{noun} kind")
        assert not _possible(many, int(many.twin[row]), noun)  # but of recoloured things it is denied
    denied = ~many.possible[:60][:, many.noun_phrases]
    assert denied.mean() > 0.6


def test_few_colours_are_not_held_out() -> None:
    kinds = [Identity((noun,), (c,)) for noun in NOUNS for c in COLOURS[:3]]
    assert build_captions(kinds).held_out_pairs == ()


def test_plurals() -> None:
    given = ("mug", "box", "cherry", "toy", "knife", "scissors", "glass", "brush", "cactus", "box of tea", "tableware")
    told = (
        "mugs",
        "boxes",
        "cherries",
        "toys",
        "knives",
        "scissors",
        "glasses",
        "brushes",
        "cactuses",
        "boxes of tea",
        "tableware",
    )
    assert tuple(map(plural, given)) == told
