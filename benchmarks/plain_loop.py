"""The plain training loop for the comparison with fastdefect: torch and torchvision only.

The exception is EfficientNet-Lite0, which torchvision lacks: network and weights are fastdefect's.

    python benchmarks/plain_loop.py SETTINGS.json

``plain.py`` runs it in a separate process. The settings are a CSV of path and label, the network,
the file of its initial weights, the side of a photo, epochs, seed and device, and the output files
for the model and for the training time.
"""

import csv
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter, process_time

import torch
import torchvision
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torchvision.transforms import v2

BATCH = 24
RATE = 8e-4
_MEAN, _SD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
normalised = v2.Compose([v2.ToDtype(torch.float32, scale=True), v2.Normalize(_MEAN, _SD)])


def plain_loop(
    model: nn.Module, photos: Tensor, labels: Tensor, epochs: int, seed: int, device: torch.device
) -> tuple[float, float]:
    """Train ``model`` on ``photos`` (n, 3, size, size) uint8; return wall and CPU seconds.

    The seconds are those of the epochs. The model is that of the last epoch.
    """
    torch.manual_seed(seed)
    size = photos.shape[-1]
    augment = v2.Compose(
        [
            v2.RandomHorizontalFlip(),
            v2.RandomVerticalFlip(),
            v2.Pad(size // 8, padding_mode="reflect"),  # fills the corners of a rotation
            v2.RandomRotation(15, v2.InterpolationMode.BILINEAR),
            v2.CenterCrop(size),
            v2.ColorJitter(brightness=0.2, contrast=0.2),
        ]
    )
    # Skip a last batch of one photo: batch normalisation may have no variance.
    steps = epochs * sum(len(batch) > 1 for batch in torch.arange(len(photos)).split(BATCH))
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=RATE, total_steps=steps)
    started = perf_counter(), process_time()
    model.train()
    for _ in range(epochs):
        for batch in torch.randperm(len(photos)).split(BATCH):
            if len(batch) > 1:
                images = normalised(torch.stack([augment(photos[i]) for i in batch])).to(device)
                images = images.contiguous(memory_format=torch.channels_last)
                loss = nn.functional.cross_entropy(model(images), labels[batch].to(device))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
    return perf_counter() - started[0], process_time() - started[1]


def network(arch: str, n_classes: int, weights: str, seed: int) -> nn.Module:
    """Return torchvision's ``arch`` with ``weights``, "none" or a safetensors file.

    Tensors that are not in the file are random. The weights of EfficientNet-Lite0 are "none" or
    "auto", those of the installed package.
    """
    torch.manual_seed(seed)
    if arch == "efficientnet-lite0":
        return _efficientnet_lite0(n_classes, weights).to(memory_format=torch.channels_last)
    if weights == "auto":
        raise SystemExit(f"--weights auto: expected efficientnet-lite0, not {arch}. Give a file.")
    model = torchvision.models.get_model(arch, weights=None, num_classes=n_classes)
    if weights != "none":
        own = model.state_dict()
        given = {k: v for k, v in load_file(weights).items() if k in own}
        fitting = {k: v for k, v in given.items() if v.shape == own[k].shape}
        if not fitting:
            raise SystemExit(f"Expected weights of {arch}, but no tensor of {weights} fits it.")
        model.load_state_dict(fitting, strict=False)
    return model.to(memory_format=torch.channels_last)


def _efficientnet_lite0(n_classes: int, weights: str) -> nn.Module:
    # Imported here: the other networks should not pay for this.
    from fastdefect.training.efficientnet_lite import build_efficientnet_lite0
    from fastdefect.training.weights import packaged_state

    if weights not in ("none", "auto"):
        raise SystemExit(f"Expected --weights none or auto for efficientnet-lite0, not {weights}.")
    body = build_efficientnet_lite0()
    if weights == "auto":
        body.load_state_dict(packaged_state())
    pooled = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1280, n_classes))
    return nn.Sequential(_LitePixels(), body, *pooled)


class _LitePixels(nn.Module):
    """``normalised`` pixels to pixels from -1 to 1, for which EfficientNet-Lite0 was trained."""

    def forward(self, pixels: Tensor) -> Tensor:
        mean, sd = (torch.tensor(each, device=pixels.device).view(3, 1, 1) for each in (_MEAN, _SD))
        return 2 * (pixels * sd + mean) - 1


def read_squished(paths: Sequence[str], size: int) -> Tensor:
    """Return the photos as (n, 3, size, size) uint8."""
    photos = []
    for path in paths:
        with Image.open(path) as file:
            photo = v2.functional.pil_to_tensor(file.convert("RGB"))
        photos.append(v2.functional.resize(photo, [size, size], antialias=True))
    return torch.stack(photos)


def probabilities(model: nn.Module, photos: Tensor, device: torch.device) -> Tensor:
    """Return class probabilities (n, n_classes) of ``photos`` (n, 3, size, size) uint8."""
    model.eval()
    with torch.inference_mode():
        batches = [normalised(batch).to(device) for batch in photos.split(64)]
        return torch.cat([model(batch).double().softmax(dim=1).cpu() for batch in batches])


def device_of(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def main() -> None:
    settings = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    with Path(settings["data"]).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    classes = sorted({row["label"] for row in rows})
    device = device_of(settings["device"])
    model = network(settings["arch"], len(classes), settings["weights"], settings["seed"])
    photos = read_squished([row["path"] for row in rows], settings["image_size"])
    labels = torch.tensor([classes.index(row["label"]) for row in rows])
    model = model.to(device)
    wall, cpu = plain_loop(model, photos, labels, settings["epochs"], settings["seed"], device)
    state = {name: value.cpu().contiguous() for name, value in model.state_dict().items()}
    save_file(state, settings["model"])
    facts = {"in_epochs": {"wall": wall, "cpu": cpu}, "classes": classes}
    Path(settings["facts"]).write_text(json.dumps(facts), encoding="utf-8")


if __name__ == "__main__":
    main()
