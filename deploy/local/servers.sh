# shellcheck shell=bash
# The three servers together: local ones, or those that the environment names.

DURABLE=yes

# Which servers run here; the others are given by environment.
local_postgres() { [ -z "${IMAGESEARCH_POSTGRES:-}" ]; }
local_rabbitmq() { [ -z "${IMAGESEARCH_RABBITMQ:-}" ]; }
local_s3() { [ -z "${IMAGESEARCH_S3_ENDPOINT:-}" ]; }

start_servers() {
  local jobs=() job failed=no
  if local_postgres || local_rabbitmq || local_s3; then
    need_root_folder
    need_space "$STATE" 3
  fi
  local_rabbitmq || [ -n "${IMAGESEARCH_RABBITMQ_MANAGEMENT:-}" ] || die "IMAGESEARCH_RABBITMQ is set, so IMAGESEARCH_RABBITMQ_MANAGEMENT must name its management address, such as http://user:password@host:15672"
  local_s3 || [ -n "${IMAGESEARCH_S3_ACCESS_KEY:-}" ] && [ -n "${IMAGESEARCH_S3_SECRET_KEY:-}" ] || local_s3 || die "IMAGESEARCH_S3_ENDPOINT is set, so IMAGESEARCH_S3_ACCESS_KEY and IMAGESEARCH_S3_SECRET_KEY must be too"
  mkdir -p "$STATE"/{data,logs,run}
  read_secrets
  if local_postgres; then start_postgres & jobs+=($!); fi
  if local_rabbitmq; then start_rabbitmq & jobs+=($!); fi
  if local_s3; then start_ceph & jobs+=($!); fi
  for job in "${jobs[@]}"; do wait "$job" || failed=yes; done
  [ "$failed" = no ] || die "not all servers started; ./imagesearch logs shows theirs, ./imagesearch down stops what runs"
}

stop_servers() {
  stop_ceph &
  stop_rabbitmq &
  stop_postgres &
  wait
}

# Passwords of this checkout's servers, made at the first start. They lie with the data that they open.
read_secrets() {
  local file=$STATE/data/secrets
  if [ ! -s "$file" ]; then
    (
      umask 077
      cat >"$file.new" <<END
POSTGRES_PASSWORD=$(random_text 16)
RABBITMQ_PASSWORD=$(random_text 16)
RABBITMQ_COOKIE=$(random_text 16)
S3_ACCESS_KEY=$(random_text 10)
S3_SECRET_KEY=$(random_text 20)
CEPH_FSID=$(</proc/sys/kernel/random/uuid)
END
      mv "$file.new" "$file"
    )
  fi
  # shellcheck source=/dev/null
  . "$file"
}

# server_addresses PREFIX: assignments of the six addresses and keys, whoever runs the servers
server_addresses() {
  local prefix=$1
  printf '%sPOSTGRES=%q\n' "$prefix" "${IMAGESEARCH_POSTGRES:-$(postgres_connection)}"
  printf '%sRABBITMQ=%q\n' "$prefix" "${IMAGESEARCH_RABBITMQ:-$(rabbitmq_uri)}"
  printf '%sRABBITMQ_MANAGEMENT=%q\n' "$prefix" "${IMAGESEARCH_RABBITMQ_MANAGEMENT:-$(rabbitmq_management_uri)}"
  printf '%sS3_ENDPOINT=%q\n' "$prefix" "${IMAGESEARCH_S3_ENDPOINT:-http://127.0.0.1:${PORT[s3]}}"
  printf '%sS3_ACCESS_KEY=%q\n' "$prefix" "${IMAGESEARCH_S3_ACCESS_KEY:-$S3_ACCESS_KEY}"
  printf '%sS3_SECRET_KEY=%q\n' "$prefix" "${IMAGESEARCH_S3_SECRET_KEY:-$S3_SECRET_KEY}"
}
