"""Phrases against a scene's index: whether each is there (`presence`), and the regions of the surface where."""

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import replace

from langfield.core.errors import UsageError
from langfield.core.progress import Progress, silent
from langfield.models.relevancy import EncodedPhrases
from langfield.query.index.scene_index import PhraseMatch
from langfield.query.opened_scene import OpenedScene
from langfield.query.phrase_arguments import share
from langfield.query.phrase_encoder import PhraseEncoder
from langfield.query.presence import MIN_NOUNS, PresenceCalibration, common_nouns, distinct_texts, uncalibrated_presence

PHRASES_AT_ONCE = 128
_MATCHES_KEPT = 256
_QUESTIONS_KEPT = 4
_QUESTION_BYTES = 2**26


class PhraseMatcher:
    """Finds phrases in one scene, and keeps what it found. For one thread at a time."""

    def __init__(self, scene: OpenedScene, encoder: PhraseEncoder) -> None:
        self._scene = scene
        self._encoder = encoder
        self._calibrations: dict[tuple[str, ...], PresenceCalibration | None] = {}
        self._matches: dict[tuple[str, tuple[str, ...]], PhraseMatch] = {}
        self._prepared: OrderedDict[Hashable, EncodedPhrases] = OrderedDict()

    def encoded(self, phrases: Sequence[str], negatives: Sequence[str] | None) -> EncodedPhrases:
        """Embeddings of phrases and negatives (None: those of the encoder's card).

        UsageError for phrases without words, and for a run without language.
        """
        self._check(phrases, negatives)
        return self._encoder.encode(phrases, negatives)

    def prepared(self, phrases: Sequence[str], negatives: Sequence[str] | None) -> EncodedPhrases:
        """`encoded`, prepared for views of the scene's model: the last four questions are kept, with what views worked
        out of them, if they are not large.

        UsageError as `encoded` raises it.
        """
        self._check(phrases, negatives)
        question = tuple(phrases), self._encoder.negatives(negatives)
        asked = self._prepared.pop(question, None)
        if asked is None:
            asked = self._scene.model.prepare_phrases(self.encoded(phrases, negatives))
        if asked.code_relevancy is None or asked.code_relevancy.nbytes <= _QUESTION_BYTES:
            self._prepared[question] = asked
        while len(self._prepared) > _QUESTIONS_KEPT:
            self._prepared.popitem(last=False)
        return asked

    def _check(self, phrases: Sequence[str], negatives: Sequence[str] | None) -> None:
        self._encoder.check(phrases, negatives)
        _ = self._encoder.card
        if not self._scene.model.answers_phrases:
            raise UsageError("this run has no language yet: let the command that trains it finish")

    def match(
        self,
        phrases: Sequence[str],
        negatives: Sequence[str] | None,
        min_presence: float = 0.5,
        progress: Progress = silent,
    ) -> list[PhraseMatch]:
        """Phrases in the scene, in their order; the last 256 are kept. A region of a run with groups is the group that
        explains it, if one does.

        Raises UsageError as `encoded` does, and for a `min_presence` that is no share.
        """
        self._check(phrases, negatives)
        min_presence = share(min_presence, "min_presence")
        against = self._encoder.negatives(negatives)
        new = [text for text in dict.fromkeys(phrases) if (text, against) not in self._matches]
        calibration = self._calibration(negatives, progress)
        for start in range(0, len(new), PHRASES_AT_ONCE):
            texts = new[start : start + PHRASES_AT_ONCE]
            found = self._matched(self.encoded(texts, negatives), calibration)
            self._matches |= {(text, against): match for text, match in zip(texts, found, strict=True)}
        matches = [replace(self._matches[text, against], min_presence=min_presence) for text in phrases]
        while len(self._matches) > _MATCHES_KEPT:
            del self._matches[next(iter(self._matches))]
        return matches

    def _matched(self, phrases: EncodedPhrases, calibration: PresenceCalibration | None) -> list[PhraseMatch]:
        index = self._scene.index()
        scores = index.score(phrases)
        presence = (uncalibrated_presence if calibration is None else calibration.presence)(scores.cell_relevancy)
        groups = self._scene.groups() if self._scene.has_groups else None
        matches = []
        for number, voxel_relevancy in enumerate(scores.voxel_relevancy):
            regions = index.graph.regions(voxel_relevancy)
            if groups is not None:
                regions = groups.on_index.explained(regions, voxel_relevancy)
            row = voxel_relevancy.copy()  # a view would keep the whole table alive
            matches.append(PhraseMatch(float(presence[number]), row, int(scores.crop_level[number]), regions))
        return matches

    def _calibration(self, negatives: Sequence[str] | None, progress: Progress) -> PresenceCalibration | None:
        """Made once for each set of negatives; None where nothing of the index's surface was observed, or the encoder
        tells too few of the common nouns apart."""
        index, against = self._scene.index(progress), self._encoder.negatives(negatives)
        if not len(index.cells):
            return None
        if against not in self._calibrations:
            nouns = self.encoded(common_nouns(), negatives)
            distinct = nouns[distinct_texts(nouns.embeddings)]
            enough = len(distinct) >= MIN_NOUNS
            self._calibrations[against] = PresenceCalibration.fit(index.cell_relevancy(distinct)) if enough else None
        return self._calibrations[against]
