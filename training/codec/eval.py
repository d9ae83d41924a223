"""Rate and PSNR of a float checkpoint on a folder of pictures, by likelihoods (the estimate; benchmarks/RateDistortion measures real files).

    eval.py CKPT FOLDER [--every 1]
"""
import argparse
import glob

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from model import LAM, NR, rate_weights
from quantize import load


@torch.no_grad()
def main():
    ap = argparse.ArgumentParser()
    ap.add_argument('ckpt')
    ap.add_argument('folder')
    ap.add_argument('--every', type=int, default=1, help='take every n-th picture')
    a = ap.parse_args()
    torch.set_num_threads(1)
    model, losses = load(a.ckpt), []
    for rate in range(NR):
        rows = []
        for f in sorted(glob.glob(a.folder + '/*.png'))[::a.every]:
            x = torch.from_numpy(np.array(Image.open(f).convert('RGB'))).permute(2, 0, 1)[None].float()
            h, w = x.shape[2:]
            padded = F.pad(x, (0, -w % 64, 0, -h % 64), mode='replicate') / 255
            xh, bits = model(padded, rate_weights(torch.tensor([float(rate)])), mq=1 / 16, hard=True)
            mse = float(((xh[:, :, :h, :w] * 255).round().clamp(0, 255) - x).square().mean())
            rows.append((float(bits) / (h * w), 10 * np.log10(255 ** 2 / mse), mse))
        bpp, psnr, mse = np.mean(rows, 0)
        losses.append(np.log(bpp + LAM[rate] * mse))
        print(f'rate {rate} quality {1 + rate * 7 / (NR - 1):.2f} bpp {bpp:.4f} PSNR {psnr:.2f}', flush=True)
    print(f'mean log loss {np.mean(losses):.4f}')


if __name__ == '__main__':
    main()
