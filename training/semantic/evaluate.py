"""Retrieval figures of an exported adapter beside the teacher's, on pictures that nothing was trained on.

    python3 evaluate.py --data DIR --codec-code DIR --codec final.pt --teacher T.onnx --text text_encoder_int8.onnx --tokenizer DIR
                        --cache latents --adapter adapter.onnx --out results.json

DIR holds flickr8k-1000 (captions.txt) and caltech101-mini (the folder is the label). Latents come from the codec with real rounding relative to
its means, pictures replicated to a multiple of 16; they and the teacher's vectors are kept in --cache. Quality q stands for rate (q-1)*5/7.
"""
import argparse, collections, csv, json, os
import numpy as np
from PIL import Image

QUALITIES = (8, 4, 2)
CALTECH = {'Faces': 'face', 'Faces_easy': 'face', 'Leopards': 'leopard', 'Motorbikes': 'motorbike', 'airplanes': 'airplane', 'car_side': 'car', 'water_lilly': 'water lily',
           'cougar_body': 'cougar', 'cougar_face': 'cougar face', 'crocodile_head': 'crocodile head'}
SETS = ('flickr8k-1000', 'caltech101-mini')


def pictures(root, name):
    """[(path, label or None)] in a fixed order"""
    walk = sorted(os.path.join(p, f) for p, _, fs in os.walk(os.path.join(root, name)) for f in fs if f.lower().endswith('.jpg'))
    return [(p, os.path.basename(os.path.dirname(p)) if name.startswith('caltech') else None) for p in walk]


def seen_by_search(path):
    """[1,3,h,w] in 0..1 at the size that search sees a picture: of more than 768 pixels a preview of 384"""
    import torch
    im = Image.open(path).convert('RGB'); side = max(im.size)
    if side > 768: im = im.resize([max(1, round(v * 384 / side)) for v in im.size], Image.LANCZOS)
    return torch.from_numpy(np.array(im)).permute(2, 0, 1)[None].float() / 255


def prepare(a):
    """Fills the cache: per set and quality one .npy of flat fp16 latents with their grids, and the teacher's vectors."""
    import torch
    from views import Codec, load_teacher
    codec, teacher = None, None; torch.set_num_threads(int(os.environ.get('OMP_NUM_THREADS', 2)))
    for name in SETS:
        items = pictures(a.data, name); file = os.path.join(a.cache, f'{name}-teacher.npy')
        if not os.path.exists(file):
            teacher = teacher or load_teacher(a.teacher)
            square = lambda p: np.asarray(Image.open(p).convert('RGB').resize((224, 224), Image.BILINEAR, reducing_gap=2.0), 'f').transpose(2, 0, 1) / 127.5 - 1
            out = [teacher.run(['embedding', 'logits'], {'input': np.stack([square(p) for p, _ in items[k:k + 16]])}) for k in range(0, len(items), 16)]
            np.save(file, np.concatenate([o[0] for o in out])); np.save(file.replace('-teacher', '-logits'), np.concatenate([o[1] for o in out]).astype('f2'))
        for q in QUALITIES:
            file = os.path.join(a.cache, f'{name}-q{q}.npz')
            if os.path.exists(file): continue
            codec = codec or Codec(a.codec_code, a.codec); grids, flat = [], []
            for p, _ in items:
                x = seen_by_search(p); x = torch.nn.functional.pad(x, (0, -x.shape[3] % 16, 0, -x.shape[2] % 16), mode='replicate')
                y = codec(x, torch.tensor([(q - 1) * 5 / 7]))[0].numpy().astype('f2'); grids.append(y.shape[1:]); flat.append(y.ravel())
            np.savez(file + '.tmp.npz', grids=np.array(grids), flat=np.concatenate(flat)); os.replace(file + '.tmp.npz', file)


def latents(cache, name, q):
    z = np.load(os.path.join(cache, f'{name}-q{q}.npz')); at = 0; flat = z['flat']
    for h, w in z['grids']: n = 192 * h * w; yield flat[at:at + n].reshape(192, h, w).astype('f'); at += n


def embed(session, ys):
    """vectors in the given order, pictures of one grid in batches"""
    ys = list(ys); by = collections.defaultdict(list); out = np.zeros((len(ys), 256), 'f')
    for i, y in enumerate(ys): by[y.shape].append(i)
    for rows in by.values():
        for k in range(0, len(rows), 32): out[rows[k:k + 32]] = session.run(['embedding'], {'latents': np.stack([ys[i] for i in rows[k:k + 32]])})[0]
    return out


def recall(captions, images, own):
    """R@1/5/10 in percent both ways; caption i describes image own[i]"""
    sim = captions @ images.T; own = np.array(own); rank = (sim > sim[np.arange(len(own)), own][:, None]).sum(1)
    order = (-sim).argsort(0, kind='stable'); place = np.empty_like(order); np.put_along_axis(place, order, np.arange(len(own))[:, None].repeat(sim.shape[1], 1), 0)
    best = np.array([place[own == i, i].min() for i in range(sim.shape[1])])
    return {**{f't2i_R@{k}': round(float((rank < k).mean()) * 100, 2) for k in (1, 5, 10)}, **{f'i2t_R@{k}': round(float((best < k).mean()) * 100, 2) for k in (1, 5, 10)}}


def mean_ap(scores, relevant):
    """mean over queries of average precision at k, divided by min(k, number of relevant pictures); percent"""
    out = {}
    for k in (5, 10, 20, 50):
        ap = []
        for s, r in zip(scores, relevant):
            h = r[np.argsort(-s, kind='stable')[:k]].astype('f'); ap.append((h.cumsum() / np.arange(1, len(h) + 1) * h).sum() / min(k, r.sum()))
        out[f'mAP@{k}'] = round(float(np.mean(ap)) * 100, 2)
    return out


class Bench:
    def __init__(s, a, texts):
        s.files = {n: pictures(a.data, n) for n in SETS}; row = {os.path.basename(p): i for i, (p, _) in enumerate(s.files[SETS[0]])}
        pairs = [(row[r['image']], r['caption']) for r in csv.DictReader(open(os.path.join(a.data, SETS[0], 'captions.txt'))) if r['image'] in row]
        s.own, s.captions = [p[0] for p in pairs], texts([p[1] for p in pairs]); y = np.array([l for _, l in s.files[SETS[1]]])
        s.labels = sorted(set(y)); s.relevant = [y == l for l in s.labels]
        s.queries = texts(['a photo of a ' + CALTECH.get(l, l.replace('_', ' ').lower()) for l in s.labels])

    def __call__(s, flickr, caltech): return {'flickr8k-1000': recall(s.captions, flickr, s.own), 'caltech101-mini': mean_ap(s.queries @ caltech.T, s.relevant)}


def main():
    a = argparse.ArgumentParser()
    for n in ('data', 'codec-code', 'codec', 'teacher', 'text', 'tokenizer', 'cache'): a.add_argument('--' + n, required=True)
    a.add_argument('--adapter'); a.add_argument('--out'); a = a.parse_args()
    os.makedirs(a.cache, exist_ok=True); prepare(a)
    import onnxruntime as ort
    from texts import Texts
    bench = Bench(a, Texts(a.text, a.tokenizer)); teacher = [np.load(os.path.join(a.cache, f'{n}-teacher.npy')) for n in SETS]
    res = {'teacher': bench(*teacher)}; print('teacher', res['teacher'], flush=True)
    if a.adapter:
        options = ort.SessionOptions(); options.intra_op_num_threads = 1; options.log_severity_level = 3
        session = ort.InferenceSession(a.adapter, options, providers=['CPUExecutionProvider'])
        for q in QUALITIES:
            v = [embed(session, latents(a.cache, n, q)) for n in SETS]; res[f'quality {q}'] = bench(*v)
            res[f'quality {q}']['cosine to teacher'] = [round(float((x * t).sum(1).mean()), 4) for x, t in zip(v, teacher)]
            print(q, res[f'quality {q}'], flush=True)
            if q == 4:                                       # small and large pictures of the caption set apart
                area = np.array([np.prod(Image.open(p).size) for p, _ in bench.files[SETS[0]]]); res['quality 4, cosine to teacher by picture size'] = {
                    n: round(float((v[0] * teacher[0]).sum(1)[m].mean()), 4) for n, m in (('200 px thumbnails', area < 60000), ('500 px', area >= 60000))}
    if a.out: json.dump(res, open(a.out, 'w'), indent=1)


if __name__ == '__main__': main()
