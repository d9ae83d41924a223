"""Trains the codec within a time budget (on a CPU the time of this process, so that a busy or stopped machine costs no steps). Resumable: state in OUT.pt, averaged weights in OUT_ema.pt; run it again to go on.

    train.py OUT CROPS.npy [MORE_CROPS.npy ...] --minutes 41 [--set M=192 C=192 ne8=2 ne16=1 nd16=1 nd8=3] [--act dwr]
    GPU: --device cuda --batch 32 --size 256 --late 1 --ema .9995

Phases: (1) the first --ent-frac of the budget trains only the entropy model on the frozen lapped transform, with the weight of z's rate warming up
from 0.1 to 1; (2) everything jointly, warm-up and cosine to the end; after --late of the budget crops double in size.
Loss: mean over the batch of lambda^-1/2 (bpp + lambda MSE255), the rate point drawn continuously and stratified over the batch.
"""
import argparse
import math
import os
import time

import numpy as np
import torch

from model import LAM, NR, Codec, rate_weights


def arguments():
    ap = argparse.ArgumentParser()
    add = ap.add_argument
    add('out')
    add('crops', nargs='+')
    add('--minutes', type=float, default=6)
    add('--device', default='cpu')
    add('--threads', type=int, default=1)
    add('--lr', type=float, default=1e-3)
    add('--lin', type=float, default=.2, help='learning-rate factor of the transform-initialised layers')
    add('--ent', type=float, default=4., help='learning-rate factor of the entropy networks')
    add('--ent-frac', type=float, default=.09)
    add('--size', type=int, default=128)
    add('--batch', type=int, default=8)
    add('--late', type=float, default=.7)
    add('--ckpt', type=float, default=5., help='minutes between checkpoints')
    add('--ema', type=float, default=.998)
    add('--act', default='dwr')
    add('--mq', type=int, default=16, help='means are rounded to 1/mq in the loop, as the integer program does')
    add('--from-ckpt', default='', help='warm start, for instance from a shipped checkpoint; blocks that it lacks start as the identity')
    add('--freeze-analysis', action='store_true', help='keep g_a: the latents, and with them every adapter trained on them, stay valid')
    add('--bf16', action='store_true', help='transforms in bfloat16 on the CPU too')
    add('--set', nargs='*', default=[])
    return ap.parse_args()


def save(path, state):
    torch.save(state, path + '.tmp')
    os.replace(path + '.tmp', path)


class Pool:
    def __init__(self, files, device):
        crops = [np.load(f, mmap_mode='r') for f in files]
        self.crops = crops[0] if len(crops) == 1 else np.concatenate(crops)
        self.first = np.array(self.crops[:300])
        self.side = self.crops.shape[1]
        self.on_gpu = torch.from_numpy(np.array(self.crops)).to(device) if device.type == 'cuda' else None

    def batch(self, rng, size, count):
        xs = []
        for i in rng.integers(0, len(self.crops), count):
            y, x = rng.integers(0, self.side - size + 1, 2)
            c = self.on_gpu[i, y:y + size, x:x + size] if self.on_gpu is not None else torch.from_numpy(self.crops[i, y:y + size, x:x + size].copy())
            c = c.permute(2, 0, 1)
            c = c.flip(2) if rng.random() < .5 else c
            xs.append(c.transpose(1, 2) if rng.random() < .2 else c)
        return torch.stack(xs).float().div_(255).contiguous(memory_format=torch.channels_last)


def parameter_groups(m, a):
    """Networks, entropy networks, scale-index biases (units of table steps), gains, transform-initialised layers: (parameters, factor, in phase 1)."""
    lin, special = m.t.linear_params(), [m.e.sb, m.lg, m.ld]
    seen = {id(p) for p in lin + special}
    ent = [p for p in m.e.parameters() if id(p) not in seen]
    seen |= {id(p) for p in ent}
    nets = [p for p in m.parameters() if id(p) not in seen]
    return [(nets, 1., False), (ent, a.ent, True), ([m.e.sb], 40., True), ([m.lg, m.ld], 3., False), (lin, a.lin, False)]


def main():
    a = arguments()
    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    dev = torch.device(a.device)
    gpu = dev.type == 'cuda'
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = gpu
    pool = Pool(a.crops, dev)
    m = Codec(act=a.act, **{k: int(v) for k, v in (s.split('=') for s in a.set)})
    m.init_from_data(pool.first)
    if a.from_ckpt:
        lacking = m.load_state_dict(torch.load(a.from_ckpt, weights_only=False, map_location='cpu')['model'], strict=False)
        assert not lacking.unexpected_keys and all(k.startswith('t.') for k in lacking.missing_keys), lacking
    if a.freeze_analysis:
        for part in (m.t.front, m.t.e8, m.t.down, m.t.e16):
            part.requires_grad_(False)
    m = m.to(dev, memory_format=torch.channels_last).train()
    groups = parameter_groups(m, a)
    opt = torch.optim.Adam([dict(params=p) for p, _, _ in groups], lr=a.lr, betas=(.9, .98), eps=1e-8)
    ema = {k: v.detach().clone() for k, v in m.state_dict().items()}
    step, spent, joint = 0, 0., None
    if os.path.exists(a.out + '.pt'):
        s = torch.load(a.out + '.pt', weights_only=False, map_location=dev)
        m.load_state_dict(s['model'])
        opt.load_state_dict(s['opt'])
        ema, step, spent, joint = s['ema'], s['step'], s['spent'], s['joint']
        print('resumed at step', step, f'{spent:.0f} s', flush=True)

    def checkpoint():
        save(a.out + '.pt', dict(model=m.state_dict(), opt=opt.state_dict(), ema=ema, step=step, spent=spent, joint=joint))
        save(a.out + '_ema.pt', dict(model={k: v.cpu() for k, v in ema.items()}, cfg=m.cfg, step=step, spent=spent))

    lam, budget, rng = torch.tensor(LAM, device=dev).log(), a.minutes * 60, np.random.default_rng(7 + step)
    clock = time.time if gpu else time.process_time
    acc, saved, before = [], spent, clock()
    while spent < budget:
        done = spent / budget
        only = done < a.ent_frac
        if not only and joint is None:
            joint = step
        cosine = .5 * (1 + math.cos(math.pi * (0 if only else (done - a.ent_frac) / (1 - a.ent_frac)))) * .98 + .02
        for g, (_, factor, first) in zip(opt.param_groups, groups):
            warm = min(1, (step + 1) / 100) * (1. if first or not a.ent_frac else 0. if only else min(1., (step - joint + 1) / 100))
            g['lr'] = a.lr * factor * cosine * warm
        size, count = (min(256, pool.side), max(1, a.batch // 2)) if only else (a.size, a.batch) if done < a.late else (min(pool.side, 2 * a.size), max(2, a.batch // 2))
        x = pool.batch(rng, size, count).to(dev)
        rw = rate_weights((torch.arange(count) + torch.from_numpy(rng.random(count)).float()) / count * (NR - 1)).to(dev)
        la = (rw @ lam).exp()
        m.e.zw = min(1., .1 + 1.5 * done / a.ent_frac) if a.ent_frac and not a.from_ckpt else 1.
        with torch.autocast(dev.type, torch.bfloat16, enabled=gpu or a.bf16), torch.set_grad_enabled(not only and not a.freeze_analysis):
            y = m.t.analysis(x, rw)
        ge, gd = m.gains(rw)
        ys = y.float() * ge
        yh, bits = m.e(ys.detach() if only else ys, rw, 1 / a.mq if a.mq else 0)       # the entropy model stays in fp32
        bpp, mse = bits / (size * size), torch.zeros_like(bits)
        if not only:
            with torch.autocast(dev.type, torch.bfloat16, enabled=gpu or a.bf16):
                xh = m.t.synthesis(yh * gd, rw)
            mse = ((xh.float() - x) ** 2).mean((1, 2, 3)) * 255 ** 2
        loss = ((bpp + la * mse) * la ** -.5).mean() * .3
        opt.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(m.parameters(), 1.)
        if torch.isfinite(norm):
            opt.step()
        step += 1
        with torch.no_grad():
            sd, d = m.state_dict(), min(a.ema, (1 + step) / (10 + step))
            keys = [k for k in sd if sd[k].dtype.is_floating_point]
            torch._foreach_lerp_([ema[k] for k in keys], [sd[k] for k in keys], 1 - d)
        acc.append([float(v) for v in (loss, bpp.mean(), mse.mean(), norm)] if not gpu or step % 10 == 0 else None)
        now = clock()
        spent, before = spent + now - before, now
        if len(acc) == 50 or spent >= budget:
            mean = np.mean([v for v in acc if v] or [[0] * 4], 0)
            print(f'{step} {spent:.0f} s loss {mean[0]:.4f} bpp {mean[1]:.4f} mse {mean[2]:.2f} gradient {mean[3]:.2f}', flush=True)
            acc = []
        if spent - saved > a.ckpt * 60:
            checkpoint()
            saved, before = spent, clock()
    checkpoint()


if __name__ == '__main__':
    main()
