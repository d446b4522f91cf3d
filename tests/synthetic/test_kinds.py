"""Every kind of thing: it can be built in all its looks, stands on the table, and its words are not ambiguous."""

import itertools
from collections import Counter

import numpy as np
import pytest
from tests.synthetic.mesh_laws import is_closed, volume

from langfield_synthetic.kinds import KINDS
from langfield_synthetic.things import COLOURS, SURFACES, Kind, Look, Part, kind, varied

MATERIALS = {"metal", "plastic", "ceramic", "wooden"}
NOUNS = sorted(KINDS)


def looks(one: Kind) -> list[tuple[str, str]]:
    return list(itertools.product(one.colours or ("",), one.materials or ("",)))


def build(one: Kind, colour: str, material: str, seed: int) -> list[Part]:
    rng = np.random.default_rng(seed)
    return one.build(rng, Look(colour, material, varied(rng, COLOURS.get(colour, (0.8, 0.8, 0.8)))))


def check(parts: list[Part]) -> None:
    assert parts
    assert sum(len(part.mesh.faces) for part in parts) < 15_000
    for part in parts:
        mesh, surface = part.mesh, part.surface
        assert np.isfinite(mesh.vertices).all()
        assert np.isfinite(mesh.uv).all()
        assert mesh.faces.max() < len(mesh.vertices) == len(mesh.uv)
        assert surface.kind in SURFACES
        assert 0 <= min(surface.rgb) <= max(surface.rgb) <= 1
        assert 0 < surface.roughness <= 1
        if surface.texture is not None:
            assert surface.texture.dtype == np.uint8
            assert surface.texture.ndim == 3
            assert surface.texture.shape[2] == 3
        if surface.kind == "glass":
            assert is_closed(mesh)
            assert volume(mesh) > 0
    low = min(part.mesh.bounds[0, 2] for part in parts)
    assert low == pytest.approx(0, abs=5e-4)
    size = np.max([part.mesh.bounds[1] for part in parts], axis=0) - np.min([p.mesh.bounds[0] for p in parts], axis=0)
    assert 0.01 < size.max() < 0.5


@pytest.mark.parametrize("noun", NOUNS)
def test_a_thing_is_sound_in_all_its_looks(noun):
    for seed, (colour, material) in enumerate(looks(KINDS[noun])):
        check(build(KINDS[noun], colour, material, seed))


@pytest.mark.parametrize("noun", NOUNS)
def test_a_seed_determines_a_thing_and_others_differ(noun):
    colour, material = looks(KINDS[noun])[0]
    one, again, other = (build(KINDS[noun], colour, material, seed) for seed in (7, 7, 8))
    for part, same in zip(one, again, strict=True):
        np.testing.assert_array_equal(part.mesh.vertices, same.mesh.vertices)
        assert part.surface.rgb == same.surface.rgb
        if part.surface.texture is not None:
            np.testing.assert_array_equal(part.surface.texture, same.surface.texture)
    sizes = [np.max([part.mesh.bounds[1] for part in parts], axis=0) for parts in (one, other)]
    assert (sizes[0] != sizes[1]).any()


def test_there_is_glass_among_the_things():
    for noun in ("wine glass", "drinking glass"):
        assert any(part.surface.kind == "glass" for part in build(KINDS[noun], "", "", 0))


def test_colours_and_materials_are_known_words():
    for one in KINDS.values():
        assert set(one.colours) <= set(COLOURS)
        assert set(one.materials) <= MATERIALS
        assert len(set(looks(one))) == len(looks(one))


def test_a_materials_word_does_not_repeat_the_noun():
    for one in KINDS.values():
        assert not set(one.materials) & set(one.noun.split())


def test_no_synonym_means_another_kind():
    meanings = Counter(word for one in KINDS.values() for word in {one.noun, *one.synonyms})
    assert [word for word, times in meanings.items() if times > 1] == []


def test_hypernyms_are_no_other_names():
    names = {word for one in KINDS.values() for word in (one.noun, *one.synonyms)}
    for one in KINDS.values():
        assert not set(one.hypernyms) & names
        assert len(set(one.hypernyms)) == len(one.hypernyms)


def test_what_can_hold_something_is_found_as_container_or_box():
    assert {noun for noun, one in KINDS.items() if "box" in one.hypernyms} == {"gift box", "cereal box"}
    assert "container" in KINDS["teacup"].hypernyms


def test_a_noun_is_registered_once():
    with pytest.raises(ValueError, match="two kinds are called 'apple'"):
        kind("apple")(KINDS["apple"].build)


@pytest.mark.parametrize("word", COLOURS)
def test_a_varied_colour_stays_nearest_to_its_word(word):
    rng = np.random.default_rng(0)
    for _ in range(50):
        rgb = varied(rng, COLOURS[word])
        assert 0 < min(rgb) <= max(rgb) < 1
        assert np.linalg.norm(np.subtract(rgb, COLOURS[word])) < 0.25
