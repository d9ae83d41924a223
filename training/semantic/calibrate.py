"""Background statistics of the cosine between texts and unrelated pictures, for telling relevant results from noise; written to the manifest.

    python3 calibrate.py --model models/lic-adapter/1 --views views --index index.json --text TEXT --tokenizer TOKENIZER --captions captions.txt

manifest "background": mean, std of the cosine over unrelated pairs; centred_mean, centred_std of t.(v - m), m the manifest's mean picture vector. Pairs of 2,000 captions
(of other pictures) and label phrases with held-out views. Prints how well each score tells the label of a picture from other labels over all pictures.
"""
import argparse, json, os
import numpy as np

NONSENSE = ['colorless green ideas sleep furiously', 'quarterly revenue growth of the subsidiary', 'asdf qwer zxcv', 'the square root of justice', 'error code seventeen', 'void pointer exception',
            'tuesday afternoon', 'lorem ipsum dolor sit amet', 'interest rate policy', 'photosynthesis equation']


def auc(positive, negative):
    s = np.concatenate([positive, negative]); r = s.argsort().argsort()
    return (r[:len(positive)].mean() - (len(positive) - 1) / 2) / len(negative)


def main():
    a = argparse.ArgumentParser()
    for n in ('model', 'views', 'index', 'text', 'tokenizer', 'captions'): a.add_argument('--' + n, required=True)
    a = a.parse_args()
    import onnxruntime as ort, torch
    from export import manifest
    from texts import Texts
    from train import Shards
    torch.set_num_threads(1); rows = json.load(open(a.index)); texts = Texts(a.text, a.tokenizer)
    options = ort.SessionOptions(); options.intra_op_num_threads = 1; options.log_severity_level = 3
    session = ort.InferenceSession(os.path.join(a.model, 'adapter.onnx'), options, providers=['CPUExecutionProvider'])
    val, V, L = Shards(a.views, 'val'), [], []
    for d in val.list():
        b = val.load(d, slice(0, 128), ('latents', 'meta')); V.append(session.run(['embedding'], {'latents': val.decoded(b['latents'], torch.linspace(0, 5, len(b['latents']))).numpy()})[0])
        L += [rows[i]['label'] for i in b['meta'][:, 0].tolist()]
    V, L = np.concatenate(V), np.array([l or '' for l in L]); m = np.array(json.load(open(os.path.join(a.model, 'manifest.json')))['mean'])
    captions = [l.strip() for l in open(a.captions, encoding='utf8')][::14][:2000]; phrases = sorted(set(L) - {''}); Q = texts(['a photo of a ' + p for p in phrases]); C = texts(captions)
    raw, centred = C @ V.T, C @ (V - m).T; bias = C @ m
    out = dict(mean=float(raw.mean()), std=float(raw.std()), centred_mean=float(centred.mean()), centred_std=float(centred.std()))
    print('captions', {k: round(v, 4) for k, v in out.items()}, 'std of the mean over queries', bias.std(), 'std per query', centred.std(1).mean(), '+-', centred.std(1).std())
    R, Z = Q @ V.T, Q @ (V - m).T; same = np.array([L == p for p in phrases]); unlike = ~same & (L != '')
    zn = (texts(NONSENSE) @ (V - m).T - out['centred_mean']) / out['centred_std']; rn = texts(NONSENSE) @ V.T
    for name, s, x in (('cosine', R, rn), ('z of the centred cosine', (Z - out['centred_mean']) / out['centred_std'], zn), ('z per query', (Z - Z.mean(1, keepdims=True)) / Z.std(1, keepdims=True), (zn - zn.mean(1, keepdims=True)) / zn.std(1, keepdims=True))):
        cut = np.quantile(s[unlike], [.99, .999])
        print(f'{name}: AUC {auc(s[same], s[unlike]):.4f}, median related {np.median(s[same]):.2f} unrelated {np.median(s[unlike]):.2f}; at 1 % / 0.1 % false: cut {cut.round(3).tolist()}, found', [round(float((s[same] > c).mean()), 3) for c in cut], 'nonsense, largest', round(float(x.max()), 2), 'its 99th percentile', round(float(np.quantile(x, .99)), 2))
    manifest(a.model, dict(background={k: round(v, 5) for k, v in out.items()}))


if __name__ == '__main__': main()
