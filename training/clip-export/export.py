"""Brings a published CLIP-family model into the form that ImageSearch reads: two ONNX towers, CLIP's tokenizer files, recorded cases and a manifest with hashes.

    pip install torch transformers onnx          # or open_clip_torch
    python3 training/clip-export/export.py --from transformers --model openai/clip-vit-base-patch32 --out models/clip-vit-b32/1
    python3 training/clip-export/export.py --from open_clip --model MobileCLIP2-S0 --weights dfndr2b --out models/mobileclip2-s0/1
    imagesearch models check clip-vit-b32/1
"""
import argparse
import hashlib
import json
import pathlib

import torch
import torch.nn.functional as F

TEXTS = ["dog", "a photo of a cat", "Two dogs are running on the grass.", "A RED car, parked; isn't it?", "caf\u00e9 & 3 birds", "sunset over the ocean", ""]


class Tower(torch.nn.Module):
    """One method of a model as a module, which is what the exporter takes."""

    def __init__(self, model, method):
        super().__init__()
        self.model, self.method = model, method

    def forward(self, x):
        return getattr(self.model, self.method)(x)


def from_transformers(name, _, out):
    from transformers import CLIPImageProcessor, CLIPModel, CLIPTokenizer
    model = CLIPModel.from_pretrained(name, attn_implementation="eager").eval()
    tokenizer, images = CLIPTokenizer.from_pretrained(name), CLIPImageProcessor.from_pretrained(name)
    vocabulary, merges = tokenizer.save_vocabulary(str(out))
    pathlib.Path(vocabulary).replace(out / "vocab.json")
    pathlib.Path(merges).replace(out / "merges.txt")
    pixels = dict(size=images.crop_size["height"], resizeTo=images.size["shortest_edge"], resize="shortest",
                  kernel={2: "bilinear", 3: "bicubic"}[int(images.resample)], mean=images.image_mean, std=images.image_std)
    context = model.config.text_config.max_position_embeddings

    def encode(text):
        return tokenizer(text, truncation=True, max_length=context)["input_ids"]

    special = dict(startToken=tokenizer.bos_token, endToken=tokenizer.eos_token)
    return Tower(model, "get_text_features"), Tower(model, "get_image_features"), encode, context, pixels, special, model.logit_scale.exp().item()


def from_open_clip(name, weights, out):
    import open_clip
    model, _, _ = open_clip.create_model_and_transforms(name, pretrained=weights)
    model.eval()
    tokenizer = open_clip.get_tokenizer(name)
    if not hasattr(tokenizer, "bpe_ranks"):
        raise SystemExit(f"{name} has a tokenizer of another kind than CLIP's BPE; its text side cannot be used yet.")
    (out / "vocab.json").write_text(json.dumps(tokenizer.encoder, ensure_ascii=False), encoding="utf-8")
    order = sorted(tokenizer.bpe_ranks, key=tokenizer.bpe_ranks.get)
    (out / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in order), encoding="utf-8")
    cfg = model.visual.preprocess_cfg
    size = cfg["size"][0] if isinstance(cfg["size"], (tuple, list)) else cfg["size"]
    pixels = dict(size=size, resize=cfg.get("resize_mode", "shortest"), kernel=cfg.get("interpolation", "bicubic"), mean=list(cfg["mean"]), std=list(cfg["std"]))
    context = tokenizer.context_length

    def encode(text):
        row = tokenizer([text])[0].tolist()
        return row[:row.index(tokenizer.eot_token_id) + 1]

    special = dict(startToken=tokenizer.decoder[tokenizer.sot_token_id], endToken=tokenizer.decoder[tokenizer.eot_token_id])
    return Tower(model, "encode_text"), Tower(model, "encode_image"), encode, context, pixels, special, model.logit_scale.exp().item()


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--from", dest="source", choices=("transformers", "open_clip"), required=True)
    a.add_argument("--model", required=True)
    a.add_argument("--weights", help="open_clip's name of the weights")
    a.add_argument("--out", type=pathlib.Path, required=True, help="models/NAME/VERSION, lower case")
    a = a.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    load = from_transformers if a.source == "transformers" else from_open_clip
    text, image, encode, context, pixels, special, scale = load(a.model, a.weights, a.out)

    ids = [encode(t) for t in TEXTS]
    padded = torch.tensor([i + [0] * (context - len(i)) for i in ids])
    sample = torch.zeros(2, 3, pixels["size"], pixels["size"])
    with torch.no_grad():
        vectors = F.normalize(text(padded)).tolist()
        torch.onnx.export(text, (padded[:2],), a.out / "text.onnx", input_names=["input_ids"], output_names=["text_embeds"],
                          dynamic_axes={"input_ids": {0: "N"}, "text_embeds": {0: "N"}}, opset_version=17, dynamo=False)
        torch.onnx.export(image, (sample,), a.out / "image.onnx", input_names=["pixel_values"], output_names=["image_embeds"],
                          dynamic_axes={"pixel_values": {0: "N"}, "image_embeds": {0: "N"}}, opset_version=17, dynamo=False)
    cases = [dict(text=t, ids=i, vector=[round(v, 5) for v in vec]) for t, i, vec in zip(TEXTS, ids, vectors)]
    (a.out / "cases.json").write_text(json.dumps(cases), encoding="utf-8")

    def file(name):
        digest = hashlib.sha256()
        with open(a.out / name, "rb") as f:
            while block := f.read(1 << 20):
                digest.update(block)
        return dict(path=name, sha256=digest.hexdigest(), bytes=(a.out / name).stat().st_size)

    files = dict(text_encoder="text.onnx", image_encoder="image.onnx", vocab="vocab.json", merges="merges.txt", cases="cases.json")
    manifest = dict(
        name=a.out.parent.name, version=a.out.name, kind="embedding", description=f"{a.model} {a.weights or ''}".strip(),
        files={role: file(name) for role, name in files.items()}, dimensions=len(vectors[0]), source="pixels", logitScale=round(scale, 3),
        text=dict(input="input_ids", output="text_embeds", contextLength=context, fixedLength=True, prompts=["{}", "a photo of a {}", "The photo of {}"],
                  tokenizer=dict(kind="bpe", letters="unicode", clean=True, padId=0, **special)),
        pixels=dict(input="pixel_values", output="image_embeds", **pixels))
    (a.out / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
