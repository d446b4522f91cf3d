"""Parts of an opened run's answers, made of public pieces: encoded phrases, a view, the index of its surface."""

from collections.abc import Sequence

from langfield.core.cameras import Camera
from langfield.core.transforms import Similarity
from langfield.models.base import AskableView
from langfield.models.relevancy import EncodedPhrases
from langfield.query.index.scene_index import SceneIndex, build_scene_index
from langfield.query.session import Session


def encoded(session: Session, phrases: Sequence[str]) -> EncodedPhrases:
    """Phrases against the negatives of the run's encoder."""
    encoder = session.encoder
    embeddings, negatives = (
        encoder.encode_texts(texts).to(session.device) for texts in (phrases, encoder.card.negatives)
    )
    return EncodedPhrases(tuple(phrases), embeddings, negatives, encoder.card.temperature)


def opened_anew(run: str, device: str) -> Session:
    """A run whose first question makes the scene's index, whatever is kept with the run, and keeps nothing."""
    session = Session.open(run, device=device)
    return session.beside(session.info, session.model)


def scene_from_world(session: Session) -> Similarity:
    return Similarity.from_matrix(session.info.scene_from_world)


def view_of(session: Session, camera: Camera) -> AskableView:
    """A camera of the world frame, rendered anew."""
    return session.model.view(camera.moved(scene_from_world(session)))


def index_of(session: Session) -> SceneIndex:
    """The same as the session makes for itself at its first question."""
    cameras = [view.camera for view in session.train_views()]
    return build_scene_index(cameras, lambda camera: view_of(session, camera), session.observed_scales())
