"""Fine-tuning from public weights beside training from scratch, for the same time: accuracy on held-out photographs.

    python benchmarks/finetuning.py DATA --network squeezenet1_1 --weights squeezenet1_1.pth [--image 224 --epochs 4 --out FILE]

The same network on the same pictures for as many epochs, once from the weights with the preset `finetune`, once from scratch with
the default recipe. Steps are the same and so is their time, which the table shows.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
from pathlib import Path

import torch

import netwright as nw
from netwright.costing.profiles import describe_processor
from netwright.training.recipes.recipe_files import read_recipe


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--network", default="squeezenet1_1")
    parser.add_argument("--weights", required=True)
    parser.add_argument("--image", type=int, default=224)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    lines = ["| start | recipe | seconds of training | held-out accuracy, % (95 % interval) |", "|---|---|---:|---:|"]
    for start, recipe in (("public weights", read_recipe("finetune")), ("from scratch", nw.Recipe())):
        weights = options.weights if start == "public weights" else None
        with tempfile.TemporaryDirectory() as folder:
            run = nw.train(
                nw.network(options.network),
                options.data,
                weights=weights,
                image=options.image,
                recipe=recipe.replace(epochs=options.epochs),
                out=Path(folder) / "run",
            )
        accuracy = run.result["accuracy"]
        low, high = (100 * bound for bound in accuracy["interval_95"])
        name = "finetune" if weights else "the default"
        figures = f"{run.result['training_seconds']:.0f} | {100 * accuracy['top1']:.1f} ({low:.1f} to {high:.1f})"
        lines.append(f"| {start} | {name} | {figures} |")
    words = (
        f"--network {options.network} --weights {Path(options.weights).name} --image {options.image} --epochs {options.epochs}"
    )
    lines += ["", f"`python benchmarks/finetuning.py {Path(options.data).name} {words}`; {describe_processor()},"]
    lines += [f"{torch.get_num_threads()} threads; torch {torch.__version__}, Python {platform.python_version()}.", ""]
    print("\n".join(lines))
    if options.out:
        options.out.write_text("# Fine-tuning beside training from scratch\n\n" + "\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
