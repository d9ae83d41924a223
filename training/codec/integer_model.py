"""The integer entropy model of lic-lot: reference program in numpy, quantisation of a float checkpoint, and the file entropy.bin.

Everything that selects a probability is integer arithmetic on integers that encoder and decoder share (docs/bitstream.md, section 5). This file is
the reference; shared/Compression/EntropyNetworks.cs is the fast implementation, and tests/Compression compares the two on every integer.

Arithmetic of one layer (all of them 1x1 or depthwise 3x3 with zero padding):
    acc  = bias[o] + sum_i weight[o,i] * x[i]          int32; |acc| < 2^31 is checked for every layer when it is built
    out  = clamp(rshift(acc, shift[o]), lo, hi)         rshift(a, s) = (a + (1 << (s-1))) >> s, arithmetic; rshift(a, 0) = a
Activations are int16 of at most 12 bits: signed ones in -2047..2047, rectified ones in 0..4095.
"""
import math
import struct

import numpy as np

SIGNED, RECTIFIED = 2047, 4095          # activation limits
MEAN_LIMIT = 16383                      # means are in 1/16, so +-1024
LOG_ENTRIES = 4096                      # log1p(|y|) for |y| in 1/16, saturating at 256
LIN_LIMIT = 256                         # in 1/16; y/4 saturates at +-4
COMMON = 8                              # fraction bits of every input of the context networks
INDEX_FRACTION = 4                      # fraction bits of the scale index before rounding
TOTAL_BITS = 16                         # a CDF table sums to 65536
RATES = 6                               # rate points; a rate is stored in 1/256 of a point
SCALES = 64


def rshift(acc, shift):
    """Rounding arithmetic shift; shift may be an array (one entry per output channel, the last axis)."""
    acc, shift = np.asarray(acc, np.int64), np.asarray(shift, np.int64)
    half = np.where(shift > 0, np.int64(1) << np.maximum(shift - 1, 0), 0)
    return (acc + half) >> shift


class Layer:
    """weight int16 [out, in] (pointwise) or [channels, 9] (depthwise), bias int32 [out], shift uint8 [out]."""

    def __init__(self, weight, bias, shift, depthwise):
        self.weight, self.bias, self.shift, self.depthwise = weight.astype(np.int64), bias.astype(np.int64), shift.astype(np.int64), depthwise
        assert np.abs(self.weight).max() <= 32767 and self.shift.min() >= 0 and self.shift.max() < 31
        bound = np.abs(self.weight).sum(1) * RECTIFIED + np.abs(self.bias) + (1 << np.maximum(self.shift - 1, 0))
        assert bound.max() < 2**31, 'an int32 accumulator could overflow'

    def accumulate(self, x):
        """x int [H, W, in] -> int64 [H, W, out]. float64 products are exact here (every sum is below 2^31)."""
        if not self.depthwise:
            return np.rint(x.astype(np.float64) @ self.weight.T.astype(np.float64)).astype(np.int64) + self.bias
        h, w, _ = x.shape
        padded = np.pad(x.astype(np.int64), ((1, 1), (1, 1), (0, 0)))
        acc = np.zeros(x.shape, np.int64) + self.bias
        for t in range(9):
            acc += padded[t // 3:t // 3 + h, t % 3:t % 3 + w] * self.weight[:, t]
        return acc

    def __call__(self, x, lo, hi):
        return np.clip(rshift(self.accumulate(x), self.shift), lo, hi)


class IntegerModel:
    """Layers in file order: hs1, hs_dw, hs_pw, then per step in, mid_dw, mid_pw, out."""

    def __init__(self, channels, z_channels, layers, scale_bias, log_table, scale_tables, z_tables):
        self.M, self.Nz = channels, z_channels
        self.layers, self.scale_bias, self.log_table = layers, scale_bias, log_table
        self.scale_tables, self.z_tables = scale_tables, z_tables    # (L, frequencies of -L..L and escape); z_tables: (first value, frequencies and escape)

    # ---- networks
    def hyper_synthesis(self, z):
        """z int [H64, W64, Nz] -> p int [H32, W32, P], 0..4095, 8 fraction bits."""
        hs1, dw, pw = self.layers[:3]
        a = hs1(np.clip(z, -SIGNED, SIGNED), -SIGNED, SIGNED)
        h, w, c = a.shape
        a = a.reshape(h, w, 2, 2, c // 4).transpose(0, 2, 1, 3, 4).reshape(2 * h, 2 * w, c // 4)
        return pw(dw(np.maximum(a, 0), -SIGNED, SIGNED), 0, RECTIFIED)

    def features(self, y16):
        """y_hat in 1/16 -> [y/4, log1p(|y|)], both with 8 fraction bits."""
        return np.concatenate([np.clip(y16, -LIN_LIMIT, LIN_LIMIT) * 4, self.log_table[np.minimum(np.abs(y16), LOG_ENTRIES - 1)]], -1)

    def step(self, k, p, known, rate):
        """Parameters of coding step k: mean in 1/16 and table index, each [H32, W32, M]. known: y_hat in 1/16 of the earlier steps."""
        inp, dw, pw, out = self.layers[3 + 4 * k:7 + 4 * k]
        h = inp(np.concatenate([p] + [self.features(y) for y in known], -1), -SIGNED, SIGNED)
        a = dw(np.maximum(h, 0), -SIGNED, SIGNED)
        g = np.clip(h + rshift(pw.accumulate(a), pw.shift), 0, RECTIFIED)
        acc = rshift(out.accumulate(g), out.shift)
        mean = np.clip(acc[..., :self.M], -MEAN_LIMIT, MEAN_LIMIT)
        bias = np.concatenate([self.rate_bias(rate)[self.set_channels(k)]])
        return mean, np.clip((acc[..., self.M:] + bias + (1 << INDEX_FRACTION - 1)) >> INDEX_FRACTION, 0, SCALES - 1)

    def rate_bias(self, rate):
        i, f = min(rate >> 8, RATES - 2), 0
        f = rate - (i << 8)
        return (self.scale_bias[i] * (256 - f) + self.scale_bias[i + 1] * f + 128) >> 8

    def set_channels(self, k):
        """Channel of each entry of coding set k: phase ph = 2*(row&1)+(col&1) codes the channel group (k+ph) mod 4."""
        g = self.M // 4
        return np.concatenate([np.arange(g) + (k + ph) % 4 * g for ph in range(4)])

    # ---- latents <-> coding sets
    def split(self, y):
        """y [H16, W16, M] -> four arrays [H32, W32, M] in coding order."""
        h, w, m = y.shape
        s = y.reshape(h // 2, 2, w // 2, 2, m).transpose(0, 2, 1, 3, 4).reshape(h // 2, w // 2, 4, m)
        g = m // 4
        return [np.concatenate([s[:, :, ph, (k + ph) % 4 * g:(k + ph) % 4 * g + g] for ph in range(4)], -1) for k in range(4)]

    def symbols(self, y, z, rate):
        """Encoder side: y float [H16, W16, M] scaled by the encoder gain, z int. Yields (n, index, mean) of each step."""
        p, known = self.hyper_synthesis(z), []
        for k, v in enumerate(self.split(y)):
            mean, index = self.step(k, p, known, rate)
            n = np.rint(v - mean / 16).astype(np.int64)
            n = np.clip(n, -((32767 + mean) // 16), (32767 - mean) // 16)
            known.append(mean + 16 * n)
            yield n, index, mean

    # ---- file
    def save(self, path):
        with open(path, 'wb') as f:
            f.write(struct.pack('<4sHHHHHH', b'LICE', 1, self.M, self.Nz, len(self.layers), RATES, SCALES))
            for l in self.layers:
                narrow = np.abs(l.weight).max() <= 127
                f.write(struct.pack('<BBHH', int(l.depthwise), 1 if narrow else 2, l.weight.shape[1], l.weight.shape[0]))
                f.write(l.shift.astype('<u1').tobytes() + l.bias.astype('<i4').tobytes() + l.weight.astype('<i1' if narrow else '<i2').tobytes())
            f.write(self.scale_bias.astype('<i4').tobytes())
            f.write(struct.pack('<H', len(self.log_table)) + self.log_table.astype('<u2').tobytes())
            for first, freq in [(-l, fr) for l, fr in self.scale_tables] + self.z_tables:
                f.write(struct.pack('<hH', first, len(freq)) + np.asarray(freq).astype('<u2').tobytes())


def table(p, smallest=1):
    """Probabilities of consecutive values -> integer frequencies (the last one is the escape) that sum to 65536, each at least 1."""
    p = np.append(np.maximum(p, 0), max(1 - p.sum(), 0))
    f = np.maximum(smallest, np.floor(p * ((1 << TOTAL_BITS) - len(p))).astype(int))
    f[np.argmax(f)] += (1 << TOTAL_BITS) - f.sum()
    assert f.min() >= 1 and f.sum() == 1 << TOTAL_BITS
    return f


def escape_bits(v):
    """Bits of an escape payload for v = distance beyond the table, at least 1: sign/side, then Exp-Golomb."""
    return 1 + 2 * np.floor(np.log2(v)) + 1


def cost(freq, first, n):
    """Bits of symbols n under one table."""
    n = np.asarray(n)
    inside = (n >= first) & (n < first + len(freq) - 1)
    f = np.asarray(freq)
    bits = -np.log2(f[np.where(inside, n - first, len(f) - 1)] / 65536)
    out = np.where(n < first, first - n, n - (first + len(freq) - 2))
    return bits.sum() + (escape_bits(out[~inside]).sum() if (~inside).any() else 0)
