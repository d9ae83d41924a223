"""Checkpoint -> models/NAME/VERSION: g_a.onnx, h_a.onnx, g_s.onnx, entropy.bin, rates.bin, manifest.json; optionally test vectors.

    export.py CKPT CROPS.npy OUT --name lic-lot --version 1 --codec-id 1 [--latent-space lic-lot/1 --latent-ckpt CKPT_1] [--vectors FILE]

A codec id is never reused: streams name it for ever.

The rate enters the transforms as a bias of the convolution in front of each depthwise one. ONNX Runtime lays convolutions out in blocks only while
their biases are constants (measured: 1.3 times slower with the bias as an input), so the graphs carry constants and manifest.json says where their
bytes lie; the codec patches them for a rate before it opens a session.
"""
import argparse
import hashlib
import json
import os

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from integer_model import RATES
from model import NR, DWRelu, Gate, rate_weights, spad
from quantize import integer_model, latents, to_hwc


def conv(weight, bias, **kw):
    c = nn.Conv2d(weight.shape[1] * kw.get('groups', 1), weight.shape[0], weight.shape[2:], **kw)
    c.weight.data, c.bias.data = weight.clone(), bias.clone()
    return c


class SplitGate(nn.Module):
    """Gate with its halves as separate convolutions: no slice in the graph. The hard sigmoid's input scale of 2 is folded into the depthwise weights."""

    def __init__(self, g):
        super().__init__()
        h = g.w2.weight.shape[1]
        self.w2 = conv(g.w2.weight.data, g.w2.bias.data)
        for n, part, k in (('a', slice(0, h), 1.), ('b', slice(h, 2 * h), 2.)):
            w = conv(g.w1.weight.data[part], g.w1.bias.data[part])
            setattr(self, 'w' + n, w)
            setattr(self, 'd' + n, conv(g.dw.weight.data[part] * k, g.dw.bias.data[part] * k, padding=1, groups=h))
        self.rated = [(self.wa.bias, g.w1.bias.data[:h] + g.rb.data[:, :h]), (self.wb.bias, g.w1.bias.data[h:] + g.rb.data[:, h:])]

    def forward(self, x):
        return x + self.w2(self.da(self.wa(x)) * F.hardsigmoid(self.db(self.wb(x))))


class RatedRelu(nn.Module):
    """DWRelu; its rate bias comes after the depthwise convolution, so that is the bias to patch."""

    def __init__(self, g):
        super().__init__()
        self.w1, self.w2 = conv(g.w1.weight.data, g.w1.bias.data), conv(g.w2.weight.data, g.w2.bias.data)
        self.dw = conv(g.dw.weight.data, g.dw.bias.data, padding=1, groups=g.dw.weight.shape[0])
        self.rated = [(self.dw.bias, g.dw.bias.data + g.rb.data)]

    def forward(self, x):
        return x + self.w2(F.leaky_relu(self.dw(self.w1(x)), .125))


def block(b):
    return SplitGate(b) if isinstance(b, Gate) else RatedRelu(b) if isinstance(b, DWRelu) else None


def unshuffled(c, b, scale=1., offset=0.):
    """pixel_unshuffle(b) and a 1x1 conv of (x * scale + offset) = one b x b conv with stride b."""
    w = c.weight.data
    o, i = w.shape[:2]
    return conv(w.reshape(o, i // (b * b), b, b) * scale, c.bias.data + offset * w.sum((1, 2, 3)), stride=b)


class Analysis(nn.Module):
    """x in 0..255 -> y before the encoder gain."""

    def __init__(self, t):
        super().__init__()
        self.front, self.t = unshuffled(t.front, 8, 1 / 255, -.5), t
        self.e8, self.e16 = nn.ModuleList(map(block, t.e8)), nn.ModuleList(map(block, t.e16))
        self.down = conv(t.down.weight.data, t.down.bias.data, stride=2)

    def forward(self, x):
        f = self.front(x)
        for b in self.e8:
            f = b(f)
        y = self.down(spad(f, self.t.sx8, self.t.sy8))
        for b in self.e16:
            y = b(y)
        return y


class Synthesis(nn.Module):
    """y_hat after the decoder gain -> x in 0..255, not yet clamped."""

    def __init__(self, t):
        super().__init__()
        self.t, self.up = t, conv(t.up.weight.data, t.up.bias.data)
        self.back = conv(t.back.weight.data * 255, t.back.bias.data * 255 + 127.5)
        self.d16, self.d8 = nn.ModuleList(map(block, t.d16)), nn.ModuleList(map(block, t.d8))

    def forward(self, y):
        for b in self.d16:
            y = b(y)
        f = F.pixel_shuffle(self.up(spad(y, self.t.sx16, self.t.sy16)), 2)[:, :, 1:-1, 1:-1]
        for b in self.d8:
            f = b(f)
        return F.pixel_shuffle(self.back(f), 8)


class HyperAnalysis(nn.Module):
    """gain-scaled y -> z, to be rounded."""

    def __init__(self, e):
        super().__init__()
        self.c1 = conv(e.ha1.weight.data, e.ha1.bias.data)
        self.c2 = conv(e.ha2.weight.data, e.ha2.bias.data, padding=1, groups=e.ha2.weight.shape[0])
        self.c3, self.c4, self.zs = unshuffled(e.ha3, 2), unshuffled(e.ha4, 2), e.zs

    def forward(self, y):
        f = F.relu(self.c2(F.relu(self.c1(torch.cat([y.clamp(-64, 64) / 8, torch.log(1 + y.abs())], 1)))))
        return self.c4(F.relu(self.c3(f))) * self.zs


def export(module, args, path, names):
    """Writes the graph; returns where the bytes of its rate-dependent biases lie, and their values per rate point [NR, n]."""
    rated = [r for m in module.modules() for r in getattr(m, 'rated', [])]
    gen = np.random.default_rng(0)
    marks = [gen.standard_normal(p.shape[0]).astype('<f4') for p, _ in rated]
    for (p, _), mark in zip(rated, marks):
        p.data = torch.from_numpy(mark.copy())
    module.eval()
    torch.onnx.export(module, args, path, input_names=names[:1], output_names=names[1:], opset_version=17, dynamo=False,
                      dynamic_axes={n: {2: 'h', 3: 'w'} for n in names})
    data, patches = bytearray(open(path, 'rb').read()), []
    for (p, values), mark in zip(rated, marks):
        at = data.find(mark.tobytes())
        assert at >= 0 and data.find(mark.tobytes(), at + 1) < 0, 'a rate bias is not in the graph exactly once'
        middle = values[NR // 2].numpy().astype('<f4')
        data[at:at + middle.nbytes] = middle.tobytes()
        p.data = values[NR // 2].clone()
        patches.append(dict(offset=at, count=len(mark)))
    open(path, 'wb').write(data)
    return patches, torch.cat([v for _, v in rated], 1).numpy() if rated else np.zeros((NR, 0))


def write_vectors(im, path):
    """Two coded grids for the tests of the C# program: inputs, and every integer that comes out. Layout: int16/uint8 arrays in call order."""
    with open(path, 'wb') as f:
        for seed, spread in ((1, 1.), (2, 40.)):
            g = np.random.default_rng(seed)
            h, w, rate = 1, 2, int(g.integers(0, 1281))
            z = np.clip(np.rint(g.standard_normal((h, w, im.Nz)) * 2 * spread), -32768, 32767).astype(int)
            y = g.standard_normal((4 * h, 4 * w, im.M)).astype(np.float32) * 3 * spread
            f.write(np.array([h, w, rate], '<i2').tobytes() + z.astype('<i2').tobytes())
            f.write(im.hyper_synthesis(z).astype('<i2').tobytes())
            for n, index, mean in im.symbols(y, z, rate):
                f.write(n.astype('<i2').tobytes() + mean.astype('<i2').tobytes() + index.astype('u1').tobytes())


def write_latent_gains(model, ckpt, path):
    """log gains [NR, M] from this codec's y_hat to the latents of `ckpt`, as its decoder scaled them: both have the same g_a."""
    other = torch.load(ckpt, weights_only=False, map_location='cpu')['model']
    own = model.state_dict()
    for k in own:
        if k.startswith(('t.front.', 't.e8.', 't.down.', 't.e16.')):
            assert torch.equal(own[k], other[k]), f'{k} differs: the latents are not the same'
    with open(path, 'wb') as f:
        f.write(np.ascontiguousarray((other['ld'] - own['lg']).numpy(), '<f4').tobytes())


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument('ckpt')
    ap.add_argument('crops')
    ap.add_argument('out')
    ap.add_argument('--name', required=True)
    ap.add_argument('--version', required=True)
    ap.add_argument('--codec-id', type=int, required=True)
    ap.add_argument('--bits', type=int, default=8)
    ap.add_argument('--count', type=int, default=200, help='crops for calibration and probability tables')
    ap.add_argument('--latent-space', help='name of a codec with the same analysis transform, whose adapters serve this one too')
    ap.add_argument('--latent-ckpt', help='checkpoint of that codec')
    ap.add_argument('--vectors')
    a = ap.parse_args()
    torch.set_num_threads(1)
    os.makedirs(a.out, exist_ok=True)
    model, im = integer_model(a.ckpt, np.load(a.crops, mmap_mode='r'), a.bits, a.count)
    for c in model.modules():
        if isinstance(c, nn.Conv2d):
            c.dilation = (1, 1) if c.kernel_size == (1, 1) else c.dilation
    model = model.to(memory_format=torch.contiguous_format)
    x = torch.rand(1, 3, 128, 192)
    rw = rate_weights(torch.tensor([float(NR // 2)]))
    ga, ha, gs = Analysis(model.t), HyperAnalysis(model.e), Synthesis(model.t)
    with torch.no_grad():
        pa, ba = export(ga, x * 255, a.out + '/g_a.onnx', ['x', 'y'])
        y = model.t.analysis(x, rw)
        ge, gd = model.gains(rw)
        export(ha, y * ge, a.out + '/h_a.onnx', ['y', 'z'])
        ps, bs = export(gs, torch.round(y * ge) * gd, a.out + '/g_s.onnx', ['y_hat', 'x_hat'])
        print('export against model: g_a', float((ga(x * 255) - y).abs().max()), 'h_a', float((ha(y * ge) - model.e.hyper_analysis(y * ge)).abs().max()),
              'g_s', float((gs(torch.round(y * ge) * gd) / 255 - model.t.synthesis(torch.round(y * ge) * gd, rw)).abs().max()))
        im.save(a.out + '/entropy.bin')
        lg, ld = model.lg.numpy(), (model.ld - model.lg).numpy()
        with open(a.out + '/rates.bin', 'wb') as f:
            for t in (lg, ld, ba, bs):
                f.write(np.ascontiguousarray(t, '<f4').tobytes())
    parts = dict(g_a='g_a.onnx', h_a='h_a.onnx', g_s='g_s.onnx', entropy='entropy.bin', rates='rates.bin')
    if a.latent_space:
        write_latent_gains(model, a.latent_ckpt, a.out + '/latent_gains.bin')
        parts['latent_gains'] = 'latent_gains.bin'
    files = {}
    for role, name in parts.items():
        data = open(f'{a.out}/{name}', 'rb').read()
        files[role] = dict(path=name, sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))
    manifest = dict(name=a.name, version=a.version, kind='codec', codecId=a.codec_id, channels=im.M, hyperChannels=im.Nz, stride=16, hyperStride=64,
                    ratePoints=RATES, tensors=dict(g_a=['x', 'y'], h_a=['y', 'z'], g_s=['y_hat', 'x_hat']), ratedBiases=dict(g_a=pa, g_s=ps), files=files)
    # What g_s sees around a latent: the blocks at stride 16, one position for the 2x2 convolution, the blocks at stride 8, one for rounding.
    manifest['synthesisMargin'] = model.cfg['nd16'] + (model.cfg['nd8'] + 1) // 2 + 2
    if a.latent_space:
        manifest['latentSpace'] = a.latent_space
    with open(a.out + '/manifest.json', 'w') as f:
        json.dump(manifest, f, indent=2)
        f.write('\n')
    if a.vectors:
        write_vectors(im, a.vectors)


if __name__ == '__main__':
    main()
