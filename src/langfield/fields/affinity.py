"""The field of the affinity head: grid features and a scale → what tells groups apart (GARField, Kim et al. 2024)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from langfield.fields.encodings import mlp


class AffinityField(nn.Module):
    """Unit grid features and a place on the scale axis → unit affinity features."""

    def __init__(self, in_features: int, out_features: int, width: int, layers: int) -> None:
        super().__init__()
        self.of_features = nn.Linear(in_features, width)
        # As large as the features' part at first, for the scale is one number among many.
        self.of_scale = nn.Parameter(torch.empty(width).uniform_(-1, 1))
        self.network = mlp([*[width] * layers, out_features])

    def forward(self, features: Float[Tensor, "n f"], place: Float[Tensor, " n"]) -> Float[Tensor, "n c"]:
        """Unit affinity features.

        Args:
            features: unit features of points or rays.
            place: of the scale among the scales that occur, from −1 for the smallest to 1 for the largest.
        """
        hidden = torch.relu(self.of_features(features) + place[:, None] * self.of_scale)
        return torch.nn.functional.normalize(self.network(hidden).float(), dim=-1)
