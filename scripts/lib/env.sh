# Sourced by the scripts: finds Rust and libtorch and exports what the build needs. Installs nothing.
# shellcheck shell=bash

SMISTA_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]:-$0}")/../.." && pwd)
SMISTA_LIBTORCH_CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/smista/libtorch-2.4.0
# shellcheck disable=SC2034 # for scripts/setup and scripts/test-deploy
SMISTA_DEPLOY_CHECKS=${XDG_CACHE_HOME:-$HOME/.cache}/smista/deploy-checks
RUST_VERSION=$(sed -n 's/^rust-version *= *"\(.*\)"/\1/p' "$SMISTA_ROOT/Cargo.toml")

if ! command -v cargo >/dev/null && [ -x "${CARGO_HOME:-$HOME/.cargo}/bin/cargo" ]; then
  PATH=${CARGO_HOME:-$HOME/.cargo}/bin:$PATH
  export PATH
fi

# rust_is_good: the compiler that cargo would use is at least the rust-version of Cargo.toml.
rust_is_good() {
  local have
  have=$(cd "$SMISTA_ROOT" && rustc --version 2>/dev/null | cut -d' ' -f2) && [ -n "$have" ] &&
    command -v cargo >/dev/null &&
    [ "$(printf '%s\n' "$RUST_VERSION" "${have%%-*}" | sort -V | head -n1)" = "$RUST_VERSION" ]
}

# use_rust: takes the default compiler, or the toolchain that scripts/setup installed beside an older default.
use_rust() {
  rust_is_good && return
  local before=${RUSTUP_TOOLCHAIN-}
  export RUSTUP_TOOLCHAIN=$RUST_VERSION RUSTUP_AUTO_INSTALL=0
  rust_is_good && return
  if [ -n "$before" ]; then RUSTUP_TOOLCHAIN=$before; else unset RUSTUP_TOOLCHAIN; fi
  return 1
}

# libtorch_is_whole PREFIX: the prefix has what building and running need.
libtorch_is_whole() {
  local file
  for file in include/torch/csrc/api/include/torch/torch.h lib/libtorch.so lib/libtorch_cpu.so lib/libc10.so; do
    [ -e "$1/$file" ] || return 1
  done
}

# libtorch_abi PREFIX: 1 when it was built with the C++11 ABI, else 0. The symbol ends in Ss only under the old ABI.
libtorch_abi() {
  if grep -qF _ZN3c105ErrorC1ENS_14SourceLocationESs "$1/lib/libc10.so" 2>/dev/null; then echo 0; else echo 1; fi
}

# use_libtorch: exports LIBTORCH and LIBTORCH_CXX11_ABI; fails when there is no libtorch yet.
use_libtorch() {
  if [ -z "${LIBTORCH-}" ]; then
    libtorch_is_whole "$SMISTA_LIBTORCH_CACHE" || return 1
    LIBTORCH=$SMISTA_LIBTORCH_CACHE
  fi
  : "${LIBTORCH_CXX11_ABI:=$(libtorch_abi "$LIBTORCH")}"
  export LIBTORCH LIBTORCH_CXX11_ABI
}

# Both may fail before scripts/setup has run; it calls them again.
use_rust || true
use_libtorch || true
