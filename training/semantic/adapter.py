"""The adapter: decoded latents of any grid -> unit vector in the text encoder's space and ImageNet class logits.

Three scales, as the LIC paper's adapter (its eq. 5 to 7), but each one is a stage of one residual network:
  native  the latents' own grid (stride 16), biased by the grid's size, then resampled to 14x14 (the whole picture squashed, as the teacher sees it)
  mid     14x14
  top     7x7, pooled
The vector is the class posterior mixed into the text vectors of the class names (ConSE) plus a residual from the pooled features.
"""
import torch, torch.nn as nn, torch.nn.functional as F

GRID = 14


def resample(n_in, n_out, device=None):
    """[n_out, n_in] weights of antialiased linear resampling; works while tracing with a dynamic n_in."""
    n_in = torch.as_tensor(n_in, device=device); step = n_in / n_out
    centre = (torch.arange(n_out, device=device) + .5) * step - .5
    w = (1 - (torch.arange(n_in, device=device)[None] - centre[:, None]).abs() / step.clamp(min=1)).clamp(min=0)
    return w / w.sum(1, keepdim=True)


class Inverted(nn.Module):
    """1x1 expand, depthwise 3x3, 1x1 project; residual when the shapes allow. norm=False leaves out batch norm (native stage: its statistics would follow the grid)."""
    def __init__(s, i, h, o, norm=True):
        super().__init__(); n = (lambda c: nn.BatchNorm2d(c)) if norm else (lambda c: nn.Identity())
        s.expand, s.depth, s.project = nn.Conv2d(i, h, 1, bias=not norm), nn.Conv2d(h, h, 3, 1, 1, groups=h, bias=not norm), nn.Conv2d(h, o, 1, bias=not norm)
        s.n1, s.n2, s.n3, s.skip = n(h), n(h), n(o), i == o
        nn.init.normal_(s.depth.weight, std=.15); s.depth.weight.data[:, :, 1, 1] += .7
        if s.skip and norm: nn.init.constant_(s.n3.weight, .3)
    def forward(s, x, bias=None):
        f = s.n2(s.depth(F.relu(s.n1(s.expand(x)))))
        if bias is not None: f = f + bias
        f = s.n3(s.project(F.relu(f)))
        return x + f if s.skip else f


class Adapter(nn.Module):
    def __init__(s, scale, names, c=(96, 192), h=(192, 256, 384), top=2, mid=1, feature=512, residual=384, native=0):
        """scale [192]: standard deviation of each latent channel; names [C,256]: text vectors of the classes."""
        super().__init__(); s.cfg = dict(c=c, h=h, top=top, mid=mid, feature=feature, residual=residual, native=native)
        s.register_buffer('scale', 1 / scale.float().view(1, -1, 1, 1)); s.register_buffer('names', names.float())
        s.size = nn.Sequential(nn.Linear(2, 24), nn.ReLU(), nn.Linear(24, h[0]))
        s.stem = Inverted(192, h[0], c[0], norm=False); s.native = nn.ModuleList(Inverted(c[0], h[0], c[0], norm=False) for _ in range(native)); s.n0 = nn.BatchNorm2d(c[0])
        s.mid = nn.ModuleList(Inverted(c[0], h[1], c[0]) for _ in range(mid))
        s.down = nn.Conv2d(4 * c[0], c[1], 1, bias=False); s.nd = nn.BatchNorm2d(c[1])
        s.top = nn.ModuleList(Inverted(c[1], h[2], c[1]) for _ in range(top))
        s.wide = nn.Conv2d(c[1], feature, 1, bias=False); s.nw = nn.BatchNorm2d(feature)
        s.classes = nn.Linear(feature, names.shape[0]); s.r1 = nn.Linear(feature + 256, residual); s.r2 = nn.Linear(residual, 256)
        s.alpha = nn.Parameter(torch.tensor(1.)); s.temperature = 1.                  # of the posterior in the vector; export.py chooses it, training leaves it at 1
        s.hint14, s.hint7 = nn.Conv2d(c[0], 48, 1), nn.Conv2d(c[1], 96, 1)          # training only
        nn.init.normal_(s.classes.weight, std=.02)
    def resampled(s, y):
        """native stage: [n,192,H,W] -> [n,c0,14,14]"""
        H, W = y.shape[2], y.shape[3]
        u = y * s.scale; u = u / (1 + .2 * u.abs())                                  # the coefficients are heavy-tailed
        size = torch.stack([torch.log(torch.as_tensor(v, device=y.device) / GRID) for v in (H, W)]).float()
        f = s.stem(u, s.size(size).view(1, -1, 1, 1))
        for b in s.native: f = b(f)
        return resample(H, GRID, y.device).to(f.dtype) @ f @ resample(W, GRID, y.device).to(f.dtype).T
    def rest(s, f):
        f = s.n0(f)
        for b in s.mid: f = b(f)
        g = s.nd(s.down(F.pixel_unshuffle(f, 2)))
        for b in s.top: g = b(g)
        v = F.relu(s.nw(s.wide(g))).mean((2, 3)).float()
        logits = s.classes(v)
        cone = F.normalize(F.softmax(logits, 1) @ s.names, dim=1)
        r = s.r2(F.gelu(s.r1(torch.cat([v, cone * 8], 1))))
        if s.temperature != 1: cone = F.normalize(F.softmax(logits / s.temperature, 1) @ s.names, dim=1)
        return F.normalize(s.alpha * cone + r, dim=1), logits, f, g
    def forward(s, y):
        """[n,192,H,W] -> embedding [n,256] of unit norm, class_logits [n,C]"""
        return s.rest(s.resampled(y))[:2]
