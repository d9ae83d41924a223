# shellcheck shell=bash
# `up` and `down`. Both can be interrupted and repeated at any point.

# up [--servers]: with --servers only PostgreSQL, RabbitMQ and the store, for services run by hand
up() {
  [ $# = 0 ] || [ "$*" = --servers ] || die "usage: ./imagesearch up [--servers]"
  lock_state
  need_build_tools
  build_services
  allot_ports
  start_servers
  write_settings
  cli provision >"$STATE/logs/provision.log" 2>&1 || fail_with_log provision 'the servers could not be provisioned'
  let_rgw_see_new_queues
  if [ $# = 0 ]; then
    [ "$SETTINGS_CHANGED" = no ] && ! services_outdated || stop_services
    start_services
  fi
  unlock_state
}

# down: stops what runs; data stays
down() {
  lock_state
  if read_ports; then
    stop_services
    stop_servers
  fi
  unlock_state
}

show_addresses() {
  (
    # shellcheck source=/dev/null
    . "$STATE/env"
    cat <<END
ImageSearch is running.
  Search page      http://127.0.0.1:${PORT[query]}/
  Upload           ./imagesearch add FILE-OR-FOLDER...   or POST http://127.0.0.1:${PORT[ingest]}/images
  Object store     ${ObjectStore__Endpoint:-} (S3, bucket ${ObjectStore__UploadBucket:-}; keys in $STATE/env)
  Operator         http://127.0.0.1:${PORT[operator]}/
  Search           ./imagesearch search "a dog on the beach"
  Stop             ./imagesearch down
END
  )
}

# logs NAME [TAIL-OPTION...]
logs() {
  local name=${1:-}
  if [ -z "$name" ] || [ ! -e "$STATE/logs/$name.log" ]; then
    say "usage: ./imagesearch logs NAME [-f]   where NAME is one of"
    find "$STATE/logs" -name '*.log' -printf '%f\n' 2>/dev/null | sort | sed 's/^/  /; s/\.log$//' >&2
    return 2
  fi
  shift
  [ $# -gt 0 ] || set -- -n 200
  tail "$@" "$STATE/logs/$name.log"
}
