"""Makes training views: random crops of the pictures through the codec (its decoded latents) and through the teacher.

    python3 views.py --index index.json --codec-code DIR --codec final.pt --teacher image_encoder_mnv2_conse.onnx --out views [--split val]

One shard is SHARD views of one latent grid; it holds, as .npy files in OUT/<split>-<worker>-<number>/:
  latents  f16 [n,192,h,w]  the analysis transform's y, not yet scaled and rounded: train.py does that at a fresh rate each time
  rate     f16 [n]          the rate at which y was made, 0..5
  logits   f16 [n,1001], feature f16 [n,1280], embedding f16 [n,256]   the teacher's answers to the same view squashed to 224x224
  hint14   i8 [n,48,14,14], hint7 i8 [n,96,7,7]   principal components of two of the teacher's maps (hints.npz, fitted first)
  meta     i32 [n,2]        picture number in the index, 1 if mixed with a second picture
OUT/codec.npz holds the codec's gains and the signs of its bases under a horizontal flip.
Interrupted runs continue at the next shard; several workers (--worker k) share one folder.
"""
import argparse, json, os, sys, time
import numpy as np, torch, torch.nn.functional as F
import onnxruntime as ort
from PIL import Image, ImageFile
from pictures import SOURCES
ImageFile.LOAD_TRUNCATED_IMAGES = True

SHARD, BATCH = 128, 16
# latent grids (rows, columns) and how often they are drawn; the picture's own aspect decides among them too
GRIDS = {(14, 14): .15, (12, 12): .09, (10, 10): .05, (9, 13): .07, (13, 9): .05, (10, 14): .08, (14, 10): .06, (12, 16): .09, (16, 12): .06,
         (16, 16): .04, (13, 20): .05, (20, 13): .02, (16, 24): .05, (24, 16): .03, (18, 24): .03, (24, 32): .012, (32, 24): .006, (8, 12): .03, (7, 9): .02}
HINTS = {'t156': ('hint14', 48), 't170c': ('hint7', 96)}


def load_teacher(path, threads=1):
    """The teacher as a session that also returns its logits, pooled features and two maps."""
    import onnx
    model = onnx.load(path)
    for name in ('logits', 'feature', *HINTS): model.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    options = ort.SessionOptions(); options.intra_op_num_threads = threads; options.log_severity_level = 3
    return ort.InferenceSession(model.SerializeToString(), options, providers=['CPUExecutionProvider'])


class Codec:
    """Pictures -> decoded latents with real rounding relative to the context model's means."""
    def __init__(s, code, checkpoint, device='cpu'):
        sys.path.insert(0, code); import model
        state = torch.load(checkpoint, map_location='cpu', weights_only=False)
        s.net = model.Codec(**state['cfg']).eval().to(device); s.net.load_state_dict(state['model']); s.weights, s.device = model.rate_weights, device
        s.net.t.to(memory_format=torch.channels_last)

    def quantise(s, ys, rw):
        e, grid = s.net.e, ys.shape[2:]
        ys = F.pad(ys, (0, -grid[1] % 4, 0, -grid[0] % 4), mode='replicate')
        p = e.hyper_synthesis(torch.round(e.hyper_analysis(ys))); u = F.pixel_unshuffle(ys, 2); known = []
        for k in range(e.steps):
            v = u[:, e.sets[k]]; mu, _ = e.step(k, p, known, 0)
            mu = torch.round(mu.float() * 16) / 16; known.append(torch.round(v - mu) + mu)
        return F.pixel_shuffle(torch.cat(known, 1)[:, e.inv], 2)[:, :, :grid[0], :grid[1]]

    @torch.no_grad()
    def __call__(s, x, rate):
        """x [n,3,h,w] in 0..1 with h and w multiples of 16, rate [n] in 0..5 -> [n,192,h/16,w/16]"""
        rw = s.weights(rate).to(s.device)
        with torch.autocast(s.device, torch.bfloat16):
            ge, gd = s.net.gains(rw); y = s.net.t.analysis(x.to(s.device, memory_format=torch.channels_last), rw).float()
            return (s.quantise(y * ge, rw) * gd).float()

    @torch.no_grad()
    def analysis(s, x, rate):
        with torch.autocast(s.device, torch.bfloat16): return s.net.t.analysis(x.to(s.device, memory_format=torch.channels_last), s.weights(rate).to(s.device)).float()


def jitter(pair, rng):
    """The same change of brightness, contrast, saturation and colour balance for both sizes of a view, [3,h,w] in 0..1."""
    if rng.random() < .35: return pair
    gain = float(np.exp(rng.normal(0, .12))) * np.exp(rng.normal(0, .04, 3)); offset = float(rng.normal(0, .05)); colour = float(rng.uniform(.5, 1.3))
    if rng.random() < .04: colour = 0.
    gain = torch.tensor(gain, dtype=torch.float32)[:, None, None]
    out = []
    for x in pair:
        grey = x.mean(0, keepdim=True); out.append((((grey + (x - grey) * colour) - .45) * gain + .45 + offset).clamp(0, 1))
    return out


class Views:
    def __init__(s, rows, rng, plain):
        s.rows, s.rng, s.plain, s.recent = rows, rng, plain, []
        by = {n: [i for i, r in enumerate(rows) if r['source'] == n] for n in SOURCES}
        s.by = {n: v for n, v in by.items() if v}; w = np.array([SOURCES[n] for n in s.by]); s.share = w / w.sum()
        s.grids = list(GRIDS); s.prior = np.array([GRIDS[g] for g in s.grids]); s.shape = np.log([g[1] / g[0] for g in s.grids])

    def crop(s, im, grid):
        W, H = im.size; ratio = grid[1] / grid[0] * float(np.exp(s.rng.normal(0, .03 if s.plain else .12)))
        w, h = (W, W / ratio) if W / H < ratio else (H * ratio, H)
        if not s.plain and s.rng.random() < .6: k = float(s.rng.uniform(.25, 1)) ** .5; w, h = w * k, h * k
        x, y = s.rng.random(2) * (W - w, H - h); box = (x, y, x + w, y + h)
        make = lambda size: torch.from_numpy(np.array(im.resize(size, Image.BILINEAR if s.rng.random() < .5 else Image.BICUBIC, box=box))).permute(2, 0, 1).float() / 255
        pair = [make((grid[1] * 16, grid[0] * 16)), torch.from_numpy(np.array(im.resize((224, 224), Image.BILINEAR, box=box))).permute(2, 0, 1).float() / 255]
        if s.plain: return pair
        if s.rng.random() < .5: pair = [p.flip(2) for p in pair]
        return jitter(pair, s.rng)

    def mix(s, pair, grid):
        other = s.crop(s.recent[s.rng.integers(len(s.recent))], grid)
        if s.rng.random() < .5: k = float(s.rng.uniform(.3, .7)); return [a * k + b * (1 - k) for a, b in zip(pair, other)]
        u, v = s.rng.uniform(.3, .7, 2); x, y = s.rng.random(2) * (1 - u, 1 - v)
        for a, b in zip(pair, other):
            H, W = a.shape[1:]; r = slice(int(y * H), int((y + v) * H)), slice(int(x * W), int((x + u) * W)); a[:, r[0], r[1]] = b[:, r[0], r[1]]
        return pair

    def __iter__(s):
        """endless (grid, codec view, teacher view, picture number, mixed)"""
        names = list(s.by)
        while True:
            i = int(s.rng.choice(s.by[names[s.rng.choice(len(names), p=s.share)]])); path = s.rows[i]['path']
            try:
                im = Image.open(path)
                if max(im.size) > 1400: im.draft('RGB', (700, 700))
                im = im.convert('RGB')
            except Exception: continue
            if max(im.size) > 800: im.thumbnail((800, 800), Image.BILINEAR)
            s.recent = s.recent[-63:] + [im]; large = max(im.size) >= 300
            p = s.prior * np.exp(-2 * np.abs(s.shape - np.log(im.size[0] / im.size[1]))) * np.array([large or g[0] * g[1] <= 256 for g in s.grids]); p /= p.sum()
            for _ in range(1 if s.plain else 2):
                grid = s.grids[s.rng.choice(len(p), p=p)]; pair = s.crop(im, grid); mixed = not s.plain and len(s.recent) > 8 and s.rng.random() < .25
                if mixed: pair = s.mix(pair, grid)
                yield grid, pair[0], pair[1], i, int(mixed)


def fit_hints(teacher, views, path):
    """Principal components of the teacher's maps from 384 views."""
    maps = {n: [] for n in HINTS}; batch = []
    for v in views:
        batch.append(v[2] * 2 - 1)
        if len(batch) == BATCH:
            for n, m in zip(HINTS, teacher.run(list(HINTS), {'input': torch.stack(batch).numpy()})): maps[n].append(m)
            batch = []
            if len(maps['t156']) == 24: break
    out = {}
    for n, (name, k) in HINTS.items():
        m = np.concatenate(maps[n]); m = m.transpose(0, 2, 3, 1).reshape(-1, m.shape[1]); mean = m.mean(0)
        value, vector = np.linalg.eigh(np.cov((m - mean).T)); basis = vector[:, ::-1][:, :k]
        out[name + '_mean'], out[name + '_basis'], out[name + '_scale'] = mean, basis.astype('f'), float(np.sqrt(value[-1]) / 25)
        print(name, 'explained', value[::-1][:k].sum() / value.sum())
    np.savez(path, **out)


def main():
    a = argparse.ArgumentParser()
    for n in ('index', 'codec-code', 'codec', 'teacher', 'out'): a.add_argument('--' + n, required=True)
    a.add_argument('--split', default='train'); a.add_argument('--worker', type=int, default=0); a.add_argument('--shards', type=int, default=10**6)
    a.add_argument('--device', default='cpu'); a.add_argument('--fit', action='store_true')
    a = a.parse_args()
    torch.set_num_threads(1); os.makedirs(a.out, exist_ok=True)
    rows = json.load(open(a.index)); keep = [i for i, r in enumerate(rows) if r['split'] == a.split]; rows_split = [rows[i] for i in keep]
    done = [d for d in os.listdir(a.out) if d.startswith(f'{a.split}-{a.worker}-')]; number = len(done)
    rng = np.random.default_rng([a.worker, number, a.split == 'val']); teacher = load_teacher(a.teacher); views = Views(rows_split, rng, plain=a.split == 'val')
    hints = os.path.join(a.out, 'hints.npz')
    if a.fit: fit_hints(teacher, views, hints); return
    hints = np.load(hints); codec = Codec(a.codec_code, a.codec, a.device); bins, full, start, made = {}, {}, time.time(), 0
    np.savez(os.path.join(a.out, 'codec.npz'), lg=codec.net.lg.detach().numpy(), ld=codec.net.ld.detach().numpy(), flip=codec.net.t.sx16.numpy().ravel())
    for grid, x, t, i, mixed in views:
        b = bins.setdefault(grid, []); b.append((x, t, keep[i], mixed))
        if len(b) < BATCH: continue
        bins[grid] = []; rate = torch.from_numpy(rng.uniform(0, 5, BATCH)).float()
        latents = codec.analysis(torch.stack([v[0] for v in b]), rate).cpu().numpy().astype('f2')
        logits, feature, embedding, *maps = teacher.run(['logits', 'feature', 'embedding', *HINTS], {'input': (torch.stack([v[1] for v in b]) * 2 - 1).numpy()})
        part = dict(latents=latents, rate=rate.numpy().astype('f2'), logits=logits.astype('f2'), feature=feature.astype('f2'), embedding=embedding.astype('f2'), meta=np.array([v[2:] for v in b], 'i4'))
        for m, (name, _) in zip(maps, HINTS.values()):
            m = np.einsum('nchw,ck->nkhw', m - hints[name + '_mean'][:, None, None], hints[name + '_basis'], optimize=True) / hints[name + '_scale']
            part[name] = np.clip(np.round(m), -127, 127).astype('i1')
        f = full.setdefault(grid, []); f.append(part); made += BATCH
        if len(f) * BATCH == SHARD:
            folder = os.path.join(a.out, f'{a.split}-{a.worker}-{number:05d}'); os.makedirs(folder + '.tmp', exist_ok=True)
            for k in f[0]: np.save(os.path.join(folder + '.tmp', k + '.npy'), np.concatenate([q[k] for q in f]))
            os.rename(folder + '.tmp', folder); full[grid] = []; number += 1
            if number % 8 == 0: print(number, 'shards', f'{made / (time.time() - start):.1f} views/s', flush=True)
            if number >= a.shards: break


if __name__ == '__main__': main()
