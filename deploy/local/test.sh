# shellcheck shell=bash
# `test`: throw-away servers in .imagesearch/test, every test project one after the other, a run of chaos on a whole system of
# its own, and one line at the end.

PASSED=0 FAILED=0

# run_tests [PROJECT]: the name of a folder under tests/, Chaos, Format, or all
run_tests() {
  local filter=${1:-} project projects=() parts=()
  # Test servers must not be the user's: what the environment names is for `up`.
  unset IMAGESEARCH_POSTGRES IMAGESEARCH_RABBITMQ IMAGESEARCH_RABBITMQ_MANAGEMENT IMAGESEARCH_S3_ENDPOINT
  for project in "$CHECKOUT"/tests/*/*.csproj; do
    grep -q 'Microsoft.NET.Test.Sdk' "$project" || continue
    if [ -z "$filter" ] || [ "$(basename "$(dirname "$project")")" = "$filter" ]; then projects+=("$project"); fi
  done
  case $filter in
    '') parts=(chaos format) ;;
    Chaos | Format) parts=("${filter,}") ;;
    *) [ ${#projects[@]} -gt 0 ] || die "there is no test project '$filter'; there are: $(cd "$CHECKOUT/tests" && grep -l 'Microsoft.NET.Test.Sdk' -- */*.csproj | sed 's,/.*,,' | tr '\n' ' ')Chaos Format" ;;
  esac

  lock_state
  need_build_tools
  [ ${#projects[@]} = 0 ] || need_browser "${projects[@]}"
  build_everything
  unlock_state
  STATE=$STATE/test
  lock_state
  stop_test_servers
  rm -rf "$STATE"/{logs,run,results} "$STATE"/chaos/{logs,run}
  trap stop_test_servers EXIT
  trap 'exit 130' INT TERM
  [ ${#projects[@]} = 0 ] || run_projects "${projects[@]}"
  for part in "${parts[@]}"; do "check_$part"; done
  stop_test_servers
  trap - EXIT
  printf '%d passed, %d failed\n' "$PASSED" "$FAILED"
  [ "$FAILED" = 0 ] && [ "$PASSED" -gt 0 ]
}

# run_projects PROJECT...: with servers that live as long as they
run_projects() {
  local project
  allot_ports
  # Their data lives as long as the tests: nothing needs to survive a power cut.
  DURABLE=no
  start_servers
  set -a
  eval "$(server_addresses IMAGESEARCH_TEST_)"
  IMAGESEARCH_TEST_MODELS=$CHECKOUT/models
  set +a
  for project in "$@"; do run_project "$project"; done
  stop_servers
}

stop_test_servers() {
  chaos_system down >/dev/null
  stop_servers
  rm -rf "$STATE/data" "$STATE/chaos/data"
}

# chaos_system COMMAND...: of a whole system, servers and services, in a state folder and on ports of its own
chaos_system() { IMAGESEARCH_STATE=$STATE/chaos "$CHECKOUT/imagesearch" "$@" 9>&-; }

# Its servers write durably, as a user's do: processes are killed here. The seed is in the line; `chaos --seed` repeats the run.
check_chaos() {
  local log=$STATE/logs/chaos.log started=$EPOCHSECONDS seed=${IMAGESEARCH_CHAOS_SEED:-$((EPOCHSECONDS % 1000000))} result=passed
  mkdir -p "$STATE/logs"
  { chaos_system up && chaos_system chaos --pictures "${IMAGESEARCH_CHAOS_PICTURES:-60}" --seed "$seed" --timeout 6; } >"$log" 2>&1 || result=failed
  chaos_system down >>"$log" 2>&1 || result=failed
  rm -rf "$STATE/chaos/data"
  if [ "$result" = passed ]; then
    PASSED=$((PASSED + 1))
    say "Chaos: 1 passed, 0 failed ($((EPOCHSECONDS - started)) s, seed $seed)"
  else
    FAILED=$((FAILED + 1))
    say "Chaos: 0 passed, 1 failed ($((EPOCHSECONDS - started)) s, seed $seed; logs of its processes: $STATE/chaos/logs)"
    tail -n 60 "$log" >&2
  fi
}

# need_browser PROJECT...: page tests drive Debian's chromium
need_browser() {
  grep -ql 'Microsoft.Playwright' "$@" || return 0
  [ -n "${IMAGESEARCH_TEST_CHROMIUM:-}" ] || need_packages chromium
  export IMAGESEARCH_TEST_CHROMIUM=${IMAGESEARCH_TEST_CHROMIUM:-/usr/bin/chromium}
}

# A project that hangs or ends without a report counts as one failed test; so does a skipped test.
run_project() {
  local project=$1 name report counters total passed log
  name=$(basename "$(dirname "$project")")
  report=$STATE/results/$name.trx
  log=$STATE/logs/test-$name.log
  local started=$EPOCHSECONDS
  timeout -k 10 "${IMAGESEARCH_TEST_TIMEOUT:-900}" dotnet test "$project" -c Release --no-build --nologo \
    --logger "trx;LogFileName=$report" --logger 'console;verbosity=minimal' >"$log" 2>&1 9>&- || true
  if grep -q 'No test is available' "$log"; then
    say "$name: no tests"
    return
  fi
  counters=$(grep -o '<Counters [^>]*' "$report" 2>/dev/null | head -n 1) || counters=
  total=$(attribute total "$counters")
  passed=$(attribute passed "$counters")
  if [ "$total" = 0 ] || ! grep -q '<ResultSummary outcome="\(Completed\|Passed\)"' "$report" && [ "$total" = "$passed" ]; then
    # Ran to no end, or aborted after tests that had passed
    total=$((total + 1))
  fi
  PASSED=$((PASSED + passed))
  FAILED=$((FAILED + total - passed))
  say "$name: $passed passed, $((total - passed)) failed ($((EPOCHSECONDS - started)) s)"
  [ "$total" = "$passed" ] || sed -n '/\[FAIL\]\|\[SKIP\]\|Failed \|Error Message\|Stack Trace\|error\|aborted/,+6p' "$log" | head -n 120 >&2
}

# attribute NAME TEXT: its number, or 0
attribute() {
  local value
  value=$(sed -n "s/.* $1=\"\([0-9]*\)\".*/\1/p" <<<"$2")
  printf '%d' "${value:-0}"
}

check_format() {
  local log=$STATE/logs/format.log
  mkdir -p "$STATE/logs"
  if (cd "$CHECKOUT" && dotnet format ImageSearch.sln --verify-no-changes --no-restore --include services/ shared/ tools/ tests/ >"$log" 2>&1 9>&-); then
    PASSED=$((PASSED + 1))
    say 'Format: 1 passed, 0 failed'
  else
    FAILED=$((FAILED + 1))
    say 'Format: 0 passed, 1 failed (dotnet format puts it right)'
    head -n 20 "$log" >&2
  fi
}
