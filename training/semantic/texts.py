"""Text -> vectors with the shipped text encoder: CLIP's byte-pair encoding over ASCII letters, at most 32 ids, unit vectors."""
import json, os, re
import numpy as np, onnxruntime as ort

PATTERN = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d|[a-z]+|[0-9]|[^\sa-z0-9]+")
PRINTABLE = [*range(33, 127), *range(161, 173), *range(174, 256)]           # GPT-2's bytes to characters
BYTES = {**{b: chr(b) for b in PRINTABLE}, **{b: chr(256 + i) for i, b in enumerate(b for b in range(256) if b not in PRINTABLE)}}


class Texts:
    def __init__(s, model, tokenizer):
        """model: text_encoder_int8.onnx; tokenizer: folder with vocab.json and merges.txt"""
        s.vocab = json.load(open(os.path.join(tokenizer, 'vocab.json')))
        lines = [l.split() for l in open(os.path.join(tokenizer, 'merges.txt'))]
        s.rank = {tuple(l): i for i, l in enumerate(l for l in lines if len(l) == 2 and l[0] != '#version:')}
        options = ort.SessionOptions(); options.intra_op_num_threads = 1; options.log_severity_level = 3
        s.session = ort.InferenceSession(model, options, providers=['CPUExecutionProvider']); s.cache = {}

    def word(s, w):
        if w in s.cache: return s.cache[w]
        p = [BYTES[b] for b in w.encode()]; p[-1] += '</w>'
        while len(p) > 1:
            r, k = min((s.rank.get(x, 1 << 30), i) for i, x in enumerate(zip(p, p[1:])))
            if r == 1 << 30: break
            a, b = p[k:k + 2]; q, i = [], 0
            while i < len(p):                               # every occurrence of the pair, left to right
                if i + 1 < len(p) and p[i] == a and p[i + 1] == b: q.append(a + b); i += 2
                else: q.append(p[i]); i += 1
            p = q
        s.cache[w] = [s.vocab[t] for t in p]; return s.cache[w]

    def ids(s, text):
        out = [i for w in PATTERN.findall(text.lower()) for i in s.word(w)][:30]
        return [12286, *out, 12287]

    def __call__(s, texts):
        ids = [s.ids(t) for t in texts]; order = sorted(range(len(ids)), key=lambda i: len(ids[i])); out = np.zeros((len(ids), 256), 'f')
        for k in range(0, len(order), 64):
            part = order[k:k + 64]; n = max(len(ids[i]) for i in part); x = np.zeros((len(part), n), 'i8')
            for r, i in enumerate(part): x[r, :len(ids[i])] = ids[i]
            out[part] = s.session.run(None, {s.session.get_inputs()[0].name: x})[0]
        return out / np.linalg.norm(out, axis=1, keepdims=True)
