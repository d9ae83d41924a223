#!/bin/bash
# Fetches what the build needs and no NuGet source carries: ONNX Runtime's official C# sources and library, and libvips.
# Versions and SHA-512 values stand in package-lock.json. Usable alone: containers build with it too.
set -euo pipefail
LOCAL=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
CACHE=${IMAGESEARCH_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/imagesearch}
ONNX_RUNTIME=$CACHE/onnxruntime-1.29.0     # the same folder names as in Directory.Build.props
LIBVIPS=$CACHE/libvips-8.18.7

# fetch PACKAGE FOLDER PATH...: downloads, checks and unpacks the given paths of the package into FOLDER/package
fetch() {
  local package=$1 folder=$2 version integrity file actual
  shift 2
  read -r version integrity < <(node -p \
    'const p = require(process.argv[1]).packages["node_modules/" + process.argv[2]]; p.version + " " + p.integrity' \
    "$LOCAL/../../package-lock.json" "$package")
  file=$(cd "$folder" && npm pack --silent "$package@$version" | tail -n 1)
  actual=$(node -p '"sha512-" + require("crypto").createHash("sha512").update(require("fs").readFileSync(process.argv[1])).digest("base64")' "$folder/$file")
  [ "$actual" = "$integrity" ] || { echo "imagesearch: $package@$version has SHA-512 $actual instead of $integrity" >&2; exit 1; }
  tar -xzf "$folder/$file" -C "$folder" --wildcards --no-same-owner "$@"
}

need() { command -v "$1" >/dev/null || { echo "imagesearch: '$1' is needed: install Node.js 18 or newer (node and npm)" >&2; exit 1; }; }

if [ -e "$ONNX_RUNTIME" ] && [ -e "$LIBVIPS" ]; then exit; fi
need node
need npm
mkdir -p "$CACHE"
exec 8>"$CACHE/native.lock"
flock 8
# Inside the cache: the final move must stay on one file system to be atomic.
work=$(mktemp -d "$CACHE/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
if [ ! -e "$ONNX_RUNTIME" ]; then
  echo "Fetching ONNX Runtime (once, 150 MB) ..." >&2
  mkdir "$work/onnx"
  fetch com.github.asus4.onnxruntime "$work/onnx" 'package/Runtime/*.cs' package/Plugins/Linux/x64/libonnxruntime.so \
    package/LICENSE package/ThirdPartyNotices.txt
  rm -rf "$work/onnx/package/Runtime/Training"
  mv "$work/onnx/package/Plugins/Linux/x64/libonnxruntime.so" "$work/onnx/package/"
  rm -rf "$work/onnx/package/Plugins"
  mv "$work/onnx/package" "$ONNX_RUNTIME"
fi
if [ ! -e "$LIBVIPS" ]; then
  echo "Fetching libvips (once, 8 MB) ..." >&2
  mkdir "$work/vips"
  fetch @img/sharp-libvips-linux-x64 "$work/vips" package
  mv "$work/vips/package" "$LIBVIPS"
fi
