"""From a float checkpoint to the integer entropy model: calibrates ranges and probability tables on training crops, measures the cost in rate.

    quantize.py CKPT CROPS.npy [--bits 8] [--kodak DIR]
"""
import argparse
import glob

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from integer_model import COMMON, INDEX_FRACTION, LOG_ENTRIES, RECTIFIED, SCALES, SIGNED, IntegerModel, Layer, cost, table
from model import LSTEP, NR, SMIN, Codec, rate_weights


def load(path):
    state = torch.load(path, weights_only=False, map_location='cpu')
    model = Codec(**state['cfg'])
    model.load_state_dict(state['model'])
    return model.eval()


def latents(model, x, rate):
    """x [B,3,H,W] in 0..1 -> gain-scaled y [B,M,h,w] and rounded z [B,Nz,h/4,w/4]."""
    rw = rate_weights(rate)
    y = model.t.analysis(x.contiguous(memory_format=torch.channels_last), rw) * model.gains(rw)[0]
    return y, torch.round(model.e.hyper_analysis(y))


def ranges(e, y, z):
    """Largest magnitude of every activation tensor that the integer program rounds."""
    out = {}

    def note(name, v):
        out[name] = max(out.get(name, 0.), float(v.abs().max()))
        return v
    a = note('hs1', F.pixel_shuffle(e.hs1(z / e.zs * 2), 2))
    p = note('p', F.relu(e.hs2.pw(note('hs_dw', e.hs2.dw(F.relu(a))))))
    u, known = F.pixel_unshuffle(y, 2), []
    for k in range(4):
        h = e.pin[k](p)
        if k:
            h = h + e.yin[k](e.feat(torch.cat(known, 1)))
        note(f'h{k}', h)
        g = note(f'h{k}', h + e.mid[k].pw(note(f'dw{k}', e.mid[k].dw(F.relu(h)))))
        mu = torch.round(e.out[k](F.relu(g)).chunk(2, 1)[0] * 64) / 16
        v = u[:, e.sets[k]]
        known.append(torch.round(v - mu) + mu)
    return out


def fraction(limit, largest):
    """Fraction bits so that 1.25 times the largest value seen stays within the limit."""
    return int(np.floor(np.log2(limit / (1.25 * largest))))


def layer(weight, bias, in_fraction, out_fraction, bits, depthwise=False):
    """weight [out, in] or [channels, 9]; out_fraction: int or one per output. Power-of-two scale per output channel, the largest that fits."""
    w = np.asarray(weight, np.float64)
    b = np.zeros(len(w)) if bias is None else np.asarray(bias, np.float64)
    out_fraction = np.broadcast_to(np.asarray(out_fraction), len(w))
    limit = (2**(bits - 1) - 1) / np.maximum(np.abs(w).max(1), 1e-9)
    room = (2.**31 - 2**24) / np.maximum(np.abs(w).sum(1) * RECTIFIED + np.abs(b) * 2.**in_fraction, 1e-9)
    scale = np.floor(np.log2(np.minimum(limit, room))).astype(int)
    scale = np.minimum(scale, 24 + out_fraction - in_fraction)
    if (in_fraction + scale < out_fraction).any():
        # Too coarse for this output step: large weights on integers (hs1) need more bits.
        assert bits < 16, 'weights are too coarse for this output step'
        return layer(weight, bias, in_fraction, out_fraction, 16, depthwise)
    q = 2.**scale
    return Layer(np.rint(w * q[:, None]), np.rint(b * q * 2.**in_fraction), in_fraction + scale - out_fraction, depthwise)


def build(model, calibration, bits):
    """Integer layers; the probability tables are still the float model's."""
    e, r = model.e, calibration
    f = {k: fraction(SIGNED, v) for k, v in r.items() if k != 'p'}
    assert r['p'] * 1.1 < RECTIFIED / 2**COMMON, 'hyper-synthesis output needs fewer fraction bits'
    n = lambda c: c.weight.detach().numpy().reshape(c.weight.shape[0], -1)
    o = lambda c: c.bias.detach().numpy()
    # pixel_shuffle reads channels as (c, dy, dx); the integer program stores (dy, dx, c), so that each of the four positions is contiguous
    order = np.arange(e.hs1.out_channels).reshape(-1, 4).T.ravel()
    layers = [layer(n(e.hs1)[order] * 2 / e.zs, o(e.hs1)[order], 0, f['hs1'], bits),
              layer(n(e.hs2.dw), o(e.hs2.dw), f['hs1'], f['hs_dw'], bits, True),
              layer(n(e.hs2.pw), o(e.hs2.pw), f['hs_dw'], COMMON, bits)]
    m = e.M
    for k in range(4):
        w = [n(e.pin[k])]
        if k:
            y = n(e.yin[k])                    # columns: linear features of all earlier steps, then log features
            w += [y[:, part * k * m + j * m:part * k * m + (j + 1) * m] for j in range(k) for part in (0, 1)]
        h, d = f[f'h{k}'], f[f'dw{k}']
        layers += [layer(np.concatenate(w, 1), o(e.pin[k]), COMMON, h, bits),
                   layer(n(e.mid[k].dw), o(e.mid[k].dw), h, d, bits, True),
                   layer(n(e.mid[k].pw), o(e.mid[k].pw), d, h, bits),
                   layer(n(e.out[k]), o(e.out[k]), h, np.repeat([6, 4 + INDEX_FRACTION], m), bits)]
    log = np.rint(np.log1p(np.arange(LOG_ENTRIES) / 16) * 2**COMMON).astype(int)
    bias = np.rint(e.sb.detach().numpy() * 2**INDEX_FRACTION).astype(int)
    from scipy.stats import norm
    scale = []
    for i in range(SCALES):
        s = SMIN * np.exp(i * LSTEP)
        reach = max(1, int(np.ceil(4.5 * s)))
        v = np.arange(-reach, reach + 1)
        scale.append((reach, norm.cdf((v + .5) / s) - norm.cdf((v - .5) / s)))
    zt = []
    for loc, s in zip(e.zloc.tolist(), e.zls.exp().tolist()):
        first = int(round(loc)) - 24
        v = np.arange(first, first + 49)
        c = lambda t: 1 / (1 + np.exp(-np.clip((t - loc) / s, -60, 60)))
        zt.append((first, c(v + .5) - c(v - .5)))
    im = IntegerModel(m, e.Nz, layers, bias, log, [(l, table(p)) for l, p in scale], [(a, table(p)) for a, p in zt])
    im.prior = scale, zt
    return im


def fit_tables(im, observed, weight=4000.):
    """Replaces the parametric tables by the distribution seen on training crops, blended with `weight` parametric observations: latents have heavier
    tails than a Gaussian. observed: list of (z [.., Nz], [(n, index), ...])."""
    scale, zt = im.prior
    hist = [np.zeros(2 * l + 3) for l, _ in scale]
    zh = [np.zeros(51) for _ in zt]
    for z, steps in observed:
        for c, (first, _) in enumerate(zt):
            zh[c] += np.bincount(np.clip(z[..., c] - first, -1, 49).ravel() + 1, minlength=51)
        for n, index in steps:
            for i in np.unique(index):
                l = scale[i][0]
                hist[i] += np.bincount(np.clip(n[index == i], -l - 1, l + 1) + l + 1, minlength=2 * l + 3)
    blend = lambda h, p, w: (h[1:-1] + w * p) / (h.sum() + w)
    im.scale_tables = [(l, table(blend((h + h[::-1]) / 2, p, weight))) for (l, p), h in zip(scale, hist)]
    im.z_tables = [(a, table(blend(h, p, weight / 4))) for (a, p), h in zip(zt, zh)]


def bits_of(im, z, steps):
    z_bits = sum(cost(f, first, z[..., c].ravel()) for c, (first, f) in enumerate(im.z_tables))
    y_bits = 0.
    for n, index in steps:
        for i in np.unique(index):
            l, f = im.scale_tables[i]
            y_bits += cost(f, -l, n[index == i])
    return z_bits + y_bits


def to_hwc(t):
    return t[0].permute(1, 2, 0).numpy()


@torch.no_grad()
def integer_model(path, crops, bits=8, count=200, fit=True, verbose=True):
    torch.manual_seed(0)
    model = load(path)
    crops = torch.from_numpy(crops[:count].copy()).permute(0, 3, 1, 2).float() / 255
    r, seen = {}, []
    for i in range(0, len(crops), 4):
        y, z = latents(model, crops[i:i + 4], torch.rand(len(crops[i:i + 4])) * (NR - 1))
        for k, v in ranges(model.e, y, z).items():
            r[k] = max(r.get(k, 0.), v)
    im = build(model, r, bits)
    if verbose:
        print('largest activations', {k: round(v, 1) for k, v in r.items()})
    if fit:
        for i in range(len(crops)):
            rate = int(np.random.default_rng(i).integers(0, 1281))
            y, z = latents(model, crops[i:i + 1], torch.tensor([rate / 256]))
            zi = to_hwc(z).astype(int)
            seen.append((zi, [(n, s) for n, s, _ in im.symbols(to_hwc(y), zi, rate)]))
        fit_tables(im, seen)
    return model, im


@torch.no_grad()
def measure(model, ims, files):
    """Rate of the float model (exact means and scales, and means in 1/16) and of integer models, bits per pixel."""
    for rate in range(0, NR, 2):
        rows = []
        for f in files:
            x = torch.from_numpy(np.array(Image.open(f).convert('RGB'))).permute(2, 0, 1)[None].float() / 255
            y, z = latents(model, x, torch.tensor([float(rate)]))
            rw, px = rate_weights(torch.tensor([float(rate)])), x.shape[2] * x.shape[3]
            row = [float(model.e(y, rw, 0, False)[1]) / px, float(model.e(y, rw, 1 / 16, True)[1]) / px]
            zi = to_hwc(z).astype(int)
            for im in ims:
                row.append(bits_of(im, zi, [(n, s) for n, s, _ in im.symbols(to_hwc(y), zi, rate * 256)]) / px)
            rows.append(row)
        a = np.mean(rows, 0)
        print('rate', rate, 'bpp', a.round(4), '% against exact float', ((a / a[0] - 1) * 100).round(2), flush=True)


if __name__ == '__main__':
    ap = argparse.ArgumentParser()
    ap.add_argument('ckpt')
    ap.add_argument('crops')
    ap.add_argument('--kodak')
    a = ap.parse_args()
    torch.set_num_threads(1)
    crops = np.load(a.crops, mmap_mode='r')
    model, int8 = integer_model(a.ckpt, crops, 8, 64, False)
    _, int16 = integer_model(a.ckpt, crops, 16, 64, False)
    _, fitted = integer_model(a.ckpt, crops, 8)
    measure(model, [int8, int16, fitted], sorted(glob.glob(a.kodak + '/*.png'))[::6])
