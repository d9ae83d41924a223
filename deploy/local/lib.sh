# shellcheck shell=bash
# Paths, messages and prerequisites that every part of the local stack uses. Sourced by ../../imagesearch.

LOCAL=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
CHECKOUT=$(cd "$LOCAL/../.." && pwd)
# Same rule as Directory.Build.props: builds look there for what setup fetched.
CACHE=${IMAGESEARCH_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/imagesearch}
# Everything of one running system: ports, env, data, logs, run. `test` has its own below it. Builds stay in the checkout's.
STATE=${IMAGESEARCH_STATE:-$CHECKOUT/.imagesearch}
[[ $STATE == /* ]] || STATE=$PWD/$STATE
SERVICES=(query ingest codec embedder captioner operator)

say() { printf '%s\n' "$*" >&2; }

die() {
  printf 'imagesearch: %s\n' "$*" >&2
  exit 1
}

# random_text BYTES: hexadecimal, so it needs no quoting in addresses and files
random_text() { od -An -v -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }

seconds() { printf '%s' "$EPOCHSECONDS"; }

# wait_for SECONDS WHAT COMMAND...: polls until the command succeeds
wait_for() {
  local until=$((EPOCHSECONDS + $1)) what=$2
  shift 2
  until "$@"; do
    [ "$EPOCHSECONDS" -lt "$until" ] || { say "imagesearch: $what took too long"; return 1; }
    sleep 0.1
  done
}

# need_space FOLDER GIGABYTES
need_space() {
  local folder=$1 free remedy='move the checkout to a larger disk'
  [ "$folder" != "$CACHE" ] || remedy='set IMAGESEARCH_CACHE to a folder on a larger disk'
  mkdir -p "$folder"
  free=$(df -Pk "$folder" | awk 'NR==2 {print int($4 / 1048576)}')
  [ "$free" -ge "$2" ] || die "only $free GB are free for $folder, $2 GB are needed. Free some space, or $remedy."
}

need_command() {
  command -v "$1" >/dev/null || die "'$1' is needed and was not found. $2"
}

# need_packages PACKAGE...: installs with apt what is missing
need_packages() {
  local package missing=()
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  need_command apt-get "Install these by other means: ${missing[*]}"
  [ "$(id -u)" = 0 ] || die "these packages are missing: ${missing[*]}. Install them, or run as root."
  say "Installing ${missing[*]} ..."
  mkdir -p "$STATE/logs"
  apt_install "${missing[@]}" >"$STATE/logs/apt.log" 2>&1 ||
    { tail -n 5 "$STATE/logs/apt.log" >&2; die "apt could not install ${missing[*]} (whole log: $STATE/logs/apt.log)"; }
}

apt_install() {
  export DEBIAN_FRONTEND=noninteractive
  apt-get install -y --no-install-recommends "$@" && return
  apt-get update && apt-get install -y --no-install-recommends "$@"
}

# One command at a time changes a system. Daemons are started with this descriptor closed (process.sh).
lock_state() {
  mkdir -p "$STATE"
  exec 9>"$STATE/lock"
  flock -n 9 || { say "Another ./imagesearch is at work in this checkout; waiting for it ..."; flock 9; }
}

unlock_state() { exec 9>&-; }
