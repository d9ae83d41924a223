"""Makes tests/Inference/fixtures/clip: a CLIP of CLIP's architecture (Radford et al. 2021) with tiny random towers, as the plug-in expects one, and what PyTorch and Pillow
give for some texts and a picture. The C# side must give the same. Deterministic; run it again only when the form changes.

    python3 training/clip-fixtures/make.py tests/Inference/fixtures/clip
"""
import hashlib
import json
import pathlib
import re
import sys
import unicodedata
import html

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

WIDTH, HEADS, LAYERS, EMBED, CONTEXT, SIZE, PATCH = 24, 2, 2, 16, 77, 32, 8
MEAN, STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
TEXTS = ["a photo of a cat", "A Photo of a CAT!", "", "a dog's ball, and the cats don't care...", "two dogs & a cat &amp; 3 birds 2024",
         "  many   spaces\tand\nlines  ", "caf\u00e9 cafe\u0301 \u00fcber na\u00efve", "\u732b\u3068\u72ac \U0001f431\U0001f436", "\u0416\u0443\u043a \u041f\u0440\u0438\u0432\u0435\u0442",
         "the quick brown fox jumps over the lazy dog " * 12, "x" * 300]
CORPUS = ("a photo of a cat a photo of a dog the cats and the dogs play with a ball in the park two dogs run on the grass a man rides a bike "
          "a woman holds a red umbrella the quick brown fox jumps over the lazy dog birds fly over the sea a child eats an apple ") * 3


# ---- tokenizer in CLIP's file form: 256 byte symbols, the same with </w>, merges, two special tokens
def byte_symbols():
    printable = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    others = [b for b in range(256) if b not in printable]
    return {**{b: chr(b) for b in printable}, **{b: chr(256 + n) for n, b in enumerate(others)}}


SYMBOLS = byte_symbols()


def learn_merges(count):
    words = {}
    for word in CORPUS.split():
        key = tuple(word[:-1]) + (word[-1] + "</w>",)
        words[key] = words.get(key, 0) + 1
    merges = []
    for _ in range(count):
        pairs = {}
        for word, n in words.items():
            for pair in zip(word, word[1:]):
                pairs[pair] = pairs.get(pair, 0) + n
        if not pairs:
            break
        best = max(sorted(pairs), key=pairs.get)
        merges.append(best)
        words = {tuple(merge(list(w), best)): n for w, n in words.items()}
    return merges


def merge(symbols, pair):
    out, i = [], 0
    while i < len(symbols):
        if i + 1 < len(symbols) and (symbols[i], symbols[i + 1]) == pair:
            out.append(symbols[i] + symbols[i + 1])
            i += 2
        else:
            out.append(symbols[i])
            i += 1
    return out


class Tokenizer:
    def __init__(self, merges):
        self.ranks = {pair: i for i, pair in enumerate(merges)}
        base = [SYMBOLS[b] for b in SYMBOLS]
        tokens = base + [t + "</w>" for t in base] + ["".join(m) for m in merges] + ["<|startoftext|>", "<|endoftext|>"]
        self.ids = {t: i for i, t in enumerate(tokens)}

    @staticmethod
    def words(text):
        """CLIP's pattern by hand: Python's re has no \\p classes."""
        text = unicodedata.normalize("NFC", html.unescape(html.unescape(text))).lower()
        kind = lambda c: "s" if c.isspace() else unicodedata.category(c)[0] if unicodedata.category(c)[0] in "LN" else "o"
        out, i = [], 0
        while i < len(text):
            short = re.match(r"'(?:s|t|re|ve|m|ll|d)", text[i:])
            if short:
                out.append(short.group())
                i += len(short.group())
                continue
            k, j = kind(text[i]), i + 1
            while k in "Lo" and j < len(text) and kind(text[j]) == k:
                j += 1
            if k != "s":
                out.append(text[i:j])
            i = j
        return out

    def encode(self, text):
        ids = [self.ids["<|startoftext|>"]]
        for word in self.words(text):
            symbols = [SYMBOLS[b] for b in word.encode()]
            symbols[-1] += "</w>"
            while len(symbols) > 1:
                pair = min(zip(symbols, symbols[1:]), key=lambda p: self.ranks.get(p, 1 << 30))
                if pair not in self.ranks:
                    break
                symbols = merge(symbols, pair)
            ids += [self.ids[s] for s in symbols]
        return ids[:CONTEXT - 1] + [self.ids["<|endoftext|>"]]


# ---- towers
class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x, mask=None):
        n, t, _ = x.shape
        q, k, v = self.qkv(self.ln_1(x)).view(n, t, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        a = q @ k.transpose(-1, -2) / (WIDTH // HEADS) ** 0.5
        a = (a if mask is None else a + mask).softmax(-1) @ v
        x = x + self.out(a.transpose(1, 2).reshape(n, t, WIDTH))
        h = self.up(self.ln_2(x))
        return x + self.down(h * torch.sigmoid(1.702 * h))  # QuickGELU


class ImageTower(nn.Module):
    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(3, WIDTH, PATCH, PATCH, bias=False)
        self.cls = nn.Parameter(torch.randn(WIDTH))
        self.pos = nn.Parameter(torch.randn((SIZE // PATCH) ** 2 + 1, WIDTH))
        self.pre, self.post = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.blocks = nn.ModuleList(Block() for _ in range(LAYERS))
        self.proj = nn.Linear(WIDTH, EMBED, bias=False)

    def forward(self, pixel_values):
        x = self.patch(pixel_values).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(x.shape[0], 1, WIDTH), x], 1) + self.pos
        x = self.pre(x)
        for block in self.blocks:
            x = block(x)
        return self.proj(self.post(x[:, 0]))


class TextTower(nn.Module):
    def __init__(self, vocabulary):
        super().__init__()
        self.token, self.pos = nn.Embedding(vocabulary, WIDTH), nn.Parameter(torch.randn(CONTEXT, WIDTH))
        self.blocks = nn.ModuleList(Block() for _ in range(LAYERS))
        self.final, self.proj = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, EMBED, bias=False)
        self.register_buffer("mask", torch.full((CONTEXT, CONTEXT), -1e4).triu(1))

    def forward(self, input_ids):
        x = self.token(input_ids) + self.pos
        for block in self.blocks:
            x = block(x, self.mask)
        x = self.final(x)
        # End-of-text pooling: the end token has the highest id, so argmax finds it.
        return self.proj(x[torch.arange(x.shape[0]), input_ids.argmax(-1)])


def preprocess(image):
    """Resize(SIZE, bicubic) of the short side, CenterCrop(SIZE), ToTensor, Normalize, as torchvision does them."""
    w, h = image.size
    w, h = (SIZE, int(SIZE * h / w)) if w <= h else (int(SIZE * w / h), SIZE)
    image = image.resize((w, h), Image.BICUBIC)
    left, top = int(round((w - SIZE) / 2)), int(round((h - SIZE) / 2))
    x = np.asarray(image.crop((left, top, left + SIZE, top + SIZE)), np.float32) / 255
    return torch.from_numpy(((x - np.float32(MEAN)) / np.float32(STD)).transpose(2, 0, 1)[None])


def main(out):
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(7)
    tokenizer = Tokenizer(learn_merges(80))
    (out / "vocab.json").write_text(json.dumps(tokenizer.ids, ensure_ascii=False), encoding="utf-8")
    (out / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in tokenizer.ranks), encoding="utf-8")
    text, image = TextTower(len(tokenizer.ids)).eval(), ImageTower().eval()

    ids = [tokenizer.encode(t) for t in TEXTS]
    padded = torch.tensor([i + [0] * (CONTEXT - len(i)) for i in ids])
    rng = np.random.default_rng(3)
    pictures = []
    with torch.no_grad():
        vectors = F.normalize(text(padded)).tolist()
        for w, h in [(45, 33), (20, 47), (20, 20)]:
            rgb = rng.integers(0, 256, (h, w, 3), dtype=np.uint8)
            x = preprocess(Image.fromarray(rgb))
            pictures.append(dict(width=w, height=h, rgb=rgb.tobytes().hex(), pixels=[round(v, 4) for v in x.flatten().tolist()[::29]],
                                 vector=[round(v, 6) for v in F.normalize(image(x))[0].tolist()]))
    cases = [dict(text=t, ids=i, vector=[round(v, 6) for v in vec]) for t, i, vec in zip(TEXTS, ids, vectors)]
    (out / "cases.json").write_text(json.dumps(cases, separators=(",", ":")), encoding="utf-8")
    (out / "pictures.json").write_text(json.dumps(pictures, separators=(",", ":")), encoding="utf-8")

    export = dict(opset_version=17, dynamo=False, do_constant_folding=False)
    torch.onnx.export(text, (padded[:2],), out / "text.onnx", input_names=["input_ids"], output_names=["text_embeds"],
                      dynamic_axes={"input_ids": {0: "N"}, "text_embeds": {0: "N"}}, **export)
    torch.onnx.export(image, (torch.zeros(2, 3, SIZE, SIZE),), out / "image.onnx", input_names=["pixel_values"], output_names=["image_embeds"],
                      dynamic_axes={"pixel_values": {0: "N"}, "image_embeds": {0: "N"}}, **export)

    def file(name):
        data = (out / name).read_bytes()
        return dict(path=name, sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))

    manifest = dict(
        name="clip", version="tiny", kind="embedding", description="Random towers of CLIP's architecture, for tests.",
        files=dict(text_encoder=file("text.onnx"), image_encoder=file("image.onnx"), vocab=file("vocab.json"), merges=file("merges.txt"), cases=file("cases.json")),
        dimensions=EMBED, source="pixels", logitScale=100,
        text=dict(input="input_ids", output="text_embeds", contextLength=CONTEXT, fixedLength=True, prompts=["{}", "a photo of a {}"],
                  tokenizer=dict(kind="bpe", letters="unicode", clean=True, padId=0)),
        pixels=dict(size=SIZE, resize="shortest", kernel="bicubic", mean=MEAN, std=STD, input="pixel_values", output="image_embeds"))
    (out / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
