"""Trains the adapter on the views: function matching of the frozen teacher, the codec frozen.

    python3 train.py --views views --index index.json --teacher TEACHER.onnx --text text_encoder_int8.onnx --tokenizer DIR --out run --minutes 60

Constant learning rate (--cooldown 0), then a second call with --cooldown M anneals it to zero over M minutes from the saved state into OUT/cool.pt.
On a CPU the minutes are those that the process ran, so that other work on the machine does not shorten the training. Saves OUT/state.pt (cooling: OUT/cooling.pt)
every few minutes and continues from it. New shards in the views folder are picked up as they appear.
"""
import argparse, json, os, time
import numpy as np, torch, torch.nn.functional as F
from adapter import Adapter

TEMPERATURE = 1.5
GROUP, GROUPS = 16, 4            # a batch is GROUPS grids of GROUP views


class Muon(torch.optim.Optimizer):
    """Momentum with the update orthogonalised by five Newton-Schulz steps (Jordan et al. 2024), for matrices and 1x1 convolutions."""
    def __init__(s, params, lr): super().__init__(params, dict(lr=lr))
    @torch.no_grad()
    def step(s):
        for g in s.param_groups:
            for p in g['params']:
                m = s.state[p].setdefault('m', torch.zeros_like(p)); m.mul_(.95).add_(p.grad); u = p.grad.add(m, alpha=.95).flatten(1)
                x = u.bfloat16(); t = x.shape[0] > x.shape[1]; x = x.T if t else x; x = x / (x.norm() + 1e-7)
                for _ in range(5): a = x @ x.T; x = 3.4445 * x + (-4.775 * a + 2.0315 * a @ a) @ x
                x = (x.T if t else x).float().reshape(p.shape)
                p.mul_(1 - g['lr'] * g['decay']).add_(x, alpha=-g['lr'] * max(1, p.shape[0] / p.shape[1]) ** .5)


class Shards:
    def __init__(s, folder, split):
        s.folder, s.split, s.queue, s.rng = folder, split, [], np.random.default_rng(int(time.time()))
        c = np.load(os.path.join(folder, 'codec.npz')); h = np.load(os.path.join(folder, 'hints.npz'))
        s.lg, s.ld, s.sign = (torch.from_numpy(c[k]).float() for k in ('lg', 'ld', 'flip')); s.scales = [float(h[k + '_scale']) for k in ('hint14', 'hint7')]

    def list(s): return [os.path.join(s.folder, d) for d in sorted(os.listdir(s.folder)) if d.startswith(s.split + '-') and not d.endswith('.tmp')]

    def decoded(s, y, rate):
        """what the decoder would read at that rate (rounded relative to zero: as far from the real thing as bf16 noise, see README)"""
        w = (1 - (rate[:, None] - torch.arange(6.)).abs()).clamp(min=0).to(y.device); g, d = w @ s.lg.to(y.device), w @ s.ld.to(y.device)
        return torch.round(y * g.exp()[:, :, None, None]) * (d - g).exp()[:, :, None, None]

    def group(s):
        if not s.queue:
            for d in s.list():
                order = s.rng.permutation(len(np.load(os.path.join(d, 'meta.npy'), mmap_mode='r')))
                s.queue += [(d, order[k:k + GROUP]) for k in range(0, len(order) - GROUP + 1, GROUP)]
            s.rng.shuffle(s.queue); s.epoch = getattr(s, 'epoch', -1) + 1; s.views = len(s.queue) * GROUP
        d, rows = s.queue.pop(); return s.load(d, np.sort(rows))

    def load(s, d, rows, keys=('latents', 'logits', 'embedding', 'hint14', 'hint7', 'meta')):
        return {k: torch.from_numpy(np.load(os.path.join(d, k + '.npy'), mmap_mode='r')[rows].astype('i8' if k == 'meta' else 'f4')) for k in keys}


def mix(b, rng):
    """Blends (mixup) or pastes a rectangle of (CutMix) another view of the same grid, in the latents: the analysis transform is nearly linear, so this is the
    picture that pixels would give. The target is the mixture of the two answers of the teacher, which was not asked; it keeps few views from being learnt by heart."""
    n = len(b['meta']); other = torch.from_numpy(rng.permutation(n)); share = float(rng.uniform(.5, 1)); names = ('latents', 'hint14', 'hint7')
    if rng.random() < .5:
        for k in names: b[k] = b[k] * share + b[k][other] * (1 - share)
    else:
        side = (1 - share) ** .5; v, u = rng.uniform(0, 1 - side, 2)
        for k in names:
            H, W = b[k].shape[2:]; r, c = (slice(round(o * m), max(round(o * m) + 1, round((o + side) * m))) for o, m in ((v, H), (u, W)))
            source = b[k][other]; b[k] = b[k].clone(); b[k][:, :, r, c] = source[:, :, r, c]
    p = F.softmax(b['logits'] / TEMPERATURE, 1); b['logits'] = (p * share + p[other] * (1 - share)).clamp(min=1e-8).log() * TEMPERATURE
    t = F.normalize(b['embedding'], dim=1); b['embedding'] = t * share + t[other] * (1 - share); b['meta'][:, 1] = 1
    return b


def losses(e, logits, h14, h7, b, labels, weights):
    """e [n,256], logits [n,C]; b: the teacher's answers."""
    t = F.normalize(b['embedding'], dim=1); target = F.normalize(t + .7 * labels, dim=1); T = TEMPERATURE
    soft = F.softmax(b['logits'] / T, 1)
    kl = F.kl_div(F.log_softmax(logits / T, 1), soft, reduction='batchmean') * T * T
    cos = 1 - (e * target).sum(1).mean()
    rel = F.kl_div(F.log_softmax(e @ target.T / .07, 1), F.softmax(target @ target.T / .05, 1), reduction='batchmean')
    n7, n14 = (F.mse_loss(p.float(), q) / q.var() for p, q in ((h7, b['hint7']), (h14, b['hint14'])))
    return kl * weights[0] + cos * weights[1] + rel * weights[2] + n7 * weights[3] + n14 * weights[4], (kl, cos, rel, n7, n14)


@torch.no_grad()
def validate(net, shards, rates=(2.2,), limit=640):
    net.eval(); out = {}
    for r in rates:
        cos, agree, kl, n = 0., 0., 0., 0
        for d in shards.list():
            b = shards.load(d, slice(0, 128), ('latents', 'logits', 'embedding')); e, l = net(shards.decoded(b['latents'], torch.full((len(b['latents']),), r)))
            cos += (e * F.normalize(b['embedding'], dim=1)).sum().item(); agree += (l.argmax(1) == b['logits'].argmax(1)).sum().item(); n += len(e)
            kl += F.kl_div(F.log_softmax(l, 1), F.softmax(b['logits'], 1), reduction='sum').item()
            if n >= limit: break
        out[r] = tuple(round(v / max(n, 1), 4) for v in (cos, agree, kl))
    net.train(); return out


def main():
    a = argparse.ArgumentParser()
    for n in ('views', 'index', 'teacher', 'text', 'tokenizer', 'out'): a.add_argument('--' + n, required=True)
    a.add_argument('--minutes', type=float, default=10); a.add_argument('--cooldown', type=float, default=0); a.add_argument('--lr', type=float, default=.02)
    a.add_argument('--adam', type=float, default=1.5e-3); a.add_argument('--device', default='cpu'); a.add_argument('--net', default='{}'); a.add_argument('--init', default=None); a.add_argument('--start', default=None, help='state.pt or cooling.pt of another run that this one goes on from')
    a.add_argument('--weights', type=float, nargs=5, default=(.4, 2, .5, 1, .5)); a.add_argument('--optimizer', default='muon'); a.add_argument('--every', type=float, default=3); a.add_argument('--mix', type=float, default=0)
    a = a.parse_args(); torch.set_num_threads(int(os.environ.get('OMP_NUM_THREADS', 1))); torch.set_flush_denormal(True); os.makedirs(a.out, exist_ok=True)
    data, val = Shards(a.views, 'train'), Shards(a.views, 'val'); dev = a.device
    tables = os.path.join(a.out, 'tables.pt')
    if not os.path.exists(tables):                          # class-name vectors, label vectors, channel scales: once per run
        import onnx; from texts import Texts
        names = next(onnx.numpy_helper.to_array(t) for t in onnx.load(a.teacher).graph.initializer if t.name == 'h_inv')
        rows = json.load(open(a.index)); texts = Texts(a.text, a.tokenizer); forms = sorted({r['label'] for r in rows if r['label']})
        v = sum(texts([p.format(f) for f in forms]) for p in ('{}', 'a photo of a {}', 'a {}')); v /= np.linalg.norm(v, axis=1, keepdims=True)
        number = {f: i + 1 for i, f in enumerate(forms)}
        std = np.sqrt(np.mean([np.load(os.path.join(d, 'latents.npy'), mmap_mode='r')[:32].astype('f').var((0, 2, 3)) for d in data.list()[:12]], 0))
        torch.save(dict(names=torch.tensor(names), vectors=torch.tensor(np.concatenate([np.zeros((1, 256), 'f'), v])), label=torch.tensor([number.get(r['label'], 0) for r in rows]), std=torch.tensor(std)), tables)
    tab = torch.load(tables)
    net = Adapter(tab['std'], tab['names'], **json.loads(a.net)).to(dev, memory_format=torch.channels_last); ema = Adapter(tab['std'], tab['names'], **json.loads(a.net)).to(dev).eval()
    matrix = [p for n, p in net.named_parameters() if p.ndim in (2, 4) and p.numel() > 4096 and not n.startswith(('classes', 'hint', 'size', 'r1', 'r2')) and (p.ndim == 2 or p.shape[2] == 1) and a.optimizer == 'muon']
    ids = {id(p) for p in matrix}; other = [p for p in net.parameters() if id(p) not in ids]
    adam = torch.optim.AdamW([dict(params=[p for p in other if p.ndim > 1], weight_decay=.02), dict(params=[p for p in other if p.ndim < 2], weight_decay=0)], a.adam, betas=(.9, .98))
    muon = Muon([dict(params=matrix, decay=.03)], a.lr) if matrix else None; opts = [adam] + ([muon] if muon else [])
    clock = time.process_time if dev == 'cpu' else time.time
    step, spent, cooled, path = 0, 0., 0., os.path.join(a.out, 'state.pt'); cooling = os.path.join(a.out, 'cooling.pt')
    if a.init: net.load_state_dict(torch.load(a.init)['net'])
    source = cooling if a.cooldown and os.path.exists(cooling) else path
    if a.start and not os.path.exists(source): source = a.start
    if os.path.exists(source):
        s = torch.load(source); cooled = s['cooled'] if source == cooling else 0.; net.load_state_dict(s['net']); ema.load_state_dict(s['ema']); step, spent = s['step'], s['spent']
        for o, q in zip(opts, s['opts']): o.load_state_dict(q)
    for g in adam.param_groups: g['lr'] = a.adam
    if muon: muon.param_groups[0]['lr'] = a.lr
    base = [[g['lr'] for g in o.param_groups] for o in opts]; start, saved, acc, cpu = clock(), time.time(), [], time.process_time(); first = step; sign = data.sign.view(1, -1, 1, 1)
    def save(final=False):
        state = dict(ema=ema.state_dict(), cfg=net.cfg, step=step, spent=spent + clock() - start)
        if final and a.cooldown: torch.save({**state, 'net': net.state_dict()}, os.path.join(a.out, 'cool.pt'))
        else:
            to = cooling if a.cooldown else path
            torch.save({**state, 'net': net.state_dict(), 'opts': [o.state_dict() for o in opts], **({'cooled': cooled + clock() - start} if a.cooldown else {})}, to + '.tmp'); os.replace(to + '.tmp', to)
        print(f'step {step} epoch {getattr(data, "epoch", 0)} of {getattr(data, "views", 0)} views, {(clock() - start) / 60:.1f} min, cpu {(time.process_time() - cpu) / 60:.1f}; train', np.round(np.mean(acc[-200:], 0), 3).tolist(), 'val', validate(ema, val), flush=True)
    while True:
        gone = (clock() - start + cooled) / 60
        if gone > (a.cooldown or a.minutes): break
        k = 1 - gone / a.cooldown if a.cooldown else min(1, (step + 1) / 100)
        for o, l in zip(opts, base):
            for g, v in zip(o.param_groups, l): g['lr'] = v * k
        fs, bs = [], []
        with torch.autocast(dev, torch.bfloat16):
            for _ in range(GROUPS):
                b = data.group(); b = mix(b, data.rng) if data.rng.random() < a.mix else b; b = {q: v.to(dev) for q, v in b.items()}; y = data.decoded(b['latents'], torch.from_numpy(data.rng.uniform(0, 5, len(b['meta']))).float())
                if data.rng.random() < .5: y = y.flip(3) * sign.to(dev); b['hint14'], b['hint7'] = b['hint14'].flip(3), b['hint7'].flip(3)
                fs.append(net.resampled(y.contiguous(memory_format=torch.channels_last))); bs.append(b)
            b = {q: torch.cat([x[q] for x in bs]) for q in bs[0] if q != 'latents'}; b['hint14'] *= data.scales[0]; b['hint7'] *= data.scales[1]
            e, logits, f, g = net.rest(torch.cat(fs).contiguous(memory_format=torch.channels_last)); h14, h7 = net.hint14(f), net.hint7(g)
        labels = tab['vectors'][tab['label'][b['meta'][:, 0].cpu()] * (1 - b['meta'][:, 1].cpu())].to(dev)
        loss, parts = losses(e.float(), logits.float(), h14, h7, b, labels, a.weights)
        for o in opts: o.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(other, 5.)
        for o in opts: o.step()
        acc.append([p.item() for p in parts]); step += 1; d = min(.997, (step + 1) / (step + 20)) if not a.cooldown else .99
        with torch.no_grad():
            for p, q in zip(ema.state_dict().values(), net.state_dict().values()): p.lerp_(q, 1 - d) if p.is_floating_point() else p.copy_(q)
        if step - first in (20, 100): print(step, np.round(np.mean(acc[-20:], 0), 3).tolist(), f'{(time.process_time() - cpu) / (step - first) * 1e3 / GROUP / GROUPS:.2f} ms cpu per view', flush=True)
        if time.time() - saved > a.every * 60: save(); saved = time.time()
    save(True)


if __name__ == '__main__': main()
