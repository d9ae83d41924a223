# shellcheck shell=bash
# Each checkout keeps one block of loopback ports for good, so that addresses stay and two checkouts run side by side.

PORT_NAMES=(query ingest codec embedder captioner operator postgres rabbitmq rabbitmq_management rabbitmq_nodes epmd s3 ceph_mon)
PORT_BLOCK=40        # the names above, and from OSD_OFFSET on the ports among which Ceph's OSD chooses
OSD_OFFSET=16
FIRST_PORT=20000     # blocks end below 32768, where the kernel begins to hand out ports of its own
LAST_PORT=32600

declare -A PORT

# The numbers of all TCP ports that something listens on, one per line.
listening_ports() {
  local address state _
  cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | while read -r _ address _ state _; do
    [ "$state" != 0A ] || printf '%d\n' "$((16#${address##*:}))"
  done
}

# who_listens PORT: name and pid of the program, as far as it can be seen
who_listens() {
  local inode fd pid
  inode=$(awk -v port="$(printf '%04X' "$1")" '$4 == "0A" && $2 ~ ":" port "$" {print $10; exit}' /proc/net/tcp /proc/net/tcp6 2>/dev/null)
  for fd in /proc/[0-9]*/fd/*; do
    [ "$(readlink "$fd" 2>/dev/null)" = "socket:[$inode]" ] || continue
    pid=${fd#/proc/}
    pid=${pid%%/*}
    printf '%s (process %s)' "$(cat "/proc/$pid/comm")" "$pid"
    return
  done
  printf 'another program'
}

# A block belongs to the state folder named in its file, as long as that folder says so too.
block_is_free() {
  local base=$1 listening=$2 owner port
  if [ -s "$CACHE/ports/$base" ]; then
    owner=$(<"$CACHE/ports/$base")
    [ "$owner" = "$STATE" ] || ! grep -qsx "base=$base" "$owner/ports" || return 1
  fi
  for ((port = base; port < base + PORT_BLOCK; port++)); do
    ! grep -qx "$port" <<<"$listening" || return 1
  done
}

choose_block() {
  local listening base blocks start i
  listening=$(listening_ports)
  blocks=$(((LAST_PORT - FIRST_PORT) / PORT_BLOCK))
  start=$(printf '%s' "$STATE" | cksum | cut -d' ' -f1)
  for ((i = 0; i < blocks; i++)); do
    base=$((FIRST_PORT + (start + i) % blocks * PORT_BLOCK))
    if block_is_free "$base" "$listening"; then
      printf '%s' "$base"
      return
    fi
  done
  die "no free block of $PORT_BLOCK ports between $FIRST_PORT and $LAST_PORT"
}

# Reads the state folder's ports, or makes them.
allot_ports() {
  local base i
  mkdir -p "$CACHE/ports" "$STATE"
  if [ ! -s "$STATE/ports" ]; then
    exec 8>"$CACHE/ports/lock"
    flock 8
    base=${IMAGESEARCH_PORT_BASE:-$(choose_block)}
    {
      echo "base=$base"
      for i in "${!PORT_NAMES[@]}"; do echo "${PORT_NAMES[i]}=$((base + i))"; done
    } >"$STATE/ports"
    printf '%s' "$STATE" >"$CACHE/ports/$base"
    exec 8>&-
  fi
  read_ports
}

read_ports() {
  local name port
  [ -s "$STATE/ports" ] || return 1
  while IFS='=' read -r name port; do PORT[$name]=$port; done <"$STATE/ports"
}

# need_port NAME: nothing else listens there
need_port() {
  local port=${PORT[$1]}
  ! listens "$port" || die "port $port, which $1 needs, is taken by $(who_listens "$port"). Stop that program, or let imagesearch choose other ports: ./imagesearch down; rm '$STATE/ports'"
}
