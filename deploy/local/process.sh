# shellcheck shell=bash
# Daemons: started in their own session, found again by pid file, stopped for certain.

# Time at which a process started, in ticks since boot. The kernel reuses pids; pid and start time together are one process.
started_at() {
  local stat
  { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 1
  # shellcheck disable=SC2086 # the fields after "pid (name)" are split on purpose: state is the 1st, start time the 20th
  set -- ${stat##*) }
  [ "$1" != Z ] && printf '%s' "${20}"
}

# running NAME: sets PID
running() {
  local since
  PID=
  [ -s "$STATE/run/$1.pid" ] || return 1
  read -r PID since <"$STATE/run/$1.pid"
  [ "$(started_at "$PID")" = "$since" ]
}

# start NAME COMMAND...: the command must exec its daemon, so that the recorded pid is the daemon's
start() {
  local name=$1 log=$STATE/logs/$1.log
  shift
  [ ! -s "$log" ] || mv -f "$log" "$log.1"
  # Without job control a background process leads no group, so setsid executes in place and $! stays right.
  setsid "$@" </dev/null >"$log" 2>&1 9>&- 8>&- &
  printf '%s %s\n' $! "$(started_at $!)" >"$STATE/run/$name.pid"
  # Else every later bare `wait` would wait for the daemon's end.
  disown $!
}

# stop NAME [SIGNAL] [SECONDS]: asks, waits, then kills the whole session
stop() {
  local name=$1 signal=${2:-TERM} until=$((EPOCHSECONDS + ${3:-20}))
  if running "$name"; then
    kill "-$signal" "$PID" 2>/dev/null || true
    while running "$name"; do
      if [ "$EPOCHSECONDS" -ge "$until" ]; then
        say "$name did not stop by itself and is killed"
        kill -KILL -- "-$PID" 2>/dev/null || true
        until=$((EPOCHSECONDS + 5))
      fi
      sleep 0.05
    done
  fi
  rm -f "$STATE/run/$name.pid"
}

# fail_with_log NAME MESSAGE
fail_with_log() {
  say "--- end of $STATE/logs/$1.log"
  tail -n 15 "$STATE/logs/$1.log" >&2 || true
  die "$2"
}

listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# wait_listening NAME PORT SECONDS
wait_listening() {
  local until=$((EPOCHSECONDS + $3))
  until listens "$2"; do
    running "$1" || fail_with_log "$1" "$1 ended while it started"
    [ "$EPOCHSECONDS" -lt "$until" ] || fail_with_log "$1" "$1 does not listen on port $2 after $3 seconds"
    sleep 0.05
  done
}
