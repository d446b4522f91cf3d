"""Hash-grid encoding on a GPU: the Triton kernels against the torch reference and against the memory's floor.

    python benchmarks/hash_encode.py

For each grid of the LERF preset: error of forward and backward against the reference, times (median of 20, CUDA
events), their ratio to the reference, and the floor: the fewest bytes that must move (positions, results, their
gradients, and the table and its gradient once each) at the bandwidth of a large copy measured first.
"""

from collections.abc import Callable

import torch

from langfield.models.presets import LERF
from langfield.ops.hash_grid import HashGridSpec, reference, triton_kernels
from langfield.renderers.samplers.proposal import ProposalSamplerConfig

RAYS = 4096


def milliseconds(function: Callable[[], object], repeats: int = 20) -> float:
    """Median over `repeats` runs after three to warm up."""
    for _ in range(3):
        function()
    times = []
    for _ in range(repeats):
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        function()
        end.record()
        torch.cuda.synchronize()
        times.append(start.elapsed_time(end))
    return sorted(times)[repeats // 2]


def copy_bytes_per_ms() -> float:
    source = torch.empty(2**30, dtype=torch.uint8, device="cuda").random_()
    target = torch.empty_like(source)
    return 2 * source.numel() / milliseconds(lambda: target.copy_(source))


def relative_error(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).norm() / b.norm())


def measure(name: str, spec: HashGridSpec, points: int, bytes_per_ms: float) -> str:
    positions = torch.rand(points, 3, device="cuda")
    table = torch.randn(spec.table_shape, device="cuda", requires_grad=True)
    twin = table.detach().clone().requires_grad_()
    cotangent = torch.randn(points, spec.out_features, device="cuda")

    def run(encode: Callable[..., torch.Tensor], of: torch.Tensor) -> torch.Tensor:
        of.grad = None
        out = encode(positions, of, spec)
        out.backward(cotangent)
        return out.detach()

    forward_error = relative_error(run(triton_kernels.hash_encode, table), run(reference.hash_encode, twin))
    assert table.grad is not None
    assert twin.grad is not None
    backward_error = relative_error(table.grad, twin.grad)
    forward = milliseconds(lambda: triton_kernels.hash_encode(positions, table.detach(), spec))
    both = milliseconds(lambda: run(triton_kernels.hash_encode, table))
    plain = milliseconds(lambda: run(reference.hash_encode, twin), 5)
    touched = min(table.numel(), points * spec.levels * 8 * spec.features)
    floor_bytes = 4 * (2 * 3 * points + 2 * cotangent.numel() + touched + 2 * table.numel())
    floor = floor_bytes / bytes_per_ms
    return (
        f"| {name} | {points:,} x {spec.levels} x {spec.features} | {forward_error:.0e} | {backward_error:.0e} "
        f"| {forward:.3f} | {both:.3f} | {plain:.2f} | {plain / both:.1f} | {floor:.3f} | {both / floor:.1f} |"
    )


def main() -> None:
    bytes_per_ms = copy_bytes_per_ms()
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, copy {bytes_per_ms / 1e9:.2f} TB/s")
    print("| grid | points x levels x features | error fwd, bwd | | fwd ms | fwd+bwd | torch | x | floor | x floor |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    first, second = LERF.feature_grid.specs()
    sampler = LERF.sampler
    assert isinstance(sampler, ProposalSamplerConfig)
    print(measure("radiance", LERF.radiance.grid, RAYS * sampler.samples, bytes_per_ms))
    for i, (network, samples) in enumerate(zip(sampler.networks, sampler.proposal_samples, strict=True), start=1):
        print(measure(f"proposal {i}", network.grid, RAYS * samples, bytes_per_ms))
    print(measure("features 16-128", first, RAYS * LERF.head_samples, bytes_per_ms))
    print(measure("features 128-512", second, RAYS * LERF.head_samples, bytes_per_ms))


if __name__ == "__main__":
    main()
