"""The train step again in PyTorch: same model, terms, precision and optimiser.

For `experiments.benchmarks.train_step` alone, and for single images (T = 1) of texture,
depth and normals. It starts from the same bytes and augments them in the same way.
"""

import itertools
import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from smile_jax.config import Config

_VIEWS = 9  # of a dataset, at most


class Smile(nn.Module):
    """Vision tower, fusion, projector and heads; sizes from an experiment's config."""

    def __init__(self, config: Config, image_size: int, channels: int, classes: int):
        super().__init__()
        m, v = config.model, config.model.vision
        tokens = (image_size // v.patch_size) ** 2 + 1
        self.patch = nn.Conv2d(
            channels, v.width, v.patch_size, v.patch_size, bias=False
        )
        self.token = nn.Parameter(torch.zeros(v.width))
        self.position = nn.Parameter(0.02 * torch.randn(tokens, v.width))
        self.norm_pre, self.norm_post = nn.LayerNorm(v.width), nn.LayerNorm(v.width)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(
                v.width,
                v.heads,
                v.mlp_width,
                dropout=0.0,
                activation="gelu",
                batch_first=True,
                norm_first=True,
            )
            for _ in range(v.depth)
        )
        self.view_embedding = nn.Embedding(_VIEWS, v.width)
        self.hidden, self.score = nn.Linear(v.width, v.width), nn.Linear(v.width, 1)
        sizes = (v.width, m.projector_dim, m.projector_dim, m.projector_dim)
        self.linear = nn.ModuleList(
            nn.Linear(a, b, bias=False) for a, b in itertools.pairwise(sizes)
        )
        self.norm = nn.ModuleList(
            nn.BatchNorm1d(config.data.views * m.projector_dim) for _ in range(2)
        )
        self.joint = nn.Linear(v.width, m.embed_dim, bias=False)
        self.redundancy = nn.Linear(v.width, classes - 1, bias=False)
        self.logit_scale = nn.Parameter(torch.tensor(2.66))

    def forward(
        self, clips: torch.Tensor, view_ids: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        """Clips (B, V, C, H, W) to projected, view, joint and redundancy embeddings."""
        batch, views = clips.shape[:2]
        x = self.patch(clips.flatten(0, 1)).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), 1, -1), x], dim=1) + self.position
        x = self.norm_pre(x)
        for block in self.blocks:
            x = block(x)
        features = self.norm_post(x[:, 0]).float().unflatten(0, (batch, views))
        z = features
        for i, linear in enumerate(self.linear):
            z = linear(z)
            if i < 2:
                z = torch.relu(self.norm[i](z.flatten(1)).unflatten(1, (views, -1)))
        hidden = torch.tanh(self.hidden(features + self.view_embedding(view_ids)))
        fused = (self.score(hidden).softmax(dim=1) * features).sum(dim=1)
        return (
            z.float(),
            F.normalize(self.joint(features).float(), dim=-1),
            F.normalize(self.joint(fused).float(), dim=-1),
            self.redundancy(fused).float(),
        )


def augment(pixels: torch.Tensor, config: Config) -> tuple[torch.Tensor, torch.Tensor]:
    """Bytes (B, A, H, W, 7) to standardised clips (B, V, 7, H, W); which views."""
    a, device = config.augment, pixels.device
    batch, available = pixels.shape[:2]
    chosen = torch.rand(batch, available, device=device).argsort(1)
    chosen = chosen[:, : config.data.views]
    rows = torch.arange(batch, device=device)[:, None]
    x = pixels[rows, chosen].flatten(0, 1).permute(0, 3, 1, 2).float() / 255
    count, size = len(x), x.shape[-1]

    def draw(*shape: int) -> torch.Tensor:
        return torch.rand(count, *shape, device=device)

    gain, bias = (2 * draw(2, 1, 1, 1) - 1).unbind(1)
    texture, normals = x[:, :3], x[:, 4:]
    covered = texture.amax(1, keepdim=True) > 0
    texture = torch.where(covered, texture * (1 + a.gain * gain) + a.bias * bias, 0)
    shown = normals.amax(1, keepdim=True) > 0
    n = torch.where(shown, normals * (255 / 127) - 127.5 / 127, 0)
    turn, tilt, dim, gloss = draw(4).unbind(1)
    z = 1 - tilt * (1 - math.cos(math.radians(a.light_angle_deg)))
    side, angle = (1 - z * z).sqrt(), 2 * math.pi * turn
    light = torch.stack([side * angle.cos(), side * angle.sin(), z], 1)
    half = F.normalize(light + torch.tensor([0.0, 0.0, 1.0], device=device), dim=1)
    lambert = (n * light[..., None, None]).sum(1, keepdim=True).clamp_min(0)
    sheen = (n * half[..., None, None]).sum(1, keepdim=True).clamp_min(0) ** 16
    ambient, strength = (
        (s * t)[:, None, None, None] for s, t in ((a.ambient, dim), (a.specular, gloss))
    )
    lit = texture * (ambient + (1 - ambient) * lambert) + strength * sheen
    x = torch.cat([lit.clamp(0, 1), x[:, 3:]], 1)
    zoom, dy, dx = (2 * draw(3) - 1).unbind(1)
    scale, zero = torch.exp(-a.scale * zoom), torch.zeros(count, device=device)
    rows_of = [[scale, zero, 2 * a.shift * dx], [zero, scale, 2 * a.shift * dy]]
    theta = torch.stack([torch.stack(row, 1) for row in rows_of], 1)
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    x = F.grid_sample(x, grid, align_corners=False)
    x = (x + a.noise * torch.randn_like(x) - 0.5) / 0.25
    at = torch.arange(size, device=device) / size
    cy, cx, sy, sx = draw(4, 1).unbind(1)
    inside = ((at - cy).abs() < a.erase * sy / 2)[:, :, None]
    inside = inside & ((at - cx).abs() < a.erase * sx / 2)[:, None]
    return x.masked_fill(inside[:, None], 0).unflatten(0, (batch, -1)), chosen


def objective(
    outputs: tuple[torch.Tensor, ...],
    logit_scale: torch.Tensor,
    bank: torch.Tensor,
    coordinates: torch.Tensor,
    labels: torch.Tensor,
    config: Config,
) -> torch.Tensor:
    """The three terms; `coordinates` (K, K - 1) are the whitened prompts."""
    z, views, joint, y = outputs
    w, (_batch, count, _dims) = config.objective.smile, z.shape
    z = _standardize(z)
    first = 0.0
    for a in range(count):
        for b in range(a + 1, count):
            first = first + _correlation_loss(z[:, a], z[:, b], w.off_diagonal)
    first = first / (count * (count - 1) / 2)
    scale = logit_scale.exp()
    logits = scale * joint @ bank.T
    second = F.cross_entropy(logits, labels)
    view_logits = (scale * views @ bank.T).flatten(0, 1)
    second = second + F.cross_entropy(view_logits, labels.repeat_interleave(count))
    q = F.one_hot(labels, len(bank)).float()
    mass = q.sum(dim=0)
    found = (q * logits.log_softmax(dim=0)).sum(dim=0)
    present = (mass > 0).float()
    per_prompt = -found / mass.clamp_min(1)
    second = second + w.text_to_image * (per_prompt * present).sum() / present.sum()
    third = _correlation_loss(
        _standardize(y), _standardize(q @ coordinates), w.redundancy_off_diagonal
    )
    return w.decorrelation * first + w.alignment * second + w.redundancy * third


def _standardize(x: torch.Tensor) -> torch.Tensor:
    return (x - x.mean(dim=0)) * (x.var(dim=0, correction=0) + 1e-5).rsqrt()


def _correlation_loss(
    a: torch.Tensor, b: torch.Tensor, off_diagonal: float
) -> torch.Tensor:
    """Barlow Twins' loss of one pair (facebookresearch/barlowtwins), divided by D."""
    c = a.T @ b / len(a)
    diagonal = c.diagonal()
    rest = c.square().sum() - diagonal.square().sum()
    return ((1 - diagonal).square().sum() + off_diagonal * rest) / len(c)


def make_step(
    config: Config, image_size: int, channels: int, *, device: str, compiled: bool
) -> Any:
    """Returns `step(pixels, labels)`, one update; see `augment` for the shapes."""
    o, classes = config.optimizer, len(config.data.classes)
    torch.manual_seed(0)
    model = Smile(config, image_size, channels, classes).to(device)
    bank = F.normalize(torch.randn(classes, config.model.embed_dim), dim=-1).to(device)
    coordinates = torch.randn(classes, classes - 1, device=device)
    half = config.model.vision.dtype == "bfloat16"
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=o.learning_rate,
        betas=(o.beta1, o.beta2),
        weight_decay=o.weight_decay,
        fused=True,
    )
    average = [p.detach().clone() for p in model.parameters()]

    def loss_of(pixels: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            clips, view_ids = augment(pixels, config)
        with torch.autocast(device, torch.bfloat16, enabled=half):
            outputs = model(clips, view_ids)
        return objective(outputs, model.logit_scale, bank, coordinates, labels, config)

    if compiled:
        loss_of = torch.compile(loss_of)

    def step(pixels: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(pixels, labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), o.clip_norm)
        optimizer.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, 4.6052)
            torch._foreach_lerp_(average, list(model.parameters()), 1 - o.ema_decay)
        return loss.detach()

    return step
