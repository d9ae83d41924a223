# shellcheck shell=bash
# PostgreSQL 17 with pgvector: data in data/postgres, one port on loopback, no Unix socket.

POSTGRES_LOG_IN=postgres:postgres

start_postgres() {
  local ROOT_ENVIRONMENT=() durability=() data=$STATE/data/postgres
  [ "$DURABLE" = yes ] || durability=(-c fsync=off -c synchronous_commit=off -c full_page_writes=off)
  if ! running postgres; then
    need_port postgres
    [ -d "$data" ] || create_postgres_data "$data"
    in_root "$POSTGRES_LOG_IN" postgres -D /data/postgres -c listen_addresses=127.0.0.1 -c "port=${PORT[postgres]}" \
      -c unix_socket_directories= -c max_connections=200 -c shared_buffers=512MB -c maintenance_work_mem=128MB \
      -c random_page_cost=1.1 -c jit=off "${durability[@]}"
    start postgres "${IN_ROOT[@]}"
  fi
  wait_listening postgres "${PORT[postgres]}" 60
  wait_for 60 'PostgreSQL' postgres_answers || fail_with_log postgres 'PostgreSQL does not answer'
  [ "$(postgres_query "select 1 from pg_database where datname = 'imagesearch'")" = 1 ] || postgres_query 'create database imagesearch'
}

# Under another name until it is whole: an interrupted initdb leaves nothing that looks like data.
create_postgres_data() {
  local new=$1.new
  rm -rf "$new"
  mkdir -p "$new"
  printf '%s' "$POSTGRES_PASSWORD" >"$new.password"
  chmod 700 "$new"
  chmod 600 "$new.password"
  chown "$(user_id postgres)" "$new" "$new.password"
  in_root "$POSTGRES_LOG_IN" initdb -D "/data/${new##*/}" -U imagesearch --pwfile="/data/${new##*/}.password" \
    --auth=scram-sha-256 -E UTF8 --locale=C.UTF-8
  "${IN_ROOT[@]}" >"$STATE/logs/initdb.log" 2>&1 || fail_with_log initdb 'PostgreSQL could not create its data folder'
  rm -f "$new.password"
  mv "$new" "$1"
}

postgres_answers() { postgres_query 'select 1' >/dev/null 2>&1; }

postgres_query() {
  PGPASSWORD=$POSTGRES_PASSWORD LC_ALL=C.UTF-8 chroot "$ROOT" /usr/lib/postgresql/17/bin/psql -qAtX \
    -h 127.0.0.1 -p "${PORT[postgres]}" -U imagesearch -d postgres -c "$1"
}

# INT is PostgreSQL's fast shutdown; TERM would wait for every client to leave.
stop_postgres() { stop postgres INT 60; }

postgres_connection() {
  printf 'Host=127.0.0.1;Port=%s;Username=imagesearch;Password=%s;Database=imagesearch' "${PORT[postgres]}" "$POSTGRES_PASSWORD"
}
