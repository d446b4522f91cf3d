"""A session that several threads ask at once answers each of them as if it had been asked alone."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
import torch
from tests.query.fake_session import CARD, WORLD_FROM_SCENE, Texts, session
from tests.query.fake_world import PHRASES, Wall, WallView, camera_at

from langfield.query import phrase_encoder, phrase_matcher
from langfield.query.answers import ViewAnswers
from langfield.query.phrase_encoder import PhraseEncoder
from langfield.query.session import Session

THREADS, ROUNDS, PHRASES_KEPT = 8, 2, 2
CAMERAS = [camera_at(x, y, 32, 24).moved(WORLD_FROM_SCENE) for x, y in ((0, 0), (0.5, 0), (0, 0.4), (-0.5, 0.1))]
LISTS = (["thing"], ["nothing", "wall"])


@dataclass(frozen=True)
class CachingView(WallView):
    """A view that keeps what it was asked, as those of Gaussians do, and forgets it for other negatives."""

    asked: dict[str, Any] = field(default_factory=dict)

    def quick_relevancy(self, phrases):
        for text in phrases.texts:
            if text not in self.asked:
                self.asked[text] = self.relevancy(phrases, torch.full((self.pixel_count,), 0.6))[
                    phrases.texts.index(text)
                ]
        found = torch.stack([self.asked[text] for text in phrases.texts])
        while len(self.asked) > 1:
            del self.asked[next(iter(self.asked))]
        return found


class CachingWall(Wall):
    def view(self, camera):
        made = super().view(camera)
        return CachingView(made.camera, made.rendered, made.distance_scene, made.points_scene, self, made.samples)


def calls() -> list[Callable[[Session], Any]]:
    """Questions of all kinds, in an order that mixes cameras, phrases and negatives."""
    made: list[Callable[[Session], Any]] = []
    for number, camera in enumerate(CAMERAS):
        for phrases in LISTS:
            negatives = ["object"] if number % 2 else None
            made += [
                lambda run, p=phrases, n=negatives: [answer.to_json() for answer in run.query(p, negatives=n)],
                lambda run, c=camera, p=phrases, n=negatives: run.ask_view(c, p, negatives=n),
                lambda run, c=camera, p=phrases: run.ask_view(c, p, protocol="lerf"),
                lambda run, c=camera, p=phrases: run.quick_relevancy(c, p),
                lambda run, c=camera, p=phrases: run.level_maps(c, p, raw=True),
                lambda run, c=camera, p=phrases: run.hit_masks(c, p[0]),
                lambda run, p=phrases: run.elements(p[0]),
                lambda run, c=camera: run.picture(c),
                lambda run: run.surface(),
            ]
    return made


def assert_alike(answer: Any, expected: Any) -> None:
    """Equal but for rounding: sums over phrases that were asked together are added up in another order."""
    if isinstance(expected, dict):
        assert answer.keys() == expected.keys()
        answer, expected = list(answer.values()), list(expected.values())
    if isinstance(expected, (list, tuple)):
        assert len(answer) == len(expected)
        for one, other in zip(answer, expected, strict=True):
            assert_alike(one, other)
    elif isinstance(expected, ViewAnswers):
        assert_alike(vars(answer), vars(expected))
    elif isinstance(expected, (np.ndarray, torch.Tensor, float)):
        np.testing.assert_allclose(
            np.asarray(answer), np.asarray(expected), rtol=1e-3, atol=1e-3
        )  # the smoother's: columns are solved together
    else:
        assert answer == expected


@pytest.fixture(autouse=True)
def hurried(monkeypatch) -> Iterator[None]:
    """Threads change often, and little is kept."""
    monkeypatch.setattr(phrase_matcher, "_MATCHES_KEPT", PHRASES_KEPT)
    before, threads = sys.getswitchinterval(), torch.get_num_threads()
    sys.setswitchinterval(1e-4)
    torch.set_num_threads(1)
    yield
    sys.setswitchinterval(before)
    torch.set_num_threads(threads)


def test_eight_threads_with_mixed_calls_are_answered_as_one():
    asked = calls()
    alone = session(CachingWall())
    expected = [ask(alone) for ask in asked]
    for round_number in range(ROUNDS):
        shared, start = session(CachingWall()), threading.Barrier(THREADS)
        order = np.random.default_rng(round_number)
        orders = [order.permutation(len(asked)).tolist() for _ in range(THREADS)]

        def answers(order: list[int], shared: Session = shared, start: threading.Barrier = start) -> dict[int, Any]:
            start.wait()
            return {number: asked[number](shared) for number in order}

        with ThreadPoolExecutor(THREADS) as pool:
            for found in pool.map(answers, orders):
                assert_alike([found[number] for number in range(len(asked))], expected)


def test_the_encoder_is_loaded_once(monkeypatch):
    loaded: list[str] = []

    def load(spec: str, device: torch.device) -> Texts:
        loaded.append(spec)
        time.sleep(0.05)
        return Texts()

    monkeypatch.setattr(phrase_encoder, "load_image_text", load)
    encoder = PhraseEncoder(CARD.to_json(), torch.device("cpu"))
    with ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(lambda _: encoder.encode(["thing", "wall"], None), range(THREADS)))
    assert len(loaded) == 1
    assert all(torch.equal(phrases.embeddings, PHRASES.embeddings[:2]) for phrases in found)


def test_a_session_beside_another_shares_its_encoder_and_not_its_turn():
    """What one renders does not wait for what the other renders."""
    rendering, done = threading.Event(), threading.Event()

    class Slow(Wall):
        def render(self, camera, outputs=("rgb", "alpha", "depth")):
            rendering.set()
            assert done.wait(20)
            return super().render(camera, outputs)

    slow = session(Slow())
    other = slow.beside(replace(slow.info), Wall())
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(slow.picture, CAMERAS[0])
        assert rendering.wait(20)
        other.query(["thing"])
        assert not waiting.done()
        done.set()
        assert waiting.result(20)[1].shape == (24, 32)
