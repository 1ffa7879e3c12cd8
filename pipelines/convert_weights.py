"""Turn a public ``.pth`` file of weights into a safetensors file that an encoder of clinfuse begins with.

The file is opened by a process of its own, which takes tensors only and is gone afterwards: a ``.pth`` file is a
pickle, and a pickle can hold code. Names are then matched one by one with those of the encoder; a tensor that is
missing or left over stops the conversion.

    python pipelines/convert_weights.py resnet18.pth weights/resnet18.safetensors --encoder resnet18 --shape 1 224 224
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor

from clinfuse.encoders.choice import EncoderChoice, build_encoder
from clinfuse.errors import ClinfuseError

READER = """
import sys, torch
from safetensors.torch import save_file
found = torch.load(sys.argv[1], map_location="cpu", weights_only=True)
for key in ("state_dict", "model_state_dict", "model"):
    found = found.get(key, found)
save_file({name: value.clone().contiguous() for name, value in found.items() if torch.is_tensor(value)}, sys.argv[2])
"""
LAYER = re.compile(r"(denselayer\d+)\.(norm|conv)")  # MONAI has a container between the two
LAST = re.compile(r"(fc|classifier|class_layers|_fc)\.")
NEVER = "num_batches_tracked"


def tensors_of(checkpoint: Path) -> dict[str, Tensor]:
    """Give the tensors of a checkpoint by name."""
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "plain.safetensors"
        command = [sys.executable, "-I", "-c", READER, str(checkpoint.resolve()), str(plain)]
        if subprocess.run(command, capture_output=True, timeout=600, check=False).returncode:
            sys.exit("This file is not a checkpoint of tensors alone; nothing in it was run.")
        return load_file(plain)


def renamed(tensors: dict[str, Tensor], *, norm: str, channels: int) -> dict[str, Tensor]:
    """Give the tensors under an encoder's names, without the last layer."""
    result = {}
    for name, tensor in tensors.items():
        own = LAYER.sub(r"\1.layers.\2", name.removeprefix("module."))
        statistics = own.rpartition(".")[2] in ("running_mean", "running_var")
        if LAST.match(own) or own.endswith(NEVER) or (statistics and norm == "group"):
            continue
        # A network for colour that is shown grey in all three channels adds their weights up.
        grey = channels == 1 and tensor.ndim >= 4 and tensor.shape[1] == 3
        result[own] = tensor.sum(1, keepdim=True).contiguous() if grey else tensor
    return result


def main() -> None:
    """Convert what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("target", type=Path, help="the safetensors file to write")
    parser.add_argument("--encoder", required=True, help="resnet10, resnet18, resnet34, densenet121, ...")
    parser.add_argument("--shape", required=True, type=int, nargs="+", help="channels, then voxels: 1 96 96 48")
    parser.add_argument("--norm", choices=("fixed", "group"), default="fixed", help="see docs/how-to/weights.md")
    asked = parser.parse_args()
    tensors = renamed(tensors_of(asked.checkpoint), norm=asked.norm, channels=asked.shape[0])
    asked.target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=asked.target.parent) as folder:
        written = Path(folder) / asked.target.name
        save_file(tensors, written)
        options = {"norm": asked.norm} if asked.norm != "group" else {}
        try:
            build_encoder(EncoderChoice(asked.encoder, weights=str(written), options=options), asked.shape, seed=0)
        except ClinfuseError as error:
            sys.exit(f"Not converted. {error}")
        written.replace(asked.target)
    table = f'name = "{asked.encoder}", weights = "{asked.target}"'
    table += f', options = {{ norm = "{asked.norm}" }}' if options else ""
    print(f"{len(tensors)} tensors, each with its place in {asked.encoder}. For study.toml:\n")
    print(f"[networks]\nct = {{ {table} }}")


if __name__ == "__main__":
    main()
