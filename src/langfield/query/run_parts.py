"""What a session is made of, from the files of a run."""

from langfield.core.config import config_from_json
from langfield.core.errors import DataError, RunError
from langfield.groups.scene_groups import SceneGroups
from langfield.models.base import Model
from langfield.models.config import ModelContext
from langfield.models.registry import create_model
from langfield.runs.directory import Run


def model_of(run: Run) -> Model:
    """The run's trained model, on the CPU. RunError if this langfield cannot make it."""
    try:
        context = config_from_json(ModelContext, dict(run.info.model_context), "model.context")
        model = create_model(run.info.model, run.info.model_config, context)
        model.load_state_dict(run.tensors("model"))
    except (ValueError, RuntimeError) as error:
        raise RunError(f"cannot be opened by this langfield: {error}", run.folder) from None
    return model


def groups_of(run: Run) -> SceneGroups | None:
    """The groups of a run's surface; None where it was trained without masks. RunError if they do not fit together."""
    if "groups.safetensors" not in run.files:
        return None
    try:
        return SceneGroups.from_arrays({name: tensor.numpy() for name, tensor in run.tensors("groups").items()})
    except (ValueError, DataError) as error:
        message = f"holds no groups ({error}); train again with --masks, into a new folder"
        raise RunError(message, run.folder / "groups.safetensors") from None
