"""Exact linear transforms that the networks start from: DCT, Malvar's lapped orthogonal transform, colour decorrelation."""
import math

import numpy as np

# orthonormal and close to YCoCg: luma, orange-blue, green-magenta
COLOUR = np.array([[1 / math.sqrt(3)] * 3, [1 / math.sqrt(2), 0, -1 / math.sqrt(2)], [-1 / math.sqrt(6), 2 / math.sqrt(6), -1 / math.sqrt(6)]])


def dct(n):
    """Orthonormal DCT-II, rows are basis functions."""
    k, i = np.mgrid[:n, :n]
    d = np.cos(math.pi * (2 * i + 1) * k / (2 * n)) * math.sqrt(2 / n)
    d[0] /= math.sqrt(2)
    return d


def lot(n, rho=0.95):
    """Lapped orthogonal transform (Malvar and Staelin 1989), n bands of 2n taps, each half KLT-optimised for AR(1) data.
    Returns (bases [n, 2n], sign: +1 for symmetric rows, -1 for antisymmetric ones)."""
    d = dct(n)
    even, odd = d[0::2].T, d[1::2].T
    flip = np.eye(n)[::-1]
    p = .5 * np.block([[even - odd, even - odd], [flip @ (even - odd), -flip @ (even - odd)]])
    covariance = rho ** np.abs(np.subtract.outer(np.arange(2 * n), np.arange(2 * n)))
    rows = []
    for half in (p[:, :n // 2], p[:, n // 2:]):
        _, v = np.linalg.eigh(half.T @ covariance @ half)
        rows.append((half @ v[:, ::-1]).T)
    p = np.empty((n, 2 * n))
    p[0::2], p[1::2] = rows
    p[p[:, n - n // 4:n].sum(1) < 0] *= -1
    return p, np.array([1, -1] * (n // 2))


def basis2d(p):
    """Separable bases in colour-major order, [3 n n, 3, T, T] from [n, T]."""
    n, t = p.shape
    b = np.einsum('ui,vj->uvij', p, p).reshape(n * n, t, t)
    return np.einsum('cr,kij->ckrij', COLOUR, b).reshape(3 * n * n, 3, t, t)


def basis_sign(sign):
    """Vertical and horizontal symmetry of each basis of basis2d."""
    n = len(sign)
    return np.tile(np.repeat(sign, n), 3), np.tile(np.tile(sign, n), 3)
