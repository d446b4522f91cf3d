"""Fields: first layers computed in two parts are the papers' one layer, and who sees which appearance."""

import pytest
import torch

from langfield.fields.language import DenseField, FeatureGrid, FeatureGridConfig, LanguageField
from langfield.fields.radiance import DensityConfig, DensityField, RadianceConfig, RadianceField
from langfield.ops.spherical_harmonics import sh_encoding

RAYS, SAMPLES = 5, 7
CONFIG = RadianceConfig(levels=2, log2_rows=8, max_resolution=32, color_width=12, geometry_features=6)
GRID = FeatureGridConfig(levels=(2, 3), resolutions=((4, 8), (8, 16)), log2_rows=8, features=4)


@pytest.fixture
def radiance():
    torch.manual_seed(0)
    field = RadianceField(CONFIG, photos=3)
    torch.nn.init.normal_(field.appearance)
    return field


@pytest.fixture
def rays():
    directions = torch.nn.functional.normalize(torch.randn(RAYS, 3), dim=-1)
    return torch.randn(RAYS, SAMPLES, CONFIG.geometry_features), directions


def one_layer_color(field, geometry, directions, appearance):
    """nerfacto's form: one layer of (direction, appearance, geometry) for every sample."""
    weight = torch.cat([field.color_of_ray.weight, field.color_of_sample.weight], dim=1)
    shared = torch.cat([sh_encoding(directions), appearance], dim=-1)
    inputs = torch.cat([shared[:, None].expand(-1, SAMPLES, -1), geometry], dim=-1)
    hidden = torch.relu(inputs @ weight.T + field.color_of_ray.bias)
    return torch.sigmoid(field.color_network(hidden))


def test_color_in_two_parts_is_the_one_layer_form(radiance, rays):
    photo = torch.tensor([2, 0, 1, 1, 2])
    expected = one_layer_color(radiance, *rays, radiance.appearance[photo])
    color = radiance.color(*rays, photo)
    assert color.shape == (RAYS, SAMPLES, 3)
    torch.testing.assert_close(color, expected)
    assert not torch.allclose(color, radiance.color(*rays, photo.flip(0)))


def test_a_view_that_is_no_photo_sees_the_mean_appearance(radiance, rays):
    mean = radiance.appearance.mean(dim=0).expand(RAYS, -1)
    torch.testing.assert_close(radiance.color(*rays, None), one_layer_color(radiance, *rays, mean))


def test_densities(radiance):
    points = torch.randn(11, 3) * 3
    density, geometry = radiance.density(points)
    assert (density.shape, geometry.shape) == ((11,), (11, CONFIG.geometry_features))
    proposal = DensityField(DensityConfig(levels=2, log2_rows=8, max_resolution=32))(points)
    assert proposal.shape == (11,)
    assert (density > 0).all()
    assert (proposal > 0).all()


def test_language_in_two_parts_is_the_one_layer_form():
    """LERF's head: one layer of (features, scale), then the others, then unit length."""
    torch.manual_seed(1)
    field = LanguageField(in_features=20, embed_dim=9, width=16, layers=3)
    features, scale = torch.randn(8, 20), torch.rand(8)
    weight = torch.cat([field.of_features.weight, field.of_scale[:, None]], dim=1)
    inputs = torch.cat([features, scale[:, None]], dim=-1)
    expected = field.network(torch.relu(inputs @ weight.T + field.of_features.bias))
    out = field(features, scale)
    torch.testing.assert_close(out, torch.nn.functional.normalize(expected, dim=-1))
    torch.testing.assert_close(out.norm(dim=-1), torch.ones(8))
    assert not torch.allclose(out, field(features, scale + 1))


def test_feature_grids_stand_side_by_side():
    grid = FeatureGrid(GRID)
    points = torch.randn(6, 3)
    features = grid(points)
    assert grid.out_features == 2 * 4 + 3 * 4
    assert features.shape == (6, 20)
    assert DenseField(20, 5, width=8)(features).shape == (6, 5)
