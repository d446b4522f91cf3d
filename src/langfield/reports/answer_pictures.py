"""Pictures of answers: each phrase in the photo's view that shows its answer best."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, UInt8

from langfield.query.answers import Answer
from langfield.query.best_views import spread_views
from langfield.query.pictures import composited, relevancy_picture
from langfield.query.session import Session
from langfield.reports.contact_sheet import SheetRow

Rgb = UInt8[np.ndarray, "h w 3"]

# Longest sides: of the pictures that candidate views are compared on, and of those that people see.
_CANDIDATE_SIDE_PX = {"cuda": 160, "cpu": 80}
_PICTURE_SIDE_PX = {"cuda": 960, "cpu": 320}


@dataclass(frozen=True, eq=False)
class AnswerPictures:
    """One answer in one view.

    Attributes:
        rgb: the rendered picture.
        relevancy: as rendered, in colour (`ViewAnswers.relevancy`).
        refined: as the answer takes it, in colour (`ViewAnswers.refined`).
        composited: refined relevancy over the rendered picture, inside of the answer's mask.
        mask: the pixels of the answer.
        row: rgb, refined and composited as a row of a contact sheet.
    """

    rgb: Rgb
    relevancy: Rgb
    refined: Rgb
    composited: Rgb
    mask: Bool[np.ndarray, "h w"]
    row: SheetRow


def answer_pictures(
    session: Session, answer: Answer, view_index: int, negatives: Sequence[str] | None, min_presence: float = 0.5
) -> AnswerPictures:
    """The pictures of an answer in `session.views[view_index]`, at most 960 pixels long on a GPU and 320 on a CPU.

    Args: negatives, min_presence: with which it was asked.
    """
    view = session.views[view_index]
    camera = view.camera.fit_within(_PICTURE_SIDE_PX[session.device.type])
    answers = session.ask_view(camera, [answer.phrase], negatives=negatives, min_presence=min_presence)
    refined = relevancy_picture(answers.refined[0])
    over = composited(answers.rgb, answers.refined[0], answers.masks[0])
    figures = f"presence {answer.presence:.2f}" + (f", score {answer.score:.2f}" if answer.present else "")
    label = f"{answer.phrase}: {verdict(answer)} ({figures}), view {view.name}"
    row = SheetRow(label, (answers.rgb, refined, over))
    return AnswerPictures(answers.rgb, relevancy_picture(answers.relevancy[0]), refined, over, answers.masks[0], row)


def photo_row(
    session: Session,
    answer: Answer,
    view_index: int,
    read_photo: Callable[[str, tuple[int, int]], Rgb],
    note: str = "",
) -> SheetRow:
    """A row of a contact sheet: a photo, the relevancy map from its camera, and the answer over the photo.

    Args:
        view_index: of the photo among `session.views`.
        read_photo: gives the photo of a view's name at a size (width and height in pixels); what it raises is raised.
        note: follows the phrase in the row's label.
    """
    (row,) = photo_rows(session, [answer], [view_index], read_photo, note)
    return row


def photo_rows(
    session: Session,
    answers: Sequence[Answer],
    view_indices: Sequence[int],
    read_photo: Callable[[str, tuple[int, int]], Rgb],
    note: str = "",
) -> list[SheetRow]:
    """`photo_row` of each answer. A view that several answers share is rendered once, for that is what takes time."""
    rows: dict[int, SheetRow] = {}
    for view_index in dict.fromkeys(view_indices):
        view = session.views[view_index]
        camera = view.camera.fit_within(_PICTURE_SIDE_PX[session.device.type])
        numbers = [number for number, index in enumerate(view_indices) if index == view_index]
        in_view = session.ask_view(camera, [answers[number].phrase for number in numbers])
        photo = read_photo(view.name, (camera.width_px, camera.height_px))
        for number, refined, mask in zip(numbers, in_view.refined, in_view.masks, strict=True):
            answer = answers[number]
            label = f"{answer.phrase}{note}: {verdict(answer)} (presence {answer.presence:.2f})"
            rows[number] = SheetRow(label, (photo, relevancy_picture(refined), composited(photo, refined, mask)))
    return [rows[number] for number in range(len(answers))]


def verdict(answer: Answer) -> str:
    """Whether the phrase is in the scene, in words."""
    return "there" if answer.present else "not there"


def best_view_indices(session: Session, answers: Sequence[Answer], negatives: Sequence[str] | None = None) -> list[int]:
    """For each answer the index in `session.views` of the view in which its phrase scores highest.

    Candidates are the photos that show the best hit best, or of an answer without hits some spread over all; each is
    rendered once.
    """
    cameras = [view.camera for view in session.views]
    index_of = {view.name: index for index, view in enumerate(session.views)}
    answers_of: dict[int, list[int]] = {}  # for each candidate view the answers that it is a candidate for
    for number, answer in enumerate(answers):
        names = answer.hits[0].views if answer.hits else ()
        for candidate in [index_of[name] for name in names if name in index_of] or spread_views(len(cameras)):
            answers_of.setdefault(candidate, []).append(number)
    best: list[tuple[float, int]] = [(-1.0, 0)] * len(answers)
    for candidate, numbers in answers_of.items():
        camera = cameras[candidate].fit_within(_CANDIDATE_SIDE_PX[session.device.type])
        in_view = session.ask_view(camera, [answers[number].phrase for number in numbers], negatives=negatives)
        for number, score in zip(numbers, in_view.score, strict=True):
            if score > best[number][0]:
                best[number] = float(score), candidate
    return [candidate for _, candidate in best]
