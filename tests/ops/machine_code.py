"""What compiled kernels need: read from machine code, for spilling happens after Triton's own languages."""

import re
import subprocess
import tempfile
from pathlib import Path

import triton.backends.nvidia

_CUOBJDUMP = Path(triton.backends.nvidia.__file__).parent / "bin" / "cuobjdump"


def stack_bytes(cubin: bytes) -> int:
    """Memory beside the registers that each thread of the kernel takes: what did not fit into them."""
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        done = subprocess.run([_CUOBJDUMP, "-res-usage", file.name], capture_output=True, text=True, check=True)
    found = re.findall(r"STACK:(\d+)", done.stdout)
    assert len(found) == 1, done.stdout
    return int(found[0])
