# Sourced by scripts/setup: brings libtorch 2.4.0 (CPU) into $SMISTA_LIBTORCH_CACHE. See docs/adr/0001-libtorch.md.
# shellcheck shell=bash

LIBTORCH_ARCHIVE=https://download.pytorch.org/libtorch/cpu/libtorch-cxx11-abi-shared-with-deps-2.4.0%2Bcpu.zip
LIBTORCH_ARCHIVE_SHA256=9d16cc0da41e057f20c0be5f26d7418f969e857631cfcb86550ccdecfee8de60

# unpack ZIP FOLDER PREFIX...: takes the members that start with one of the prefixes.
unpack() {
  python3 - "$@" <<'PY'
import sys, zipfile
archive, folder, *wanted = sys.argv[1:]
with zipfile.ZipFile(archive) as z:
    names = [n for n in z.namelist() if n.startswith(tuple(wanted))]
    if not names:
        sys.exit(f"{archive} holds none of: {' '.join(wanted)}")
    z.extractall(folder, names)
PY
}

# The official CPU archive: 180 MB, but its host is not reachable from everywhere.
libtorch_from_archive() {
  local work=$1
  curl -fsSI --connect-timeout 5 --max-time 10 "$LIBTORCH_ARCHIVE" >/dev/null 2>&1 || {
    say "the official archive cannot be reached from here; taking libtorch out of the PyPI wheels instead"
    return 1
  }
  say "downloading the official libtorch archive (180 MB)"
  curl -fL --progress-bar --connect-timeout 10 --speed-time 30 --speed-limit 10000 -o "$work/libtorch.zip" \
    "$LIBTORCH_ARCHIVE" >&2 || return 1
  echo "$LIBTORCH_ARCHIVE_SHA256  $work/libtorch.zip" | sha256sum --check --quiet >&2 || {
    say "the archive's SHA-256 is not the expected one; not using it"
    return 1
  }
  unpack "$work/libtorch.zip" "$work" libtorch/include/ libtorch/lib/lib || return 1
  rm "$work/libtorch.zip"
  mv "$work/libtorch" "$work/prefix"
}

# The wheels are for CUDA: only the CPU library and what it links to are kept, with a libtorch.so that needs just those.
libtorch_from_wheels() {
  local work=$1 pip=(python3 -m pip)
  if ! "${pip[@]}" --version >/dev/null 2>&1; then
    say "python3 has no pip; making a virtual environment for the download"
    python3 -m venv "$work/venv" >&2 || die "pip is missing and python3 cannot make a virtual environment." \
      "Install python3-pip and run scripts/setup again."
    pip=("$work/venv/bin/python" -m pip)
  fi
  say "downloading the wheels that hold libtorch (800 MB, deleted afterwards)"
  "${pip[@]}" download --no-cache-dir --disable-pip-version-check --no-deps --only-binary=:all: --require-hashes \
    --python-version 311 --implementation cp --abi cp311 --abi none --platform manylinux1_x86_64 \
    --dest "$work/wheels" --requirement "$SMISTA_ROOT/scripts/lib/libtorch.txt" >&2 || return 1
  say "unpacking"
  unpack "$work"/wheels/torch-*.whl "$work" torch/include/ torch/lib/libtorch_cpu.so torch/lib/libc10.so \
    torch/lib/libgomp- torch/lib/libshm.so torch-2.4.0.dist-info/LICENSE torch-2.4.0.dist-info/NOTICE || return 1
  unpack "$work"/wheels/nvidia_cuda_cupti_*.whl "$work" nvidia/cuda_cupti/lib/libcupti.so.12 || return 1
  unpack "$work"/wheels/nvidia_cuda_runtime_*.whl "$work" nvidia/cuda_runtime/lib/libcudart.so.12 || return 1
  rm -r "$work/wheels"
  mv "$work/torch" "$work/prefix"
  mv "$work"/torch-2.4.0.dist-info/* "$work/prefix/"
  mv "$work"/nvidia/*/lib/*.so.12 "$work/prefix/lib/"
  # shellcheck disable=SC2016 # $ORIGIN is for the loader
  echo 'void smista_libtorch(void) {}' | gcc -x c -shared -fPIC -o "$work/prefix/lib/libtorch.so" - \
    -L"$work/prefix/lib" -Wl,--no-as-needed -ltorch_cpu -lc10 -Wl,-rpath,'$ORIGIN' \
    -Wl,-rpath-link,"$work/prefix/lib" >&2
}

# The prefix is put together beside its place and renamed, so that an interrupted run leaves no half of one.
bring_libtorch() {
  local cache=$SMISTA_LIBTORCH_CACHE
  if [ -n "${LIBTORCH-}" ] && [ "$LIBTORCH" != "$cache" ]; then
    libtorch_is_whole "$LIBTORCH" || die "LIBTORCH is set to $LIBTORCH, which holds no libtorch." \
      "Point it to libtorch 2.4.0, or unset it and run scripts/setup again."
    note "libtorch: using LIBTORCH=$LIBTORCH as it is"
    return
  fi
  if libtorch_is_whole "$cache"; then
    note "libtorch: in $cache"
    return
  fi
  [ "$(uname -m)" = x86_64 ] || die "there is no ready libtorch 2.4.0 for $(uname -m)." \
    "Build or install it and set LIBTORCH to its folder."
  mkdir -p "$(dirname "$cache")"
  exec 9>"$(dirname "$cache")/setup.lock"
  flock --nonblock 9 || {
    say "another scripts/setup is bringing libtorch; waiting for it"
    flock 9
  }
  if ! libtorch_is_whole "$cache"; then
    # The lock is ours, so what an interrupted run left behind belongs to nobody.
    rm -rf "$cache" "$cache".part.*
    local work=$cache.part.$$
    mkdir "$work"
    on_exit "rm -rf '$work'"
    libtorch_from_archive "$work" || libtorch_from_wheels "$work" ||
      die "libtorch could not be downloaded. Check the network and run scripts/setup again," \
        "or set LIBTORCH to an installed libtorch 2.4.0."
    libtorch_is_whole "$work/prefix" || die "the downloaded libtorch is incomplete"
    mv -T "$work/prefix" "$cache"
    rm -rf "$work"
    say "libtorch 2.4.0 is in $cache"
  fi
  exec 9>&-
}
