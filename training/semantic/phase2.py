"""The LIC paper's second training phase and its table 2: the codec unfrozen at learning rate 1e-6, the adapter at 1e-4, loss = rate-distortion + 0.1 (1 - cosine to the teacher).

    python3 phase2.py --index index.json --codec-code CODEC --codec CKPT --reference views/codec.npz --state run/cool.pt --tables run/tables.pt --teacher T.onnx
                      --text text_encoder_int8.onnx --tokenizer DIR --data DATA --cache CACHE --out OUT --steps 1000 [--frozen] [--device cuda]

Measures before and after: on Kodak bits per pixel (by likelihoods) and PSNR, on flickr8k-1000 and caltech101-mini the hits, all at quality 4. OUT/phase2.json has both.
--frozen leaves the codec as it is and everything else the same: the adapter's own share of what is gained. --reference holds the gains of the codec whose decoded latents the
adapter reads; those of a later codec with the same analysis transform are brought to its scale. CACHE is evaluate.py's, for the
teacher's vectors. Saves OUT/state.pt every few minutes and continues from it.
"""
import argparse, glob, json, os, sys, time
import numpy as np, torch, torch.nn.functional as F
from PIL import Image
from adapter import Adapter
from evaluate import SETS, Bench, pictures, seen_by_search
from texts import Texts
from views import Views, load_teacher

QUALITY, MQ = 4, 1 / 16       # MQ: the step that the integer program rounds means to
BATCH = 8


class Joint(torch.nn.Module):
    def __init__(s, a):
        super().__init__(); sys.path.insert(0, a.codec_code); import model
        c, t, tab = torch.load(a.codec, map_location='cpu', weights_only=False), torch.load(a.state, map_location='cpu'), torch.load(a.tables)
        s.codec = model.Codec(**c['cfg']); s.codec.load_state_dict(c['model'])
        s.adapter = Adapter(tab['std'], tab['names'], **t['cfg']); s.adapter.load_state_dict(t['ema'])
        s.rate_weights = model.rate_weights; s.register_buffer('ld', torch.from_numpy(np.load(a.reference)['ld']).float()); s.register_buffer('lam', torch.tensor(model.LAM).log())

    def latents(s, x, rate, hard):
        """x [n,3,h,w] in 0..1, sides multiples of 64; rate [n] in 0..5 -> rate weights, gain-scaled y_hat [n,M,h/16,w/16], bits [n]"""
        rw = s.rate_weights(rate.cpu()).to(x.device)
        with torch.autocast(x.device.type, torch.bfloat16): y = s.codec.t.analysis(x, rw)
        return rw, *s.codec.e(y.float() * s.codec.gains(rw)[0], rw, MQ, hard)

    def vectors(s, yh, rw, grid):
        """y_hat -> unit vectors [n,256]; grid: rows and columns that hold picture, the rest is padding"""
        y = yh[:, :, :grid[0], :grid[1]] * (rw @ s.ld - rw @ s.codec.lg).exp()[:, :, None, None]
        with torch.autocast(y.device.type, torch.bfloat16, enabled=s.training): return s.adapter(y)[0].float()

    def picture(s, yh, rw):
        with torch.autocast(yh.device.type, torch.bfloat16, enabled=s.training): return s.codec.t.synthesis(yh * s.codec.gains(rw)[1], rw).float()

    def train(s, mode=True):
        super().train(mode); s.adapter.eval(); return s        # a batch is too small for batch norm's statistics


def padded(x): return F.pad(x, (0, -x.shape[3] % 64, 0, -x.shape[2] % 64), mode='replicate')


@torch.no_grad()
def measure(net, a, bench):
    net.eval(); rate = torch.tensor([(QUALITY - 1) * 5 / 7]); rows = []
    for f in sorted(glob.glob(os.path.join(a.data, 'kodak', '*.png'))):
        x = torch.from_numpy(np.array(Image.open(f).convert('RGB'))).permute(2, 0, 1)[None].float(); h, w = x.shape[2:]
        rw, yh, bits = net.latents(padded(x).to(a.device) / 255, rate, True); out = net.picture(yh, rw)[:, :, :h, :w].cpu() * 255
        rows.append((float(bits) / (h * w), 10 * np.log10(255 ** 2 / float((out.round().clamp(0, 255) - x).square().mean()))))
    found = []
    for name in SETS:
        v = []
        for p, _ in pictures(a.data, name):
            x = seen_by_search(p); h, w = x.shape[2:]
            rw, yh, _ = net.latents(padded(x).to(a.device), rate, True); v.append(net.vectors(yh, rw, (-(-h // 16), -(-w // 16))).cpu().numpy())
        found.append(np.concatenate(v))
    bpp, psnr = np.mean(rows, 0); teacher = [np.load(os.path.join(a.cache, f'{n}-teacher.npy')) for n in SETS]
    return dict(bpp=round(float(bpp), 4), psnr=round(float(psnr), 3), cosine=[round(float((x * t).sum(1).mean()), 4) for x, t in zip(found, teacher)], **bench(*found))


def batches(rows, rng):
    bins = {}
    for grid, x, t, _, _ in Views(rows, rng, plain=False):
        b = bins.setdefault(grid, []); b.append((x, t))
        if len(b) == BATCH: bins[grid] = []; yield grid, torch.stack([v[0] for v in b]), torch.stack([v[1] for v in b])


def main():
    a = argparse.ArgumentParser()
    for n in ('index', 'codec-code', 'codec', 'reference', 'state', 'tables', 'teacher', 'text', 'tokenizer', 'data', 'cache', 'out'): a.add_argument('--' + n, required=True)
    a.add_argument('--steps', type=int, default=1000); a.add_argument('--codec-lr', type=float, default=1e-6); a.add_argument('--adapter-lr', type=float, default=1e-4); a.add_argument('--cosine', type=float, default=.1)
    a.add_argument('--frozen', action='store_true'); a.add_argument('--device', default='cpu'); a.add_argument('--every', type=float, default=4)
    a = a.parse_args(); torch.set_num_threads(int(os.environ.get('OMP_NUM_THREADS', 1))); torch.manual_seed(0); os.makedirs(a.out, exist_ok=True)
    net = Joint(a).to(a.device, memory_format=torch.channels_last); bench = Bench(a, Texts(a.text, a.tokenizer)); teacher = load_teacher(a.teacher); path = os.path.join(a.out, 'state.pt')
    params = [dict(params=[p for n, p in net.adapter.named_parameters() if not n.startswith('hint')], lr=a.adapter_lr)]
    if a.frozen: net.codec.requires_grad_(False)
    else: params.append(dict(params=list(net.codec.parameters()), lr=a.codec_lr))
    opt, step, before = torch.optim.Adam(params, betas=(.9, .98)), 0, None
    if os.path.exists(path):
        s = torch.load(path, weights_only=False); net.load_state_dict(s['net']); opt.load_state_dict(s['opt']); step, before = s['step'], s['before']
    if before is None: before = measure(net, a, bench); print('before', before, flush=True)
    rows = [r for r in json.load(open(a.index)) if r['split'] == 'train']; rng = np.random.default_rng([7, step]); saved, acc, start = time.time(), [], time.time(); net.train()
    for grid, x, t in batches(rows, rng):
        if step >= a.steps: break
        target = torch.from_numpy(teacher.run(['embedding'], {'input': (t * 2 - 1).numpy()})[0]).to(a.device); target = F.normalize(target, dim=1)
        x = padded(x.to(a.device)).contiguous(memory_format=torch.channels_last); rate = torch.from_numpy((np.arange(BATCH) + rng.random(BATCH)) / BATCH * 5).float()
        for g, lr in zip(opt.param_groups, (a.adapter_lr, a.codec_lr)): g['lr'] = lr * min(1, (a.steps - step) / (.3 * a.steps))      # constant, the last 30 % down to zero
        with torch.set_grad_enabled(not a.frozen):
            rw, yh, bits = net.latents(x, rate, False); loss = torch.zeros((), device=a.device); bpp = mse = loss
            if not a.frozen:
                bpp, mse, la = bits / (x.shape[2] * x.shape[3]), (net.picture(yh, rw) - x).square().mean((1, 2, 3)) * 255 ** 2, (rw @ net.lam).exp()
                loss = ((bpp + la * mse) * la ** -.5).mean() * .3                                                                         # as training/codec/train.py
        away = 1 - (net.vectors(yh, rw, grid) * target).sum(1).mean(); loss = loss + a.cosine * away
        opt.zero_grad(set_to_none=True); loss.backward(); opt.step(); step += 1
        acc.append([float(v) for v in (loss, bpp.mean(), mse.mean(), away)])
        if step % 50 == 0: print(step, np.round(np.mean(acc[-50:], 0), 4).tolist(), f'{(time.time() - start) / 50:.2f} s a step', flush=True); start = time.time()
        if time.time() - saved > a.every * 60 or step == a.steps:
            torch.save(dict(net=net.state_dict(), opt=opt.state_dict(), step=step, before=before), path + '.tmp'); os.replace(path + '.tmp', path); saved = time.time()
    after = measure(net, a, bench); print('after', after, flush=True)
    json.dump(dict(steps=step, batch=BATCH, codec_lr=0 if a.frozen else a.codec_lr, adapter_lr=a.adapter_lr, cosine=a.cosine, quality=QUALITY, before=before, after=after), open(os.path.join(a.out, 'phase2.json'), 'w'), indent=1)


if __name__ == '__main__': main()
