"""Which columns rows hold, as pairs on a device: masks and groups as sets of voxels, and sums over what two share.

Sums are of whole numbers, so that they are exact whatever their order: the same on a CPU and on a GPU.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64
from scipy import sparse
from torch import Tensor

from langfield.core.devices import to_device_async

PAIRS_AT_ONCE = {"cpu": 2**16, "cuda": 2**24}  # on a CPU they stay in its cache


@dataclass(frozen=True, eq=False)
class Incidence:
    """E pairs of a row and a column that it holds, each once, ordered by row and then by column.

    Attributes:
        row: of each pair.
        column: of each pair.
        shape: R rows and C columns.
    """

    row: Int64[Tensor, " e"]
    column: Int64[Tensor, " e"]
    shape: tuple[int, int]

    def __len__(self) -> int:
        return len(self.row)

    @classmethod
    def of_csr(cls, matrix: sparse.csr_matrix, device: torch.device | str) -> "Incidence":
        """Where a sparse matrix stores something; its indices must be sorted."""
        rows, columns = matrix.shape  # pyright: ignore[reportGeneralTypeIssues]
        device = torch.device(device)
        row = np.repeat(np.arange(rows), np.diff(matrix.indptr))
        column = to_device_async(matrix.indices, device, np.int64)
        return cls(to_device_async(row, device, np.int64), column, (int(rows), int(columns)))

    @classmethod
    def of_dense(cls, held: Bool[Tensor, "r c"]) -> "Incidence":
        """Where a matrix is true. Waits for the device once."""
        row, column = held.nonzero().unbind(1)
        return cls(row, column, (held.shape[0], held.shape[1]))

    @property
    def device(self) -> torch.device:
        """Where the pairs are."""
        return self.row.device

    @cached_property
    def sizes(self) -> Int64[Tensor, " r"]:
        """How many columns each row holds."""
        return self.starts.diff()

    @cached_property
    def starts(self) -> Int64[Tensor, " r_and_1"]:
        """Where each row's pairs begin, and their number at the end."""
        return torch.searchsorted(self.row, torch.arange(self.shape[0] + 1, device=self.device))

    @cached_property
    def transposed(self) -> "Incidence":
        """The same pairs ordered by column, as rows."""
        keys = sorted_numbers(self.column * self.shape[0] + self.row)
        column = keys.div(max(self.shape[0], 1), rounding_mode="floor")
        return Incidence(column, keys - column * self.shape[0], (self.shape[1], self.shape[0]))

    def where(self, kept: Bool[Tensor, " e"]) -> "Incidence":
        """Some of the pairs. Waits for the device once."""
        which = kept.nonzero()[:, 0]
        return Incidence(self.row[which], self.column[which], self.shape)

    def of_rows(self, kept: Int64[Tensor, " k"]) -> "Incidence":
        """K of the rows, rising, renumbered in their order. Waits for the device."""
        number = torch.full((self.shape[0],), -1, dtype=torch.int64, device=self.device)
        number[kept] = torch.arange(len(kept), device=self.device)
        some = self.where(number[self.row] >= 0)
        return Incidence(number[some.row], some.column, (len(kept), self.shape[1]))

    def of_columns(self, kept: Int64[Tensor, " k"]) -> "Incidence":
        """The rows with K of the columns, rising, renumbered in their order. Waits for the device."""
        number = torch.full((self.shape[1],), -1, dtype=torch.int64, device=self.device)
        number[kept] = torch.arange(len(kept), device=self.device)
        some = self.where(number[self.column] >= 0)
        return Incidence(some.row, number[some.column], (self.shape[0], len(kept)))

    def dense(self, rows: range | None = None) -> Bool[Tensor, "r c"]:
        """As a matrix, or some neighbouring rows of it; for some it waits for the device once."""
        low, high = (0, len(self)) if rows is None else self.starts[[rows.start, rows.stop]].tolist()
        first, count = (0, self.shape[0]) if rows is None else (rows.start, len(rows))
        held = torch.zeros(count, self.shape[1], dtype=torch.bool, device=self.device)
        held[self.row[low:high] - first, self.column[low:high]] = True
        return held


def sorted_numbers(numbers: Int64[Tensor, " n"]) -> Int64[Tensor, " n"]:
    """Numbers in rising order; numpy sorts them many times faster than torch on a CPU."""
    if numbers.device.type == "cpu":
        return torch.from_numpy(np.sort(numbers.numpy()))
    return numbers.sort().values


def distinct_numbers(numbers: Int64[Tensor, " n"]) -> Int64[Tensor, " d"]:
    """The numbers that are there, each once, rising. Waits for the device once."""
    ordered = sorted_numbers(numbers)
    first = torch.ones(len(ordered), dtype=torch.bool, device=ordered.device)
    torch.ne(ordered[1:], ordered[:-1], out=first[1:])
    return ordered[first]


def expanded(row: Int64[Tensor, " n"], rows: Incidence) -> Iterator[tuple[Int64[Tensor, " p"], Int64[Tensor, " p"]]]:
    """For each of N numbers of rows the columns of that row: which of the N, and the column. Some pairs at a time, in
    order; waits for the device once for all, and once each."""
    if not len(row):
        return
    count = rows.sizes[row]
    end = count.cumsum(0)
    ends = end.cpu().numpy()
    shift = rows.starts[row] - (end - count)  # from a pair's place among all to its place in `rows`
    first, limit = 0, PAIRS_AT_ONCE[rows.device.type]
    while first < len(ends):
        done = int(ends[first - 1]) if first else 0
        last = max(int(np.searchsorted(ends, done + limit, side="right")), first + 1)
        some, total = slice(first, last), int(ends[last - 1]) - done
        place = torch.arange(done, done + total, device=rows.device)
        place += torch.repeat_interleave(shift[some], count[some], output_size=total)
        numbers = torch.arange(first, last, device=rows.device)
        yield torch.repeat_interleave(numbers, count[some], output_size=total), rows.column[place]
        first = last


def shared_sums(
    left: Incidence, right: Incidence, weight: Int64[Tensor, " c"] | None = None, rows: range | None = None
) -> Float64[Tensor, "l r"]:
    """Of each row on the left and each on the right, the sum of the weights of the columns that both hold (or their
    number). Exact below 2^53. Cost: the pairs of rows, left and right, that hold a column, summed over the columns.

    Args:
        left, right: of the same columns.
        weight: of the columns, whole numbers.
        rows: only these of the left.
    """
    begin, end = (0, left.shape[0]) if rows is None else (rows.start, rows.stop)
    low, high = (0, len(left)) if rows is None else left.starts[[begin, end]].tolist()
    column, of_column, width = left.column[low:high], right.transposed, right.shape[0]
    worth = torch.ones_like(column).double() if weight is None else weight[column].double()
    place = (left.row[low:high] - begin) * width
    total = torch.zeros((end - begin) * width, dtype=torch.float64, device=left.device)
    for pair, other in expanded(column, of_column):
        total.index_add_(0, other.add_(place[pair]), worth[pair])
    return total.view(end - begin, width)


def sums_where(
    chosen: tuple[Int64[Tensor, " p"], Int64[Tensor, " p"]],
    rows: Incidence,
    known: Bool[Tensor, "k c"],
    weight: Int64[Tensor, " c"],
) -> Float64[Tensor, " p"]:
    """For each of P pairs (k, r), the sum of the weights of row r's columns that k knows. Exact below 2^53."""
    knower, row = chosen
    total = torch.zeros(len(row), dtype=torch.float64, device=rows.device)
    worth, start, flat = weight.double(), knower * rows.shape[1], known.reshape(-1)
    for pair, column in expanded(row, rows):
        total.index_add_(0, pair, worth[column] * flat[column.add_(start[pair])])
    return total
