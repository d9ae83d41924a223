# shellcheck shell=bash
# The S3 store: Ceph's RADOS gateway on one monitor and one OSD, without authentication between them (loopback only).
# Data in data/ceph. The gateway pushes bucket notifications to RabbitMQ.

CEPH_CONF=(--conf /data/ceph/ceph.conf)

start_ceph() {
  local ROOT_ENVIRONMENT=() data=$STATE/data/ceph
  # A first start that was interrupted has no mark; nothing can be stored yet, so it begins anew.
  if [ ! -e "$data/complete" ]; then
    stop_ceph
    rm -rf "$data"
  fi
  mkdir -p "$data"/{mon,osd,run,rgw}
  if ! running ceph_mon || ! running ceph_osd; then
    stop_ceph
    need_port ceph_mon
    write_ceph_conf "$data"
    start_ceph_mon "$data"
    start_ceph_osd "$data"
  fi
  start_rgw "$data"
  touch "$data/complete"
}

# ceph_run COMMAND...: a tool of Ceph's, inside the root folder, at most a minute
ceph_run() {
  in_root ceph:ceph timeout 60 "$@"
  "${IN_ROOT[@]}" >>"$STATE/logs/ceph_setup.log" 2>&1 || fail_with_log ceph_setup "Ceph's '$1' failed"
}

start_ceph_mon() {
  local data=$1 address="[v2:127.0.0.1:${PORT[ceph_mon]}]" fresh=no
  # The monitor's address is part of its map: new ports need a new map.
  if [ ! -e "$data/mon/kv_backend" ] || [ "$(cat "$data/mon_address" 2>/dev/null)" != "$address" ]; then
    [ -e "$data/mon/kv_backend" ] || fresh=yes
    ceph_run monmaptool --create --clobber --fsid "$CEPH_FSID" --addv a "$address" --enable-all-features \
      --set-min-mon-release 18 /data/ceph/monmap
    if [ "$fresh" = yes ]; then
      ceph_run ceph-mon "${CEPH_CONF[@]}" --mkfs -i a --monmap /data/ceph/monmap
    else
      ceph_run ceph-mon "${CEPH_CONF[@]}" -i a --inject-monmap /data/ceph/monmap
    fi
    printf '%s' "$address" >"$data/mon_address"
  fi
  in_root ceph:ceph ceph-mon "${CEPH_CONF[@]}" -f -i a
  start ceph_mon "${IN_ROOT[@]}"
  wait_listening ceph_mon "${PORT[ceph_mon]}" 60
}

start_ceph_osd() {
  local data=$1 id
  if [ ! -e "$data/osd/ready" ]; then
    id=$(</proc/sys/kernel/random/uuid)
    ceph_run ceph "${CEPH_CONF[@]}" osd new "$id"
    ceph_run ceph-osd "${CEPH_CONF[@]}" -i 0 --mkfs --osd-uuid "$id"
  fi
  in_root ceph:ceph ceph-osd "${CEPH_CONF[@]}" -f -i 0
  start ceph_osd "${IN_ROOT[@]}"
  # Earlier, the gateway's first requests would hang until they time out.
  wait_for 120 'the object store' ceph_osd_settled
  running ceph_osd || fail_with_log ceph_osd 'the object store (ceph-osd) ended while it started'
}

ceph_osd_settled() { ! running ceph_osd || grep -q 'state: booting -> active' "$STATE/logs/ceph_osd.log"; }

start_rgw() {
  local data=$1
  if ! running rgw; then
    need_port s3
    [ ! -e "$data/complete" ] || release_notification_queues
    in_root ceph:ceph radosgw "${CEPH_CONF[@]}" -f -n client.rgw.a
    start rgw "${IN_ROOT[@]}"
  fi
  wait_listening rgw "${PORT[s3]}" 120
  [ -e "$data/complete" ] || ceph_run radosgw-admin "${CEPH_CONF[@]}" -n client.rgw.a user create --uid=imagesearch \
    --display-name=ImageSearch --access-key="$S3_ACCESS_KEY" --secret-key="$S3_SECRET_KEY"
}

# A gateway that was killed holds the lease of its notification queues for 90 s, and no event arrives until it ends.
# Only one gateway runs here, so whatever lease is left when it starts is a dead one's.
release_notification_queues() {
  in_root ceph:ceph timeout 60 bash -c '
    rados="rados --conf /data/ceph/ceph.conf -p default.rgw.log -N notif"
    for queue in $($rados ls | grep -v ^queues_list_object); do
      lease=$($rados lock info "$queue" "${queue}_lock" 2>/dev/null) || continue
      holder=$(sed -n "s/.*\"name\":\"\(client[^\"]*\)\",\"cookie\".*/\1/p" <<<"$lease")
      cookie=$(sed -n "s/.*\"cookie\":\"\([^\"]*\)\".*/\1/p" <<<"$lease")
      [ -z "$holder" ] || $rados lock break "$queue" "${queue}_lock" "$holder" --lock-cookie "$cookie"
    done'
  "${IN_ROOT[@]}" >>"$STATE/logs/ceph_setup.log" 2>&1 || true
}

notification_queues() {
  local ROOT_ENVIRONMENT=()
  in_root ceph:ceph timeout 60 rados "${CEPH_CONF[@]}" -p default.rgw.log -N notif ls
  "${IN_ROOT[@]}" 2>>"$STATE/logs/ceph_setup.log" | sort
}

# The gateway looks for new notification queues every 30 s (fixed in its source), but at once when it starts.
# So it starts again when provisioning has made a queue that it does not know yet.
let_rgw_see_new_queues() {
  local data=$STATE/data/ceph queues ROOT_ENVIRONMENT=()
  running rgw || return 0
  queues=$(notification_queues) || return 0
  if [ "$queues" != "$(cat "$data/queues" 2>/dev/null)" ]; then
    stop rgw
    start_rgw "$data"
    printf '%s' "$queues" >"$data/queues"
  fi
}

stop_ceph() {
  stop rgw TERM 20
  stop ceph_osd TERM 60
  stop ceph_mon TERM 20
}

write_ceph_conf() {
  local data=$1 base=${PORT[base]} gigabytes
  # The store's file is sparse: it may grow to what the disk had free at the first start, at most 512 GiB.
  gigabytes=$(df -Pk "$data" | awk 'NR==2 {print int($4 / 1048576)}')
  [ -s "$data/size" ] || echo $((gigabytes < 512 ? gigabytes : 512)) >"$data/size"
  cat >"$data/ceph.conf" <<END
[global]
fsid = $CEPH_FSID
mon_host = [v2:127.0.0.1:${PORT[ceph_mon]}/0]
mon_initial_members = a
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
# Without authentication every connection must be in plain mode, or clients are refused.
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
ms_mon_client_mode = crc
ms_client_mode = crc
ms_cluster_mode = crc
ms_service_mode = crc
ms_mon_service_mode = crc
ms_mon_cluster_mode = crc
ms_bind_msgr1 = false
ms_bind_port_min = $((base + OSD_OFFSET))
ms_bind_port_max = $((base + PORT_BLOCK - 1))
ms_async_op_threads = 1
run_dir = /data/ceph/run
crash_dir = /data/ceph/run
admin_socket = /data/ceph/run/\$name.asok
keyring = /data/ceph/keyring
log_file =
log_to_stderr = true
err_to_stderr = true
log_to_syslog = false
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pgp_num = 1
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
[mon]
mon_data = /data/ceph/mon
paxos_propose_interval = 0.02
paxos_min_wait = 0.01
mon_tick_interval = 1
mon_cluster_log_to_file = false
mon_cluster_log_to_stderr = false
mon_data_avail_crit = 1
mon_data_avail_warn = 1
mon_osd_min_down_reporters = 1
mon_memory_autotune = false
[osd]
osd_data = /data/ceph/osd
osd_objectstore = bluestore
bluestore_block_create = true
bluestore_block_size = $(($(<"$data/size") << 30))
bluestore_block_db_create = false
bluestore_block_wal_create = false
bluestore_cache_autotune = false
bluestore_cache_size = 33554432
osd_memory_target = 939524096
osd_op_num_shards = 1
osd_op_num_threads_per_shard = 2
osd_class_load_list = *
osd_class_default_list = *
osd_crush_initial_weight = 1
osd_mclock_skip_benchmark = true
# Watches of a killed gateway end after 5 s instead of 30, during which the next one would wait.
osd_client_watch_timeout = 5
[client.rgw.a]
rgw_data = /data/ceph/rgw
rgw_frontends = beast endpoint=127.0.0.1:${PORT[s3]}
rgw_thread_pool_size = 16
rgw_run_sync_thread = false
rgw_enable_lc_threads = false
rgw_enable_usage_log = false
rgw_enable_ops_log = false
rgw_enable_apis = s3, notifications, iam, admin
rgw_rados_pool_pg_num_min = 1
rgw_dns_name =
objecter_tick_interval = 0.5
# The topic carries the broker's password; gateway and broker speak over loopback only.
rgw_allow_notification_secrets_in_cleartext = true
END
  chown -R "$(user_id ceph)" "$data"
}
