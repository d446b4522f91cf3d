"""Pages: well-formed, self-contained, safe against what stands in files, and whole whatever was not measured."""

import base64
import hashlib
import io
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from tests.answers import hit_at

from langfield.evaluation.phrase_results import PhraseInView, PhraseResult
from langfield.query.answers import Answer
from langfield.reports.compare_page import CompareContent, compare_page
from langfield.reports.comparison import ComparedRun, Figure, WinsAndLosses, figures, most_different, wins_and_losses
from langfield.reports.page_parts import MAX_PICTURES, bytes_text, seconds_text, webp
from langfield.reports.page_style import STYLE
from langfield.reports.phrase_sections import PhrasePictures
from langfield.reports.plots import Series
from langfield.reports.report_page import ReportContent, ViewPictures, headline, report_page
from langfield.reports.run_facts import RunFacts

HOSTILE = "\"'><script>alert('&')</script><img src=\"http://evil.example/x.png\">\x00\x1b"
SHOWN = HOSTILE.replace("\x00", "\ufffd").replace("\x1b", "\ufffd")
GREY = np.full((12, 16, 3), 128, np.uint8)


def result(phrase: str, presence: float, expected: str | None = "present", hits: Sequence[bool] = ()) -> PhraseResult:
    place = hit_at((0.1, -0.2, 0.3), presence, half=0.5)
    answer = Answer(phrase, presence > 0.5, presence, presence, 0.1, (place,) if presence > 0.5 else ())
    views = tuple(PhraseInView(f"{HOSTILE}{i}", hit, hit, 0.5, 200 + i) for i, hit in enumerate(hits))
    return PhraseResult(phrase, "object", expected, answer, views)  # type: ignore[arg-type]


PHRASES = [
    result("mug", 0.9, hits=(True, True)),
    result(HOSTILE, 0.3, hits=(True, False)),
    result("cat", 0.1, "absent"),
]
EVALUATION = {
    "views": 2, "psnr": 24.5, "ssim": 0.9, "lpips": None, "miou": 0.5,
    "localisation": {"headline": {"hits": 3, "total": 4}, HOSTILE: {"hits": 1, "total": 2}},
    "localisation_in_mask": {"headline": {"hits": 2, "total": 4}},
    "presence": {"auroc": 1.0, "accuracy": 0.5,
                 "present": {"right": 1, "total": 2}, "absent": {"right": 1, "total": 1},
                 "calibration_error": 0.125, "reliability": [
                     {"count": 0}, {"count": 3, "presence": 0.4, "share_present": 2 / 3, "standard_error": 0.3}]},
    "per_view": [{"view": HOSTILE, "psnr": 20.0, "hits": 1, "total": 2}, {"view": "b", "psnr": None}],
}  # fmt: skip
DOCUMENT = {
    "created": "2026-01-02T03:04:05+00:00",
    "model": {"name": HOSTILE, "config": {HOSTILE: HOSTILE}},
    "scene": {"path": f"/x/{HOSTILE.replace('/', '|')}", "views": [{"split": "train"}]},
}
METRICS = {"seconds": 65.0, "memory_bytes": 2**30, "device": "cpu", "stages": {"training": 60.0, HOSTILE: 5.0}}
CURVES = {"loss": Series("loss", (0.0, 9.0), (1.0, 0.1)), HOSTILE: Series(HOSTILE, (0.0, 9.0), (0.5, 0.2))}
FACTS = RunFacts(HOSTILE, DOCUMENT, METRICS, CURVES, 5 * 2**20)


def pictures(phrase: str, boxes: bool = True) -> PhrasePictures:
    relevancy = np.linspace(0, 1, 48, dtype=np.float32).reshape(6, 8)
    return PhrasePictures(phrase, HOSTILE, GREY, relevancy, (0.5, 0.25), ((0.25, 0.5, 0.75, 1.0),) if boxes else ())


VIEW = ViewPictures(HOSTILE, GREY, GREY, np.ones((6, 8), np.float32))
CONTENT = ReportContent(
    FACTS, EVALUATION, PHRASES, [VIEW], [pictures(HOSTILE), pictures("mug")], "0.1", "2026-01-02", (HOSTILE,)
)


def parsed(page: str) -> ElementTree.Element:
    """The page by a strict parser; what it may not hold is looked for here, for every page."""
    kind, rest = page.split("\n", 1)
    assert kind == "<!DOCTYPE html>"
    root = ElementTree.fromstring(rest)
    scripts = list(root.iter("script"))
    assert len(scripts) == 1
    digest = base64.b64encode(hashlib.sha256((scripts[0].text or "").encode()).digest()).decode()
    (policy,) = (e.get("content", "") for e in root.iter("meta") if e.get("http-equiv"))
    assert policy == f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    for element in root.iter():
        assert element.tag not in ("link", "iframe", "object", "embed", "base", "form")
        for name, value in element.attrib.items():
            assert not name.startswith("on")
            if name in ("src", "href"):
                assert value.startswith("data:image/webp;base64,")
        if element.tag == "img":
            assert element.get("alt")
    style = "".join(root.find("head/style").itertext())  # type: ignore[union-attr]
    assert "url(" not in style
    assert "@import" not in style
    return root


def texts(root: ElementTree.Element, path: str) -> list[str]:
    return ["".join(element.itertext()) for element in root.findall(path)]


def test_what_stands_in_files_is_only_ever_shown():
    page = report_page(CONTENT)
    root = parsed(page)
    assert "<script>alert" not in page
    assert '<img src="http' not in page
    assert SHOWN in texts(root, ".//section[@id='every-phrase']//tbody/tr/th")
    assert SHOWN in texts(root, ".//article/header/h3")
    assert SHOWN in texts(root, ".//ul[@class='legend']/li")
    assert SHOWN in texts(root, "body/header/p")


def test_the_worst_phrase_stands_first_and_is_marked_in_words():
    root = parsed(report_page(CONTENT))
    table = root.findall(".//section[@id='every-phrase']//table")[-1]
    rows = [["".join(cell.itertext()) for cell in row] for row in table.findall("tbody/tr")]
    assert [row[0] for row in rows] == [SHOWN, "mug", "cat"]
    assert rows[0][2:7] == ["yes", "not there ✗ wrong", "0.30", "1/2", "0.50"]
    assert rows[2][2:7] == ["no", "not there", "0.10", "\u2013", "\u2013"]
    assert rows[1][8] == "0.1, -0.2, 0.3"
    assert table.findall("tbody/tr")[0].get("class") == "wrong"
    for each in root.iter("table"):
        assert each.find("caption") is not None
        assert all(head.get("scope") == "col" for head in each.findall("thead/tr/th"))
        assert all(row[0].tag == "th" and row[0].get("scope") == "row" for row in each.findall("tbody/tr"))
        widths = {len(row) for row in [*each.findall("thead/tr"), *each.findall("tbody/tr")]}
        assert len(widths) == 1


def test_marks_lie_where_the_answer_and_the_things_are():
    root = parsed(report_page(CONTENT))
    marks = root.find(".//article//span/svg")
    assert marks is not None
    assert marks.get("viewBox") == "0 0 16 12"
    rect, ring = marks.find("rect"), marks.find("circle")
    assert rect is not None
    assert ring is not None
    assert [rect.get(key) for key in ("x", "y", "width", "height")] == ["4", "6", "8", "6"]
    assert (ring.get("cx"), ring.get("cy")) == ("8", "3")
    nothing = replace(pictures("cat", boxes=False), answer_xy=None)
    assert parsed(report_page(replace(CONTENT, phrase_pictures=[nothing]))).find(".//article//span/svg") is None


def test_presence_is_drawn_with_its_reliability():
    (presence,) = parsed(report_page(CONTENT)).findall(".//section[@id='presence']")
    assert "mean distance 0.125" in " ".join(presence.itertext())
    assert "presence 0.40: 67% of 3 are there" in [title.text for title in presence.iter("title")]


def test_figures_that_were_measured_have_cards():
    cards = {name: (value, note) for name, value, note in headline(FACTS, EVALUATION)}
    assert cards["PSNR"] == ("24.50 dB", "2 test views")
    assert cards["Localisation"] == ("75.0%", "3 of 4 answers in a box")
    assert cards["Presence accuracy"] == ("50.0%", "there 1/2, not there 1/1")
    assert cards["Training"] == ("1:05 min", "photos to run, cpu")
    assert cards["Memory"] == ("1.0 GiB", "peak of the training")
    assert "LPIPS" not in cards


NULLS = dict.fromkeys(EVALUATION)
NONSENSE = {key: ["x"] for key in EVALUATION}


@pytest.mark.parametrize("evaluation", [{}, NULLS, NONSENSE, {"psnr": float("nan"), "per_view": [None, {}]}])
@pytest.mark.parametrize("document", [{}, {"scene": None, "model": [], "training": {"preset": None}}])
def test_a_page_without_figures_is_a_page(evaluation: dict, document: dict):
    facts = RunFacts("run", document, {}, {}, 0)
    bare = ReportContent(facts, evaluation, [], [], [], "0.1", "today")
    root = parsed(report_page(bare))
    assert texts(root, ".//h2")[-1] == "Make it again"
    assert texts(root, ".//dl[@class='cards']/div/dt") == ["On disk"]
    compared = ComparedRun(facts, evaluation, [])
    parsed(compare_page(CompareContent([compared, compared], [], [], "0.1", "today")))


def test_pictures_stay_small_enough_for_a_page_below_5_megabytes():
    noise = np.random.default_rng(0).integers(0, 256, (700, 900, 3), dtype=np.uint8)
    data = webp(noise)
    assert len(data) * 4 / 3 * MAX_PICTURES < 4.8e6
    with Image.open(io.BytesIO(data)) as image:
        assert (image.format, image.size) == ("WEBP", (480, 373))
    smooth = np.broadcast_to(np.linspace(0, 255, 64).astype(np.uint8)[None, :, None], (48, 64, 3))
    with Image.open(io.BytesIO(webp(np.array(smooth)))) as image:
        assert np.abs(np.asarray(image).astype(int) - smooth).max() < 16


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_text_has_contrast_in_light_and_in_dark():
    blocks = re.findall(r":root \{([^}]*)\}", STYLE)
    assert len(blocks) == 2
    for block in blocks:
        colours = dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6})", block))
        for ink in ("ink", "soft", "link", "good", "bad", *(f"c{i}" for i in range(6))):
            for paper in ("paper", "card", "bad-row"):
                pair = sorted((luminance(colours[ink]), luminance(colours[paper])))
                assert (pair[1] + 0.05) / (pair[0] + 0.05) >= 4.5, (ink, paper)


def compared(name: str, *phrases: PhraseResult, **evaluation) -> ComparedRun:
    return ComparedRun(RunFacts(name, DOCUMENT | {"seed": len(name)}, METRICS, CURVES, 2**20), evaluation, phrases)


def test_runs_are_compared_phrase_by_phrase():
    first = compared(
        "a", result("mug", 0.9, hits=(True, False)), result("cat", 0.1, "absent"), result("dog", 0.6, None)
    )
    second = compared(
        "b", result("mug", 0.9, hits=(True, True)), result("cat", 0.8, "absent"), result("dog", 0.1, None)
    )
    (against,) = wins_and_losses([first, second])
    assert against == {
        "presence": WinsAndLosses(0, 1, 1),
        "hits": WinsAndLosses(1, 0, 0),
        "miou": WinsAndLosses(0, 1, 0),
    }
    assert most_different([first, second]) == [1, 0, 2]


def test_the_best_of_a_row_is_known_where_there_is_one():
    found = {f.name: f for f in figures([compared("a", psnr=20.0, lpips=0.2), compared("b", psnr=25.0, lpips=None)])}
    assert (found["PSNR, dB"].best, found["PSNR, dB"].texts()) == (25.0, ["20.00", "25.00"])
    assert (found["LPIPS"].best, found["LPIPS"].texts()) == (None, ["0.2000", "-"])
    assert "SSIM" not in found
    assert Figure("seconds", (3.0, 2.0), ".0f", "lower").best == 2.0
    assert Figure("steps", (3.0, 2.0), ".0f", None).best is None
    assert Figure("same", (2.0, 2.0), ".0f", "higher").best is None


def test_a_baked_run_took_as_long_as_its_field_and_the_baking():
    document = DOCUMENT | {"training": {"baked": {"run": "field"}}}
    facts = [
        replace(FACTS, metrics={"seconds": 3600.0}),
        replace(FACTS, document=document, metrics={"seconds": 60.0, "field_seconds": 3600.0}),
        replace(FACTS, document=document, metrics={"seconds": 60.0}),  # baked by 0.1.0
    ]
    rows = {figure.name: figure for figure in figures([ComparedRun(fact, {}, []) for fact in facts])}
    assert rows["training, seconds"].values == (3600.0, 3660.0, None)
    assert rows["training, seconds"].best == 3600


def test_the_page_of_several_runs_says_once_that_places_are_guesses():
    warned = DOCUMENT | {"scene": DOCUMENT["scene"] | {"warnings": ["all photos were taken from one place", HOSTILE]}}
    runs = [ComparedRun(replace(FACTS, name=name, document=warned), EVALUATION, []) for name in "ab"]
    page = parsed(compare_page(CompareContent(runs, [], [], "0.1", "today")))
    assert texts(page, ".//header/p")[1:3] == ["all photos were taken from one place", SHOWN]


def test_the_page_of_several_runs_is_safe_too():
    phrases = [result(HOSTILE, 0.9, hits=(True,)), result("mug", 0.9)]
    runs = [ComparedRun(replace(FACTS, name=HOSTILE), EVALUATION, phrases), compared("b", *phrases)]
    content = CompareContent(runs, [[pictures(HOSTILE)] * 2], [[VIEW] * 2], "0.1", "2026-01-02")
    page = compare_page(content)
    root = parsed(page)
    assert "<script>alert" not in page
    assert SHOWN in texts(root, ".//article/header/h3")
    settings = {row[0].text: [cell.text for cell in row[1:]] for row in root.findall(
        ".//section[@id='where-their-settings-differ']//tbody/tr")}  # fmt: skip
    assert settings == {"seed": ["\u2013", "1"]}
    assert len(root.findall(".//article//figure")) == 3 + 3
    alts = {image.get("alt") for image in root.iter("img")}
    assert len(alts) >= 5


def test_amounts_are_said_shortly():
    assert [seconds_text(s) for s in (4.21, 42.3, 59.6, 3725)] == ["4.2 s", "42 s", "1:00 min", "1:02:05 h"]
    assert [bytes_text(b) for b in (5 * 2**20, 3 * 2**30)] == ["5 MiB", "3.0 GiB"]
