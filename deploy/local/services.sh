# shellcheck shell=bash
# The six services as separate processes, and the settings that they and the command line get.

CLI=$CHECKOUT/tools/cli/bin/Release/net10.0/ImageSearch.Cli.dll

# Writes the file env of the state folder: .NET configuration names, readable by the shell too. Holds passwords, so only the owner may read it.
write_settings() {
  local service POSTGRES RABBITMQ RABBITMQ_MANAGEMENT S3_ENDPOINT S3_ACCESS_KEY=${S3_ACCESS_KEY:-} S3_SECRET_KEY=${S3_SECRET_KEY:-}
  eval "$(server_addresses '')"
  (
    umask 077
    {
      printf 'export %s=%q\n' \
        Postgres__ConnectionString "$POSTGRES" \
        RabbitMq__Uri "$RABBITMQ" \
        RabbitMq__ManagementUri "$RABBITMQ_MANAGEMENT" \
        ObjectStore__Endpoint "$S3_ENDPOINT" \
        ObjectStore__AccessKey "$S3_ACCESS_KEY" \
        ObjectStore__SecretKey "$S3_SECRET_KEY" \
        ObjectStore__UploadBucket images \
        ObjectStore__DerivedBucket imagesearch \
        Models__Directory "$CHECKOUT/models" \
        DOTNET_gcServer 0 DOTNET_GCConserveMemory 7 DOTNET_TieredPGO 1
      for service in "${SERVICES[@]}"; do
        printf 'export Services__%s=http://127.0.0.1:%s\n' "$service" "${PORT[$service]}"
      done
    } >"$STATE/env.new"
  )
  SETTINGS_CHANGED=no
  cmp -s "$STATE/env.new" "$STATE/env" || SETTINGS_CHANGED=yes
  mv "$STATE/env.new" "$STATE/env"
}

# cli ARGUMENT...: with the settings of this checkout's system, if it has been started before
cli() (
  export IMAGESEARCH_STATE=$STATE IMAGESEARCH_CHECKOUT=$CHECKOUT
  # shellcheck source=/dev/null
  [ ! -s "$STATE/env" ] || . "$STATE/env"
  exec dotnet "$CLI" "$@" 9>&-
)

service_dll() { printf '%s/services/%s/bin/Release/net10.0/ImageSearch.%s.dll' "$CHECKOUT" "$1" "${1^}"; }

start_service() {
  local service=$1
  need_port "$service"
  (
    # shellcheck source=/dev/null
    . "$STATE/env"
    # The folder with the service's appsettings and page
    cd "$CHECKOUT/services/$service" || exit 1
    Urls="http://127.0.0.1:${PORT[$service]}" start "$service" dotnet "$(service_dll "$service")"
  )
}

# Whether a running service was built anew since it started.
services_outdated() {
  local service
  for service in "${SERVICES[@]}"; do
    if running "$service" && [ -n "$(find "$CHECKOUT/services/$service/bin/Release" -name '*.dll' -newer "$STATE/run/$service.pid" -print -quit)" ]; then return 0; fi
  done
  return 1
}

start_services() {
  local service
  for service in "${SERVICES[@]}"; do
    running "$service" || start_service "$service"
  done
  for service in "${SERVICES[@]}"; do
    wait_for 120 "$service" service_settled "$service" || fail_with_log "$service" "$service is not ready: http://127.0.0.1:${PORT[$service]}/health/ready"
    running "$service" || fail_with_log "$service" "$service ended while it started"
  done
}

service_ready() { curl -sf -m 5 -o /dev/null "http://127.0.0.1:${PORT[$1]}/health/ready"; }
service_settled() { ! running "$1" || service_ready "$1"; }

# All at once: each may take its time to finish its messages.
stop_services() {
  local service
  for service in "${SERVICES[@]}"; do stop "$service" TERM 40 & done
  wait
}

# Resident memory in MiB, shared pages counted in proportion
memory_of() { awk '/^Pss:/ {kib += $2} END {printf "%d", kib / 1024}' "/proc/$1/smaps_rollup" 2>/dev/null || printf '?'; }

status() {
  local name state down=0
  read_ports || { say "Nothing has been started in this checkout yet."; return 3; }
  printf '%-12s %-9s %8s %7s  %s\n' NAME STATE PID MIB ADDRESS
  for name in postgres rabbitmq epmd ceph_mon ceph_osd rgw "${SERVICES[@]}"; do
    if running "$name"; then
      state=running
      case " ${SERVICES[*]} " in *" $name "*) service_ready "$name" || state=unready ;; esac
      printf '%-12s %-9s %8s %7s  %s\n' "$name" "$state" "$PID" "$(memory_of "$PID")" "$(address_of "$name")"
      [ "$state" = running ] || down=3
    elif is_expected "$name"; then
      printf '%-12s %-9s\n' "$name" stopped
      down=3
    fi
  done
  return "$down"
}

# Servers that somebody else runs have no process here.
is_expected() {
  case $1 in
    postgres) local_postgres ;;
    rabbitmq | epmd) local_rabbitmq ;;
    ceph_mon | ceph_osd | rgw) local_s3 ;;
  esac
}

address_of() {
  case $1 in
    rabbitmq) printf '127.0.0.1:%s, management http://127.0.0.1:%s' "${PORT[rabbitmq]}" "${PORT[rabbitmq_management]}" ;;
    rgw) printf 'http://127.0.0.1:%s (S3)' "${PORT[s3]}" ;;
    ceph_osd) ;;
    *) [ -z "${PORT[$1]:-}" ] || printf '%s127.0.0.1:%s' "$(case " ${SERVICES[*]} " in *" $1 "*) echo http:// ;; esac)" "${PORT[$1]}" ;;
  esac
}
