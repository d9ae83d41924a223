# shellcheck shell=bash
# RabbitMQ 4 with its management API: data in data/rabbitmq, every port on loopback.

start_rabbitmq() {
  local data=$STATE/data/rabbitmq
  local ROOT_ENVIRONMENT=(
    HOME=/data/rabbitmq
    RABBITMQ_NODENAME=rabbit@localhost
    RABBITMQ_CONFIG_FILE=/data/rabbitmq/rabbitmq.conf
    RABBITMQ_ENABLED_PLUGINS_FILE=/data/rabbitmq/enabled_plugins
    RABBITMQ_CONF_ENV_FILE=/nonexistent
    RABBITMQ_MNESIA_BASE=/data/rabbitmq/mnesia
    RABBITMQ_LOG_BASE=/data/rabbitmq/log
    RABBITMQ_DIST_PORT="${PORT[rabbitmq_nodes]}"
    ERL_EPMD_PORT="${PORT[epmd]}"
    ERL_EPMD_ADDRESS=127.0.0.1
    # No busy waiting: an idle broker shall not keep a core warm.
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='-kernel inet_dist_use_interface {127,0,0,1} +S 2:2 +A 4 +sbwt none +sbwtdcpu none +sbwtdio none'
    # Makes the start script execute the virtual machine in place, so that the recorded pid is the broker's.
    RUNNING_UNDER_SYSTEMD=1
  )
  if ! running rabbitmq; then
    need_port rabbitmq
    need_port rabbitmq_management
    need_port rabbitmq_nodes
    write_rabbitmq_settings "$data"
    if ! running epmd; then
      # Started here, the port mapper is ours to stop; RabbitMQ would leave its own behind.
      need_port epmd
      in_root rabbitmq:rabbitmq epmd -address 127.0.0.1 -port "${PORT[epmd]}"
      start epmd "${IN_ROOT[@]}"
      wait_listening epmd "${PORT[epmd]}" 10
    fi
    in_root rabbitmq:rabbitmq /usr/lib/rabbitmq/bin/rabbitmq-server
    start rabbitmq "${IN_ROOT[@]}"
  fi
  wait_listening rabbitmq "${PORT[rabbitmq]}" 90
  wait_for 60 'RabbitMQ' rabbitmq_answers || fail_with_log rabbitmq 'RabbitMQ does not answer'
}

write_rabbitmq_settings() {
  local data=$1
  mkdir -p "$data/mnesia" "$data/log"
  cat >"$data/rabbitmq.conf" <<END
listeners.tcp.1 = 127.0.0.1:${PORT[rabbitmq]}
management.tcp.ip = 127.0.0.1
management.tcp.port = ${PORT[rabbitmq_management]}
default_user = imagesearch
default_pass = $RABBITMQ_PASSWORD
log.console = true
log.console.level = warning
log.file = false
vm_memory_high_watermark.absolute = 512MiB
disk_free_limit.absolute = 200MB
END
  echo '[rabbitmq_management].' >"$data/enabled_plugins"
  rm -f "$data/.erlang.cookie"
  printf '%s' "$RABBITMQ_COOKIE" >"$data/.erlang.cookie"
  chmod 400 "$data/.erlang.cookie"
  chmod 600 "$data/rabbitmq.conf"
  chown -R "$(user_id rabbitmq)" "$data"
}

rabbitmq_answers() {
  # The password goes in through a file descriptor: arguments are visible to every user of the machine.
  curl -sf -o /dev/null -K <(printf 'user = "imagesearch:%s"\n' "$RABBITMQ_PASSWORD") "http://127.0.0.1:${PORT[rabbitmq_management]}/api/overview"
}

stop_rabbitmq() {
  stop rabbitmq TERM 60
  stop epmd
}

rabbitmq_uri() { printf 'amqp://imagesearch:%s@127.0.0.1:%s' "$RABBITMQ_PASSWORD" "${PORT[rabbitmq]}"; }
rabbitmq_management_uri() { printf 'http://imagesearch:%s@127.0.0.1:%s' "$RABBITMQ_PASSWORD" "${PORT[rabbitmq_management]}"; }
