"""The catalogue says what the issue and the papers say, and a wrong one is refused with its place."""

import copy
import json
import re
from importlib.resources import files
from pathlib import Path
from typing import get_args

import pytest

from langfield.core.errors import DataError, UsageError
from langfield.data.literature.catalogue import GROUPS, METRICS, catalogue, read_catalogue
from langfield.evaluation.protocols.names import ASKED_IN, PROTOCOLS, ProtocolName

# As the list of wanted phrases was written, scene by scene.
PAPER = {
    "waldo_kitchen": "utensils, wooden spoon; electricity; boops; blue dish soap, waldo, paper towel roll; yellow; "
    "sink, mug; cookbooks, olive oil",
    "teatime": "stuffed bear",
    "bookstore": "embroidery, the cookie bible, marie kondo",
    "ramen": "eggs, nori, glass of water",
    "figurines": "cartoon, bath toy, toy elephant, jake from adventure time, waldo",
    "bouquet": "lily, vase",
}
FAILURES = {"figurines": "leaf, table"}
FREE = {
    "teatime": "bear, dish, desk, table, edge, air, human, leg, bag, cup, nose, chair, tile, sitting human, woman",
    "book_store": "book, ground, floor, bookcover, bookstand, bookstand third, bookshelf, piano, recipe, cook, "
    "cookbook, wooden, dark, yellow",
    "waldo kitchen": "holder, handle, drawer, pot",
}
OURS = Path(str(files("langfield").joinpath("data", "literature", "catalogue.json")))


@pytest.mark.parametrize(("group", "wanted"), [("paper", PAPER), ("failures", FAILURES), ("free", FREE)])
def test_every_wanted_phrase_is_asked_of_its_scene_and_no_other(group: str, wanted: dict[str, str]):
    for name, phrases in wanted.items():
        assert list(catalogue().find(name).phrases[group]) == re.split("[,;] ", phrases)
    asked = {scene.folder for scene in catalogue().scenes if scene.phrases[group]}
    assert asked == {catalogue().find(name).folder for name in wanted}


def test_scenes_of_one_place_are_asked_the_same_in_every_data_set():
    for scene in catalogue().scenes:
        if scene.data_set.phrases_file is None:
            assert scene.phrases == catalogue().find(scene.name.partition("/")[2]).phrases
        else:
            assert not any(scene.phrases.values())


def test_the_labelled_frames_and_queries_are_those_of_lerf_ovs():
    found = [catalogue().find(f"lerf-ovs/{name}") for name in ("figurines", "ramen", "teatime", "waldo_kitchen")]
    assert [scene.queries for scene in found] == [56, 71, 59, 22]
    assert sum(len(scene.labelled) for scene in found) == 22
    assert found[3].labelled == ("frame_00053", "frame_00066", "frame_00089", "frame_00140", "frame_00154")


def test_published_localisation_of_lerf_ovs_is_a_whole_number_of_hits():
    """Papers print one decimal; each figure must be some hits out of the scene's queries."""
    checked = 0
    for scene in catalogue().scenes:
        for figure in scene.published:
            if figure.protocol == "lerf-ovs" and figure.metric == "localisation":
                assert scene.queries is not None
                hits = round(figure.percent / 100 * scene.queries)
                assert abs(100 * hits / scene.queries - figure.percent) < 0.11, (scene.name, figure)
                checked += 1
    assert checked == 16


@pytest.mark.parametrize(
    ("method", "data_set", "metric", "mean"),
    [
        ("LERF", "lerf-ovs", "miou", 37.4),
        ("LERF", "lerf-ovs", "localisation", 73.6),
        ("LangSplat", "lerf-ovs", "miou", 51.4),
        ("LangSplat", "lerf-ovs", "localisation", 84.3),
        ("LangSplatV2", "lerf-ovs", "miou", 59.9),
        ("LangSplatV2", "lerf-ovs", "localisation", 84.1),
        ("Occam's LGS", "lerf-ovs", "miou", 61.3),
        ("Occam's LGS", "lerf-ovs", "localisation", 82.5),
        ("LERF", "lerf-mask", "miou", 37.2),
        ("LERF", "lerf-mask", "boundary_iou", 29.3),
        ("LangSplat", "lerf-mask", "miou", 57.6),
        ("LangSplat", "lerf-mask", "boundary_iou", 53.6),
        ("Gaussian Grouping", "lerf-mask", "miou", 72.8),
        ("Gaussian Grouping", "lerf-mask", "boundary_iou", 67.6),
        ("LERF", "3d-ovs", "miou", 54.8),
        ("3D-OVS", "3d-ovs", "miou", 86.8),
        ("LangSplat", "3d-ovs", "miou", 93.4),
        ("LangSplatV2", "3d-ovs", "miou", 94.6),
    ],
)
def test_published_figures_average_to_the_published_means(method: str, data_set: str, metric: str, mean: float):
    figures = [
        figure.percent
        for scene in catalogue().scenes
        for figure in scene.published
        if (figure.method, scene.data_set.name, figure.metric) == (method, data_set, metric)
    ]
    assert abs(sum(figures) / len(figures) - mean) < 0.12  # both are rounded


def test_the_catalogue_is_whole():
    names = [scene.name for scene in catalogue().scenes]
    assert len(set(names)) == len(names)
    for scene in catalogue().scenes:
        assert set(scene.phrases) == set(GROUPS)
        assert set(scene.labels.protocols) <= set(get_args(ProtocolName))  # what the evaluator knows
        assert {figure.metric for figure in scene.published} <= set(METRICS)
        assert scene.data_set.page.startswith("https://")
        assert not any("{" in pattern for need in scene.needs for pattern in need.any_of)
        written = scene.to_json()
        assert json.loads(json.dumps(written)) == written
        assert ("unknown: ask" in scene.data_set.licence) or ("ask the authors" in scene.data_set.licence)
    assert set(catalogue().protocols) == set(PROTOCOLS)
    places = json.loads(OURS.read_text())["places"]
    assert {name.partition("/")[2] for name in names} == set(places)
    for data_set in json.loads(OURS.read_text())["data_sets"]:  # no figure of a scene that is not there
        there = {scene["place"] for scene in data_set["scenes"]}
        assert all(set(figure["percent"]) <= there for figure in data_set["published"])


def test_every_protocol_says_where_it_asks_and_what_it_is():
    assert list(ASKED_IN) == list(PROTOCOLS) == list(get_args(ProtocolName))


def test_published_protocols_are_those_that_the_labels_are_asked_by():
    for scene in catalogue().scenes:
        if scene.labels.protocols:
            assert {figure.protocol for figure in scene.published} <= set(scene.labels.protocols)
            assert scene.labels.protocols[:2] == ("langfield", "lerf")


def test_scenes_are_found_by_any_spelling_and_the_first_data_set_is_meant():
    find = catalogue().find
    assert find("teatime").name == "lerf/teatime"
    assert find("LERF-OVS/teatime").name == find("lerf_ovs/Teatime").name == "lerf-ovs/teatime"
    assert find("bookstore") is find("book store") is find("book_store") is find("lerf/book_store")
    assert find("bed").name == "3d-ovs/bed"
    with pytest.raises(UsageError) as error:
        find("teatimes")
    assert str(error.value) == ("unknown scene 'teatimes'; did you mean teatime?; `langfield scenes` lists them")
    with pytest.raises(UsageError, match=r"^unknown scene '/'; `langfield scenes` lists them$"):
        find("/")


def changed(path: list, value: object) -> dict:
    document = copy.deepcopy(json.loads(OURS.read_text()))
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return document


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["data_sets", 0, "scenes", 0, "place"], "moon", "is of the place 'moon', which is not among the places"),
        (["data_sets", 0, "published", 0, "metric"], "luck", "published[0].metric must be one of localisation, miou"),
        (["data_sets", 0, "published", 0, "protocol"], "x", "published[0].protocol is 'x', which is not among"),
        (["data_sets", 0, "published", 0, "percent", "ramen"], 101, "percent.ramen must be a number between 0 and 100"),
        (["data_sets", 1, "archive_sha256"], "abc", "archive_sha256 must be a SHA-256 in 64 lower-case"),
        (["data_sets", 1, "labels", "folder"], None, "labels must have a folder and protocols, or neither"),
        (["data_sets", 1, "labels", "protocols"], ["x"], "protocols[0] is 'x', which is not among the protocols"),
        (["data_sets", 1, "name"], "lerf", "data_sets names a scene twice"),
        (["data_sets", 1, "licence"], None, "data_sets[1].licence is missing"),
        (["places", "ramen", "paper"], "eggs", "places.ramen.paper must be a list"),
        (["places", "ramen", "paper"], [1], "places.ramen.paper[0] must be text"),
        (["places"], [], "places must be an object"),
    ],
)
def test_a_wrong_catalogue_is_refused_with_the_place(tmp_path: Path, path: list, value: object, message: str):
    file = tmp_path / "catalogue.json"
    file.write_text(json.dumps(changed(path, value)))
    with pytest.raises(DataError) as error:
        read_catalogue(file)
    assert str(error.value).startswith(f"{file}: ")
    assert message in str(error.value)
