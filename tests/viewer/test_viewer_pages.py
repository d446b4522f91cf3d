"""Pages without a browser: clients that speak viser's protocol, and what they are shown."""

import asyncio

import numpy as np
import pytest

pytest.importorskip("viser", reason="the viewer's extra is not installed: pip install 'langfield[view]'")

from tests.query.fake_session import WORLD_FROM_SCENE
from tests.viewer.clients import Page, opened
from tests.viewer.pictures import assert_alike, server_picture

from langfield.core.transforms import Similarity
from langfield.query.session import Session
from langfield.viewer import look
from langfield.viewer.page_camera import page_camera
from langfield.viewer.run_scene import inner_point
from langfield.viewer.state import ViewerState
from langfield.viewer.viewer import Viewer


def test_a_phrase_is_shown_where_it_is(viewer: Viewer, field: Session):
    async def run() -> None:
        async with Page(viewer._front) as page:
            await opened(page)
            await page.move(position=[0.2, 0.1, 0.0])
            await page.settle()
            before = page.pictures[-1]
            assert_alike(before, server_picture(field, page, before.shape, ViewerState()))
            await page.ask("thing, nothing")
            await page.until(lambda: "not there" in page.text)
            await page.settle()
            state = ViewerState(phrases=("thing", "nothing"), layer="Composited")
            drawn = server_picture(field, page, page.pictures[-1].shape, state)
            assert_alike(page.pictures[-1], drawn)
            plain = server_picture(field, page, drawn.shape, ViewerState())
            assert np.abs(drawn.astype(float) - plain).max() > 60
            answer = field.query(["thing"])[0]
            assert f"presence {answer.presence:.2f}" in page.text
            assert sum(name.endswith("/box") for name in page.nodes) == len(answer.hits)

    asyncio.run(run())


def test_what_was_found_hides_the_scene(viewer: Viewer, field: Session):
    async def run() -> None:
        async with Page(viewer._front) as page:
            await opened(page)
            await page.ask("thing")
            await page.until(lambda: "found" in page.text)
            await page.set("Hide", "Scene")
            await page.settle()
            picture = page.pictures[-1].astype(int)
            hidden = (np.abs(picture - look.BACKGROUND) < 8).all(axis=2)
            state = ViewerState(phrases=("thing",), layer="Composited", hide="Scene")
            wanted = (server_picture(field, page, picture.shape, state) == look.BACKGROUND).all(axis=2)
            assert (hidden == wanted).mean() > 0.97
            assert 0.5 < wanted.mean() < 1
            await page.set("Hide", "What was found")
            await page.until(lambda: "/elements" in page.nodes, 60)
            await page.settle()
            assert page.pictures[-1] is None  # the browser draws
            shown = len(page.nodes["/elements"]["props"]["points"]) // 3
            points = field.surface()[0]
            assert 0 < shown < len(points)

    asyncio.run(run())


def test_gaussians_are_drawn_by_the_browser_while_it_moves(viewer: Viewer, splats: Session):
    async def run() -> None:
        async with Page(viewer._front, '{"run": "splats"}') as page:
            await opened(page)
            await page.until(lambda: "/elements" in page.nodes)
            await page.settle()
            assert page.pictures[-1] is not None
            assert page.nodes["/elements"]["visible"] is False
            for step in range(12):
                await page.move(position=[0.02 * step, 0.0, 0.0])
                await asyncio.sleep(0.05)
            assert page.pictures[-1] is None
            assert page.nodes["/elements"]["visible"] is True
            await page.settle()
            assert page.pictures[-1] is not None
            await page.ask("thing")
            await page.until(lambda: "found" in page.text)
            await page.set("Hide", "What was found")
            await page.settle()
            count = len(page.nodes["/elements"]["props"]["buffer"]) // 8
            assert page.nodes["/elements"]["visible"] is True
            assert page.pictures[-1] is None
            assert count == len(splats.splats()) - sum(hit.sum() for hit in splats.elements("thing"))

    asyncio.run(run())


def test_a_click_selects_what_is_there(viewer: Viewer, field: Session):
    async def run() -> None:
        async with Page(viewer._front) as page:
            await opened(page)
            await page.move(position=[0.8, 0.4, 0.0])  # before the thing
            await page.settle()
            await page.click(0.5, 0.5)
            await page.until(lambda: "Selected" in page.text)
            await page.settle()
            world = field.point_at(page_camera_of(page, field), (160, 120))
            shape = field.segment(world)
            assert f"{shape.elements:,} elements" in page.text
            rim = page.pictures[-1].astype(int).min(axis=2) > 200
            assert rim.any()
            before = page.text
            assert 0 < page.inputs[page.uuid("Scale")]["value"] < 100
            await page.set("Scale", 100)  # the larger disc
            await page.until(lambda: page.text != before)
            assert f"{field.segment(world, scale_world=6.0).elements:,} elements" in page.text
            await page.press("Select nothing")
            await page.until(lambda: "Selected" not in page.text)

    asyncio.run(run())


def page_camera_of(page: Page, session: Session):
    camera = page_camera([1, 0, 0, 0], page.position, page.fov, 320, 240)
    assert camera is not None
    return camera.camera(Similarity.from_matrix(session.info.scene_from_world), 640)


def test_a_hit_is_flown_to(viewer: Viewer, field: Session):
    async def run() -> None:
        async with Page(viewer._front) as page:
            await opened(page)
            await page.ask("thing")
            await page.until(lambda: any(label.startswith("1 · score") for label in page.labels))
            start = page.position
            await page.press("1 · score")
            await page.until(lambda: "Seen best in" in page.text)
            await page.settle()
            thing = WORLD_FROM_SCENE.inverse().points(np.array(field.query(["thing"])[0].position))
            assert np.linalg.norm(thing - page.position) < np.linalg.norm(thing - start)

    asyncio.run(run())


def test_two_clients_do_not_see_each_other_s_questions(viewer: Viewer):
    async def run() -> None:
        async with Page(viewer._front) as one, Page(viewer._front) as other:
            await asyncio.gather(opened(one), opened(other))
            await one.ask("thing")
            await other.ask("wall")
            await one.until(lambda: "</span>thing</span>" in one.text)
            await other.until(lambda: "</span>wall</span>" in other.text)
            await asyncio.gather(one.settle(), other.settle())
            assert "</span>wall</span>" not in one.text
            assert "</span>thing</span>" not in other.text

    asyncio.run(run())


def test_things_have_colours_and_can_be_gone_to(viewer: Viewer, field: Session):
    async def run() -> None:
        async with Page(viewer._front) as page:
            await opened(page)
            await page.move(position=[0.8, 0.4, 0.0])
            await page.set("Layer", "Objects")
            await page.settle()
            camera = page_camera_of(page, field).fit_within(max(page.pictures[-1].shape))
            things = tuple(found.shape.group for found in field.objects())
            drawn = look.picture(field, camera, look.Look(ViewerState(layer="Objects"), None, things)).numpy()
            assert_alike(page.pictures[-1], drawn)
            assert len(np.unique(drawn.reshape(-1, 3), axis=0)) > 1
            options = page.inputs[page.uuid("Things")]["props"]["options"]
            assert len(options) == 1 + len(things)
            start = page.position
            await page.set("Things", options[1])
            await page.until(lambda: "Selected" in page.text and page.position != start)

    asyncio.run(run())


def test_a_thing_of_the_list_can_be_scaled(viewer: Viewer, field: Session):
    async def run() -> None:
        async with Page(viewer._front) as page:
            await opened(page)
            options = page.inputs[page.uuid("Things")]["props"]["options"]
            await page.set("Things", options[1])
            await page.until(lambda: "Selected" in page.text)
            before = page.text
            await page.settle()
            await page.set("Scale", 100)
            await page.until(lambda: page.text != before)
            await page.settle()
            assert "Something went wrong" not in page.text
            group = field.objects()[0].shape
            wider = field.segment(inner_point(group.points_world), scale_world=6.0)
            assert f"{wider.elements:,} elements" in page.text

    asyncio.run(run())


def test_another_run_answers_the_same_phrases(viewer: Viewer, splats: Session):
    async def run() -> None:
        async with Page(viewer._front) as page:
            await opened(page)
            await page.ask("thing")
            await page.until(lambda: "found" in page.text)
            await page.set("Run", "splats")
            await page.until(lambda: "/elements" in page.nodes)
            await page.until(lambda: "found" in page.text)
            assert f"presence {splats.query(['thing'])[0].presence:.2f}" in page.text

    asyncio.run(run())


def test_many_clients_at_once_get_what_one_gets(viewer: Viewer, field: Session):
    async def one(number: int) -> None:
        phrase = ("thing", "wall", "nothing")[number % 3]
        async with Page(viewer._front) as page:
            await page.until(lambda: "Find" in page.labels, 60)
            for step in range(3):
                await page.ask(phrase)
                await page.move(position=[0.1 * step, 0.02 * number, 0.0])
                await asyncio.sleep(0.05)
            await page.until(lambda: "presence" in page.text, 60)
            await page.settle(2.0)
            assert f"presence {field.query([phrase])[0].presence:.2f}" in page.text
            state = ViewerState(phrases=(phrase,), layer="Composited")
            assert_alike(page.pictures[-1], server_picture(field, page, page.pictures[-1].shape, state))

    async def run() -> None:
        await asyncio.gather(*(one(number) for number in range(10)))

    asyncio.run(run())
