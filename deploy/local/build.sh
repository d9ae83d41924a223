# shellcheck shell=bash
# Builds in Release, quietly, and only when a source is newer than the last build.

# No compiler or build process may stay behind: each build has its own compiler server, stopped at its end.
export MSBUILDDISABLENODEREUSE=1 DOTNET_CLI_USE_MSBUILD_SERVER=0
export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_SKIP_FIRST_TIME_EXPERIENCE=1 DOTNET_CLI_UI_LANGUAGE=en

need_build_tools() {
  need_command dotnet 'Install the .NET SDK 10 (https://dot.net).'
  need_command flock 'Install util-linux.'
  (cd "$CHECKOUT" && dotnet --version >/dev/null 2>&1) || die "the .NET SDK that global.json asks for is not installed: $(dotnet --list-sdks | tr '\n' ' ')is. Install the .NET SDK 10 (https://dot.net)."
  bash "$LOCAL/native.sh" || exit 1
}

# sources_changed STAMP FOLDER...: any file or folder (for deletions) newer than the stamp
sources_changed() {
  local stamp=$1
  shift
  [ -e "$stamp" ] || return 0
  [ -n "$(cd "$CHECKOUT" && find "$@" Directory.Build.props Directory.Packages.props global.json \
    \( -name bin -o -name obj -o -name TestResults \) -prune -o -newer "$stamp" -print -quit)" ]
}

# build_services: the six services and the command line
build_services() {
  local project projects=()
  sources_changed "$CHECKOUT/.imagesearch/built" services shared tools || return 0
  sources_changed "$CHECKOUT/.imagesearch/built-all" services shared tools || return 0
  for project in "$CHECKOUT"/services/*/*.csproj "$CHECKOUT"/tools/cli/*.csproj; do projects+=("${project#"$CHECKOUT/"}"); done
  mkdir -p "$CHECKOUT/.imagesearch"
  printf '%s\n' "${projects[@]}" | sed 's/.*/"&"/' | paste -sd, |
    sed 's|.*|{"solution":{"path":"../ImageSearch.sln","projects":[&]}}|' >"$CHECKOUT/.imagesearch/services.slnf"
  build .imagesearch/services.slnf built
}

build_everything() {
  sources_changed "$CHECKOUT/.imagesearch/built-all" services shared tools tests || return 0
  build ImageSearch.sln built-all
}

# build TARGET STAMP
build() {
  local log=$CHECKOUT/.imagesearch/logs/build.log server=imagesearch-$$ stamp=$CHECKOUT/.imagesearch/$2 status=0
  say "Building ..."
  mkdir -p "${log%/*}"
  # The time before the build: what is edited meanwhile is built next time.
  touch "$stamp.new"
  # Systems with other state folders may run from this checkout, but only one builds.
  (cd "$CHECKOUT" && flock -o .imagesearch/build.lock dotnet build "$1" -c Release -v quiet -p:SharedCompilationId="$server" "$(restore_mode)" >"$log" 2>&1 9>&- 8>&-) || status=$?
  stop_compiler "$server"
  if [ "$status" != 0 ]; then
    explain_restore "$log"
    grep -E 'error|MSB[0-9]+' "$log" | sort -u | head -n 20 >&2 || tail -n 20 "$log" >&2
    die "the build failed (whole log: $log)"
  fi
  mv "$stamp.new" "$stamp"
}

# Restores take exactly the packages of packages.lock.json and change none of those files. IMAGESEARCH_LOCKED=no is for package sources that lack one of
# the versions: the next one is taken, and the checkout's lock files are left alone.
restore_mode() {
  if [ "${IMAGESEARCH_LOCKED:-yes}" = no ]; then echo -p:ImageSearchUnlocked=true; else echo -p:RestoreLockedMode=true; fi
}

# explain_restore LOG: what a restore that failed means, for people
explain_restore() {
  local projects
  projects=$(sed -n 's/^\([^ (]*\.csproj\) : error NU1004.*/\1/p' "$1" | sort -u | sed "s|^$CHECKOUT/||" | paste -sd' ')
  if [ -n "$projects" ]; then
    die "packages.lock.json does not fit its project (NU1004): $projects. If no package was to change: git checkout -- '*packages.lock.json'. If one was: dotnet restore ImageSearch.sln, then deploy/sbom.sh, and commit what they write. (Whole log: $1)"
  elif grep -q 'error NU1403' "$1"; then
    die "a package is not the one that packages.lock.json names: its checksum differs (NU1403). $(grep -o 'error NU1403.*' "$1" | head -n 1 | cut -c 14-) Do not use it; ask whoever runs your package source, or take another one: dotnet nuget list source. (Whole log: $1)"
  elif grep -qE 'error NU110[1-3]|error NU1603' "$1"; then
    die "your package source lacks a package in the version of packages.lock.json: $(grep -oE 'error NU(110[1-3]|1603).*' "$1" | head -n 1 | cut -c 7-) Name a source that has it (dotnet nuget list source), or take the next version, which nobody has tested: IMAGESEARCH_LOCKED=no ./imagesearch build. (Whole log: $1)"
  elif grep -q 'error NU1301' "$1"; then
    die "a package source does not answer: $(grep -o 'error NU1301.*' "$1" | head -n 1 | cut -c 14-) Check the network, or name another source (dotnet nuget list source). (Whole log: $1)"
  fi
}

stop_compiler() {
  local process
  for process in /proc/[0-9]*; do
    if tr '\0' ' ' 2>/dev/null <"$process/cmdline" | grep -q "VBCSCompiler.*$1"; then kill "${process#/proc/}" 2>/dev/null || true; fi
  done
}
