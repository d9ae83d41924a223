# shellcheck shell=bash
# `demo`: the system, pictures in it, and a few searches.

# A Debian package with freely licensed pictures; its licence is kept beside them.
PICTURE_PACKAGE=tuxpaint-stamps-default
PICTURES=$CACHE/pictures-2
# Photographs among the stamps; the rest of that package is drawings and symbols.
STAMP_FOLDERS=(animals food plants vehicles space household)
SEARCHES=('red fruit' 'yellow flower' 'a planet' 'horse')

# demo [FOLDER] [--exit]
demo() {
  local folder='' stop=no argument result=0
  for argument in "$@"; do
    case $argument in
      --exit) stop=yes ;;
      -*) die "usage: ./imagesearch demo [FOLDER] [--exit]" ;;
      *) [ -z "$folder" ] || die "usage: ./imagesearch demo [FOLDER] [--exit]"; folder=$argument ;;
    esac
  done
  [ -z "$folder" ] || [ -d "$folder" ] || die "$folder is not a folder"
  # Interrupted, everything is as far as it came: whatever is in the store is still worked off, and `demo` can be repeated.
  trap 'demo_interrupted '"$stop" INT TERM
  up
  if [ -z "$folder" ]; then
    need_pictures
    folder=$PICTURES
  fi
  add_and_search "$folder" || result=$?
  trap - INT TERM
  if [ "$stop" = yes ]; then
    down
    say "Stopped; ./imagesearch up brings it back with its pictures."
  elif [ "$result" = 0 ]; then
    echo
    show_addresses
  fi
  return "$result"
}

add_and_search() {
  local query
  cli add "$1" || return
  for query in "${SEARCHES[@]}"; do
    printf '\n$ ./imagesearch search "%s"\n' "$query"
    cli search "$query" -k 3 || return
  done
}

demo_interrupted() {
  trap '' INT TERM
  say ''
  if [ "$1" = yes ]; then
    unlock_state
    say 'Interrupted; stopping ...'
    down
  else
    say 'Interrupted. What was added stays; ./imagesearch demo goes on from here, ./imagesearch down stops everything.'
  fi
  exit 130
}

# Fetches the package into the cache and keeps its photographs only.
need_pictures() {
  [ ! -d "$PICTURES" ] || return 0
  need_command apt-get 'The demo pictures come from Debian packages. Name a folder of your own: ./imagesearch demo FOLDER'
  need_command dpkg-deb 'The demo pictures come from Debian packages. Name a folder of your own: ./imagesearch demo FOLDER'
  need_space "$CACHE" 2
  local work=$CACHE/pictures.partial
  say 'Fetching the demo pictures from Debian (once, 160 MB) ...'
  rm -rf "$work"
  mkdir -p "$work"/{deb,all}
  download_packages "$work/deb" >"$STATE/logs/pictures.log" 2>&1 || fail_with_log pictures 'the demo pictures could not be fetched'
  dpkg-deb -x "$work"/deb/*.deb "$work/all"
  copy_pictures "$work/all/usr/share" "$work/new"
  mv "$work/new" "$PICTURES"
  rm -rf "$work"
}

# apt's own download user needs the folder writable; as root without it apt only warns, so its owner is set where it exists.
download_packages() {
  ! id _apt >/dev/null 2>&1 || [ "$(id -u)" != 0 ] || chown _apt "$1"
  cd "$1" && { apt-get download "$PICTURE_PACKAGE" || { apt-get update && apt-get download "$PICTURE_PACKAGE"; }; }
}

# copy_pictures SHARE TARGET: the larger stamps that are no drawings, each with its English description in a text file
copy_pictures() {
  local stamps=$1/tuxpaint/stamps target=$2 picture text
  mkdir -p "$target"
  cp "$1/doc/$PICTURE_PACKAGE/copyright" "$target/copyright.txt"
  while IFS= read -r picture; do
    (cd "$stamps" && cp --parents "$picture" "$target")
    text=${picture%.png}.txt
    # Translations follow on further lines.
    [ ! -s "$stamps/$text" ] || head -n 1 "$stamps/$text" >"$target/$text"
  done < <(cd "$stamps" && find "${STAMP_FOLDERS[@]}" -name '*.png' -size +30k ! -path '*cartoon*')
}
