# Sourced by scripts/setup: system packages and Rust.
# shellcheck shell=bash

# as_root COMMAND...: runs it as root, by sudo when needed.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# missing_packages PURPOSE: names the Debian packages whose programs are not there.
missing_packages() {
  local found
  command -v cc >/dev/null && command -v c++ >/dev/null && command -v ar >/dev/null &&
    echo '#include <string>' | c++ -E -x c++ - >/dev/null 2>&1 || echo build-essential
  [ -s /etc/ssl/certs/ca-certificates.crt ] || echo ca-certificates
  command -v curl >/dev/null || echo curl
  command -v python3 >/dev/null || echo python3
  [ "$1" != rust ] && [ -z "${LIBTORCH-}" ] && ! libtorch_is_whole "$SMISTA_LIBTORCH_CACHE" &&
    ! python3 -m pip --version >/dev/null 2>&1 && echo python3-pip
  [ "$1" = test ] || return 0
  [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || echo rabbitmq-server
  found=(/usr/lib/postgresql/*/bin/initdb)
  [ -x "${found[0]}" ] || echo postgresql
  [ -x "${CHROMIUM:-/usr/bin/chromium}" ] || echo chromium
  command -v node >/dev/null || echo nodejs
  command -v npm >/dev/null || echo npm
  command -v promtool >/dev/null || echo prometheus
  python3 -m venv --help >/dev/null 2>&1 && python3 -c 'import ensurepip' 2>/dev/null || echo python3-venv
}

# Debian starts a service as it installs it, and at every boot. The tests run servers of their own, so what is
# installed here is neither started nor enabled; services that were there before are not touched.
apt_install() {
  local policy=/usr/sbin/policy-rc.d service
  # One with the mark is what an interrupted run left behind.
  if [ ! -e "$policy" ] || grep -q 'smista scripts/setup' "$policy"; then
    on_exit "as_root rm -f $policy"
    printf '#!/bin/sh\n# by smista scripts/setup, for as long as it installs\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
  fi
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends "$@" >&2 || return 1
  for service in "$@"; do
    case $service in
      rabbitmq-server | postgresql | prometheus)
        as_root update-rc.d "$service" disable >/dev/null 2>&1 ||
          say "could not keep $service from starting at boot; disable it if you do not want it"
        say "$service is installed but not running: the tests start their own"
        ;;
    esac
  done
}

bring_packages() {
  local missing
  mapfile -t missing < <(missing_packages "$1")
  if [ ${#missing[@]} -eq 0 ]; then
    note "system packages: all there"
    return
  fi
  command -v apt-get >/dev/null || die "missing: ${missing[*]} (Debian's names)." \
    "This is no Debian or Ubuntu: install them and run scripts/setup again."
  [ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null || die "missing: ${missing[*]}, and there is no sudo." \
    "As root: apt-get install ${missing[*]}"
  say "installing ${missing[*]}"
  as_root apt-get -q update >&2 || say "some package lists could not be fetched; going on with those that are here"
  apt_install "${missing[@]}" || die "apt-get could not install ${missing[*]}"
}

# bring_console_tests: the packages that scripts/test-console runs with, as the lock file names them.
bring_console_tests() {
  local folder=$SMISTA_ROOT/tests/console
  if [ "$folder/node_modules/.package-lock.json" -nt "$folder/package-lock.json" ]; then
    note "packages of tests/console: all there"
    return
  fi
  say "fetching the packages of tests/console"
  (cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) >&2 ||
    say "could not fetch the packages of tests/console: scripts/test-console will leave itself out"
}

# bring_deploy_checks: the Python packages that scripts/test-deploy runs with, in an environment of their own.
bring_deploy_checks() {
  local wanted=$SMISTA_ROOT/tests/deploy/requirements.txt folder=$SMISTA_DEPLOY_CHECKS
  if cmp -s "$wanted" "$folder/requirements.txt"; then
    note "packages of tests/deploy: all there"
    return
  fi
  say "fetching the packages of tests/deploy (80 MB)"
  { python3 -m venv "$folder" &&
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary=:all: --requirement "$wanted" &&
    cp "$wanted" "$folder/requirements.txt"; } >&2 ||
    say "could not fetch the packages of tests/deploy: scripts/test-deploy will leave some checks out"
}

# bring_client_packages: what clients/typescript is built and its types are made with, as its lock file names them.
bring_client_packages() {
  local folder=$SMISTA_ROOT/clients/typescript
  if [ "$folder/node_modules/.package-lock.json" -nt "$folder/package-lock.json" ]; then
    note "packages of clients/typescript: all there"
    return
  fi
  say "fetching the packages of clients/typescript"
  (cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) >&2 ||
    say "could not fetch the packages of clients/typescript: scripts/test-deploy will leave some checks out"
}

# packaged_rust: prints "" or "-web", the ending of the distribution's compiler packages that are new enough, if any.
# Debian keeps a recent compiler under the second name for building browsers.
packaged_rust() {
  local ending version
  [ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null || return 1
  # These would take the place of a compiler that somebody installed.
  if dpkg-query -W -f '${Status}\n' rustc rustup 2>/dev/null | grep -q '^install ok'; then return 1; fi
  for ending in '' -web; do
    version=$(apt-cache policy "rustc$ending" 2>/dev/null | sed -n 's/^ *Candidate: *\([0-9.]*\).*/\1/p')
    if [ -n "$version" ] && [ "$(printf '%s\n' "$RUST_VERSION" "$version" | sort -V | head -n1)" = "$RUST_VERSION" ]; then
      printf '%s\n' "$ending"
      return
    fi
  done
  return 1
}

# install_packaged_rust PURPOSE: the distribution's compiler, where it is new enough.
install_packaged_rust() {
  local ending packages
  command -v apt-get >/dev/null || return 1
  # A machine that has never fetched its package lists knows no version at all.
  [ -n "$(apt-cache policy rustc 2>/dev/null)" ] || as_root apt-get -q update >&2 || return 1
  ending=$(packaged_rust) || return 1
  packages=("rustc$ending" "cargo$ending")
  if [ "$1" != build ]; then packages+=("rustfmt$ending" "rust${ending}-clippy"); fi
  say "installing Rust from the distribution: ${packages[*]}"
  apt_install "${packages[@]}" && use_rust
}

bring_rust() {
  local components=()
  if ! use_rust && ! install_packaged_rust "$1"; then
    command -v rustup >/dev/null || install_rustup
    say "installing Rust $RUST_VERSION"
    if ! rustup toolchain install "$RUST_VERSION" --profile minimal >&2 || ! use_rust; then
      die "Rust $RUST_VERSION could not be installed (the build needs at least that)." \
        "Install it by hand (https://rustup.rs) and run scripts/setup again."
    fi
  fi
  note "Rust: $(rustc --version)"
  [ "$1" != build ] || return 0
  cargo clippy --version >/dev/null 2>&1 || components+=(clippy)
  cargo fmt --version >/dev/null 2>&1 || components+=(rustfmt)
  [ ${#components[@]} -eq 0 ] && return
  say "installing ${components[*]}"
  if ! command -v rustup >/dev/null; then
    local ending
    case $(dpkg-query -W -f '${Status}' rustc-web 2>/dev/null) in install*) ending=-web ;; *) ending= ;; esac
    components=("${components[@]/#clippy/rust${ending}-clippy}")
    apt_install "${components[@]/#rustfmt/rustfmt$ending}" || die "the tests need clippy and rustfmt"
    return
  fi
  rustup component add "${components[@]}" >&2 || die "the tests need ${components[*]}, which rustup could not install"
}

# The distribution's rustup where it has one, else the official installer, which changes no file of the shell.
install_rustup() {
  if [ -n "$(apt-cache policy rustup 2>/dev/null | sed -n 's/^ *Candidate: *\(.*[^)]\)$/\1/p')" ] &&
    { [ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null; }; then
    say "installing rustup"
    apt_install rustup && return
  fi
  local installer
  installer=$(mktemp)
  on_exit "rm -f '$installer'"
  say "installing rustup with the installer from rustup.rs"
  if ! curl --proto '=https' --tlsv1.2 -fsSL --connect-timeout 10 -o "$installer" https://sh.rustup.rs ||
    ! sh "$installer" -y --quiet --no-modify-path --profile minimal --default-toolchain none >&2; then
    die "there is no Rust here, and rustup could not be installed." \
      "Install Rust $RUST_VERSION or later (https://rustup.rs, or your distribution) and run scripts/setup again."
  fi
  PATH=${CARGO_HOME:-$HOME/.cargo}/bin:$PATH
  export PATH
}
