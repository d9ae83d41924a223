"""An adapter fitted in closed form, for when there is hardly any compute: two layers of patch dictionaries, the second on features that predict one of the
teacher's maps, then ridge regression of the teacher's answers. About a minute of one core for 11,000 views. Same inputs and outputs as adapter.Adapter.

    python3 convex.py --views views --tables run/tables.pt --out convex.pt [--shards 90] [--threads 1]

Dictionaries are random whitened patches with a soft threshold (Coates and Ng 2011), pooled over the picture and its quadrants, square-rooted.
"""
import argparse, time
import numpy as np, torch, torch.nn as nn, torch.nn.functional as F
from adapter import GRID, resample


def regions(H, W, device=None):
    """[5, H*W] weights: the whole grid and its four quadrants (linear overlap)"""
    one = lambda n: torch.cat([torch.ones(1, GRID, device=device) / GRID @ resample(n, GRID, device), resample(n, 2, device)])
    h, w = one(H), one(W)
    return torch.stack([(h[i][:, None] * w[j][None]).flatten() for i, j in ((0, 0), (1, 1), (1, 2), (2, 1), (2, 2))])


class Convex(nn.Module):
    def __init__(s, scale, names, k1=512, k2=1024, middle=96, ranks=128):
        super().__init__(); s.cfg = dict(k1=k1, k2=k2, middle=middle, ranks=ranks); d = k1 + 5 * k2; s.dims = d
        s.register_buffer('scale', 1 / scale.float().view(1, -1, 1, 1)); s.register_buffer('names', names.float())
        s.first, s.reduce, s.second = nn.Conv2d(192, k1, 1), nn.Conv2d(k1, middle, 1), nn.Conv2d(middle, k2, 3, 2, 1)
        s.register_buffer('mean', torch.zeros(d)); s.register_buffer('std', torch.ones(d))
        s.head = nn.Linear(d, 256 + ranks); s.classes = nn.Linear(ranks, names.shape[0]); s.beta = nn.Parameter(torch.tensor(.5))
    def lower(s, y):
        """[n,192,H,W] -> first layer on its own grid [n,k1,H,W]"""
        u = y * s.scale; return F.relu(s.first(u / (1 + .2 * u.abs())))
    def grid(s, f): return resample(f.shape[2], GRID, f.device).to(f.dtype) @ f @ resample(f.shape[3], GRID, f.device).to(f.dtype).T
    def pooled(s, y):
        """[n,192,H,W] -> [n,dims]"""
        f = s.lower(y); g = F.relu(s.second(s.reduce(s.grid(f))))
        a = f.float().mean((2, 3)); b = torch.matmul(g.float().flatten(2), regions(7, 7, y.device).T).transpose(1, 2).flatten(1)
        return torch.cat([a, b], 1).clamp(min=0).sqrt()
    def answer(s, x):
        z = s.head((x - s.mean) / s.std); logits = s.classes(z[:, 256:]); cone = F.normalize(F.softmax(logits, 1) @ s.names, dim=1)
        return F.normalize(z[:, :256] + s.beta * cone, dim=1), logits
    def forward(s, y): return s.answer(s.pooled(y))


def whiten(x, eps):
    mean = x.mean(0); c = x - mean; w, u = torch.linalg.eigh(c.T @ c / len(c)); return mean, u @ torch.diag((w + eps * w.mean()) ** -.5) @ u.T


def dictionary(conv, x, eps=.05, sparse=.6):
    """Sets a convolution to random whitened patches x [n, in*kh*kw] with a soft threshold"""
    mean, z = whiten(x, eps); w = (x - mean) @ z; w = w[torch.randperm(len(w))]; d = F.normalize(w[:conv.out_channels], dim=1); t = (w[:3000] @ d.T).std() * sparse
    conv.weight.data = (d @ z).reshape(conv.weight.shape); conv.bias.data = -(d @ z) @ mean - t


@torch.no_grad()
def fit(net, data, val, tab, log=print):
    dev = 'cpu'; start = time.process_time(); shards = data.list(); rng = np.random.default_rng(0); cast = lambda: torch.autocast(dev, torch.bfloat16)
    read = lambda d, rows, keys: (lambda b: (b, data.decoded(b['latents'], torch.from_numpy(rng.uniform(0, 5, len(b['latents']))).float()).contiguous(memory_format=torch.channels_last)))(data.load(d, rows, ('latents', *keys)))
    some = [shards[i] for i in rng.permutation(len(shards))[:24]]
    p = []
    for d in some:
        u = read(d, np.arange(0, 128, 12), ())[1] * net.scale; p.append((u / (1 + .2 * u.abs())).permute(0, 2, 3, 1).reshape(-1, 192)[::5])
    dictionary(net.first, torch.cat(p)); log('first layer', time.process_time() - start)
    # the middle features: half predict the teacher's 14x14 map, half are principal components
    k = net.cfg['middle'] // 2; G, B, n, m, t = 0., 0., 0, 0., 0.
    for d in some:
        b, y = read(d, np.arange(0, 128, 3), ('hint14',))
        with cast(): f = net.grid(net.lower(y))
        x = f.float().permute(0, 2, 3, 1).reshape(-1, net.cfg['k1']); h = b['hint14'].permute(0, 2, 3, 1).reshape(-1, 48)
        G, B, n, m, t = G + x.T @ x, B + x.T @ h, n + len(x), m + x.sum(0), t + h.sum(0)
    m, t = m / n, t / n; C = G / n - torch.outer(m, m); R = torch.linalg.solve(C + .003 * C.diagonal().mean() * torch.eye(len(C)), B / n - torch.outer(m, t))
    w, U = torch.linalg.eigh(C); A = torch.cat([R[:, :k], U.flip(1)[:, :net.cfg['middle'] - k]], 1); A = A / (A * (C @ A)).sum(0).clamp(min=1e-8).sqrt()
    net.reduce.weight.data, net.reduce.bias.data = A.T.reshape(net.reduce.weight.shape).contiguous(), -(m @ A); log('middle', time.process_time() - start)
    p = []
    for d in some:
        y = read(d, np.arange(0, 128, 5), ())[1]
        with cast(): f = net.reduce(net.grid(net.lower(y)))
        p.append(F.unfold(f.float(), 3, padding=1, stride=2).transpose(1, 2).reshape(-1, 9 * net.cfg['middle'])[::4])
    dictionary(net.second, torch.cat(p), eps=.1); log('second layer', time.process_time() - start)
    net.to(memory_format=torch.channels_last)
    def collect(s, keys, flips):
        X, K = [], {q: [] for q in keys}
        for d in s.list():
            b = s.load(d, np.arange(128), ('latents', *keys)); y = s.decoded(b['latents'], torch.from_numpy(rng.uniform(0, 5, 128)).float())
            for flip in range(flips):
                if flip: y = y.flip(3) * data.sign.view(1, -1, 1, 1)
                with cast(): X.append(net.pooled(y.contiguous(memory_format=torch.channels_last)).half())
                for q in keys: K[q].append(b[q])
        return torch.cat(X), {q: torch.cat(v) for q, v in K.items()}
    keys = ('embedding', 'logits', 'meta'); X, K = collect(data, keys, 1); V, KV = collect(val, keys, 1); log('features', tuple(X.shape), time.process_time() - start)
    net.mean.copy_(X.float().mean(0)); net.std.copy_(X.float().std(0) + 1e-3); z = lambda x: (x.float() - net.mean) / net.std
    E = F.normalize(K['embedding'], dim=1); labels = tab['vectors'][tab['label'][K['meta'][:, 0]] * (1 - K['meta'][:, 1])]; E = F.normalize(E + .7 * labels, dim=1)
    L = K['logits'] - K['logits'].mean(1, keepdim=True); lm = L.mean(0); w, U = torch.linalg.eigh((L - lm).T @ (L - lm) / len(L)); U = U.flip(1)[:, :net.cfg['ranks']]
    Y = torch.cat([E, (L - lm) @ U], 1); ym = Y.mean(0); G = torch.zeros(net.dims, net.dims); B = torch.zeros(net.dims, Y.shape[1])
    for i in range(0, len(X), 4096): x = z(X[i:i + 4096]); G += x.T @ x; B += x.T @ (Y[i:i + 4096] - ym)
    EV = F.normalize(KV['embedding'], dim=1); best = 0.; PV = F.softmax(KV['logits'], 1)
    for lam in (3000., 8000., 20000.):
        H = torch.cholesky_solve(B, torch.linalg.cholesky(G + lam * torch.eye(net.dims))); q = z(V) @ H + ym; c = F.cosine_similarity(q[:, :256], EV).mean().item(); log('ridge', lam, 'val cos', c, time.process_time() - start)
        if c > best: best, W, Q = c, H, q
    net.head.weight.data, net.head.bias.data = W.T.contiguous(), ym
    best = 1e9                                              # the regressed logits are too flat: sharpen them for the posterior
    for gain in (1., 1.5, 2., 2.5, 3., 4.):
        kl = F.kl_div(F.log_softmax((Q[:, 256:] @ U.T + lm / gain) * gain, 1), PV, reduction='batchmean').item()
        if kl < best: best, g = kl, gain
    net.classes.weight.data, net.classes.bias.data = (U * g).contiguous(), lm.clone(); log('gain', g, 'kl', best)
    best = 0.
    for beta in (0., .15, .3, .5, .8):
        net.beta.data.fill_(beta); c = (net.answer(V.float())[0] * EV).sum(1).mean().item(); log('beta', beta, c)
        if c > best: best, keep = c, beta
    net.beta.data.fill_(keep); e, l = net.answer(V.float()); log('val cos', (e * EV).sum(1).mean().item(), 'same class', (l.argmax(1) == KV['logits'].argmax(1)).float().mean().item(), time.process_time() - start)


def main():
    from train import Shards
    a = argparse.ArgumentParser()
    for n in ('views', 'tables', 'out'): a.add_argument('--' + n, required=True)
    a.add_argument('--threads', type=int, default=1); a.add_argument('--k1', type=int, default=512); a.add_argument('--k2', type=int, default=1024); a = a.parse_args()
    torch.set_num_threads(a.threads); torch.set_flush_denormal(True); torch.manual_seed(0); tab = torch.load(a.tables)
    net = Convex(tab['std'], tab['names'], a.k1, a.k2); fit(net, Shards(a.views, 'train'), Shards(a.views, 'val'), tab, lambda *x: print(*x, flush=True))
    torch.save(dict(ema=net.state_dict(), cfg=net.cfg, kind='convex'), a.out)


if __name__ == '__main__': main()
