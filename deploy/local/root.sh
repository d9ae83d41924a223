# shellcheck shell=bash
# The servers' programs, from Debian's packages in a folder of their own: the host's release does not matter, and nothing
# is installed on the host. Built once per recipe and shared, read-only, by all checkouts.

ROOT_RELEASE=trixie
ROOT_PACKAGES=(postgresql-17 postgresql-17-pgvector rabbitmq-server ceph-mon ceph-osd ceph-common radosgw)
# The folder's name is the hash of this file: a changed recipe builds a new folder.
ROOT=$CACHE/root-$(sha256sum "${BASH_SOURCE[0]}" | cut -c1-12)

need_root_folder() {
  [ ! -d "$ROOT" ] || return 0
  [ "$(id -u)" = 0 ] || die "the local servers run in a private root folder, which needs root. Run as root, or name running servers in IMAGESEARCH_POSTGRES, IMAGESEARCH_RABBITMQ and IMAGESEARCH_S3_ENDPOINT (deploy/local/README.md)."
  need_command apt-get "The local servers come from Debian packages. Use docker compose, or name running servers in IMAGESEARCH_POSTGRES, IMAGESEARCH_RABBITMQ and IMAGESEARCH_S3_ENDPOINT (deploy/local/README.md)."
  need_space "$CACHE" 3
  need_packages debootstrap curl ca-certificates
  mkdir -p "$CACHE"
  exec 8>"$CACHE/root.lock"
  flock -n 8 || { say "Another checkout is fetching the servers; waiting for it ..."; flock 8; }
  if [ ! -d "$ROOT" ]; then
    say "Fetching PostgreSQL, RabbitMQ and Ceph from Debian (once, about 260 MB, 1-2 minutes) ..."
    local log=$STATE/logs/root.log
    mkdir -p "$STATE/logs"
    # In a mount namespace of its own: no mount outlives the build, however it ends.
    if ! unshare -m --propagation private bash -c "$(declare -f build_root_folder); set -euo pipefail; build_root_folder \"\$@\"" \
      build "$ROOT.partial" "$ROOT_RELEASE" "${IMAGESEARCH_DEBIAN_MIRROR:-}" "${ROOT_PACKAGES[@]}" >"$log" 2>&1; then
      tail -n 5 "$log" >&2
      die "the servers could not be fetched (whole log: $log)"
    fi
    mv "$ROOT.partial" "$ROOT"
  fi
  exec 8>&-
}

# build_root_folder FOLDER RELEASE MIRROR PACKAGE...
build_root_folder() {
  local folder=$1 release=$2 mirror=$3
  shift 3
  export PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive LC_ALL=C
  rm -rf --one-file-system "$folder"
  # The packages cannot go into debootstrap's --include: some of them depend on a configured systemd.
  debootstrap --variant=minbase --include=ca-certificates "$release" "$folder" ${mirror:+"$mirror"}
  printf '#!/bin/sh\nexit 101\n' >"$folder/usr/sbin/policy-rc.d"
  chmod +x "$folder/usr/sbin/policy-rc.d"
  mkdir -p "$folder/etc/postgresql-common" "$folder/data"
  echo 'create_main_cluster = false' >"$folder/etc/postgresql-common/createcluster.conf"
  echo 'Acquire::Languages "none";' >"$folder/etc/apt/apt.conf.d/lean"
  printf '%s\n' force-unsafe-io 'path-exclude=/usr/share/doc/*' 'path-include=/usr/share/doc/*/copyright' \
    'path-exclude=/usr/share/man/*' 'path-exclude=/usr/share/locale/*' >"$folder/etc/dpkg/dpkg.cfg.d/lean"
  mount --bind /dev "$folder/dev"
  mount -t proc proc "$folder/proc"
  chroot "$folder" apt-get update
  chroot "$folder" apt-get install -y --no-install-recommends "$@"
  chroot "$folder" apt-get clean
  rm -rf "$folder"/var/lib/apt/lists/*
}

# in_root USER COMMAND...: as a command line for `start`, or to run at once with "${IN_ROOT[@]}"
in_root() {
  local user=$1
  shift
  IN_ROOT=(env -i PATH=/usr/lib/postgresql/17/bin:/usr/lib/rabbitmq/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/tmp
    "${ROOT_ENVIRONMENT[@]}" unshare -m --propagation private bash "$LOCAL/enter.sh" "$ROOT" "$STATE/data" "$user" "$@")
}

# user_id NAME: user and group number inside the root folder
user_id() { awk -F: -v name="$1" '$1 == name {print $3 ":" $4}' "$ROOT/etc/passwd"; }
