# Finds CPython interpreters and makes virtual environments. Sourced by `pants` and the Makefile.
# An interpreter counts only when it runs: a pyenv shim for a version that is not selected does not.

# candidates VERSION: every place where CPython VERSION may stand, one per line, best first.
candidates() {
  type -ap "python$1" "python3" 2>/dev/null
  local root
  for root in "${PYENV_ROOT:-}" "${HOME:-/nonexistent}/.pyenv"; do
    [ -n "$root" ] && printf '%s\n' "$root/versions/$1"*/bin/"python$1"
  done
  printf '%s\n' "${UV_PYTHON_INSTALL_DIR:-${XDG_DATA_HOME:-${HOME:-/nonexistent}/.local/share}/uv/python}"/cpython-"$1"*/bin/"python$1"
  printf '%s\n' "$(cache_directory)"/python/cpython-"$1"*/bin/"python$1"
}

# cache_directory: where everything goes that a fresh clone has to fetch or build once.
cache_directory() {
  printf '%s\n' "${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/quarterdeck-build"
}

# find_python VERSION: the real path of a CPython VERSION that runs, or status 1.
find_python() {
  local candidate found
  while read -r candidate; do
    [ -x "$candidate" ] || continue
    found=$("$candidate" -I -c '
import sys, platform
if "%d.%d" % sys.version_info[:2] != sys.argv[1] or platform.python_implementation() != "CPython":
    sys.exit(1)
import ctypes, ssl, venv
print(sys.executable)' "$1" 2>/dev/null) || continue
    printf '%s\n' "$found"
    return 0
  done < <(candidates "$1" | awk '!seen[$0]++')
  return 1
}

# fetch_python VERSION: through uv, where the network allows it.
fetch_python() {
  local directory python
  directory=$(cache_directory)
  python=$(find_python 3.11) || return 1
  echo "fetching CPython $1" >&2
  [ -x "$directory/uv/bin/uv" ] || make_venv "$python" "$directory/uv" "$(dirname "${BASH_SOURCE[0]}")/../../3rdparty/python/uv.lock" || return 1
  "$directory/uv/bin/uv" python install --quiet --install-dir "$directory/python" "$1" >&2 || return 1
  find_python "$1"
}

# pip_wheel: a pip that needs no installing, out of any interpreter here. Debian keeps ensurepip in a package of its own.
pip_wheel() {
  local version python wheel
  for wheel in /usr/share/python-wheels/pip-*.whl; do
    [ -r "$wheel" ] && printf '%s\n' "$wheel" && return 0
  done
  for version in 3.11 3.9 3.12 3.10 3.13; do
    python=$(find_python "$version") || continue
    wheel=$("$python" -I -c '
import ensurepip, glob, os
print(glob.glob(os.path.join(os.path.dirname(ensurepip.__file__), "_bundled", "pip-*.whl"))[0])' 2>/dev/null) || continue
    printf '%s\n' "$wheel" && return 0
  done
  return 1
}

# make_venv PYTHON DIRECTORY LOCK...: a virtual environment holding exactly what the lock files name.
make_venv() {
  local python=$1 directory=$2 lock wheel locks=()
  shift 2
  for lock in "$@"; do locks+=(--requirement "$lock"); done
  if ! "$python" -m venv "$directory" >/dev/null 2>&1; then
    wheel=$(pip_wheel) || { echo "no pip at hand for $python: install python3-venv" >&2; return 1; }
    "$python" -m venv --without-pip "$directory" &&
      PYTHONPATH=$wheel "$directory/bin/python" -m pip install -qq --no-index "$wheel" || return 1
  fi
  pip_install "$directory" "${locks[@]}"
}

# pip_install VENV PIP-ARGUMENTS...: from hashed lock files only.
pip_install() {
  local directory=$1
  shift
  "$directory/bin/python" -m pip install -qq --disable-pip-version-check --require-hashes --no-deps "$@"
}

# uv_install VENV LOCK...: the same by uv, which is ten times faster; by pip where uv cannot reach its index.
uv_install() {
  local directory=$1 lock locks=()
  shift
  for lock in "$@"; do locks+=(--requirement "$lock"); done
  pip_settings_for_uv
  "$directory/bin/uv" pip install --quiet --python "$directory/bin/python" --require-hashes --no-deps "${locks[@]}" 2>/dev/null ||
    pip_install "$directory" "${locks[@]}"
}

# pip_settings_for_uv: a machine that points pip at a mirror means uv, too.
pip_settings_for_uv() {
  [ -n "${PIP_INDEX_URL:-}" ] && export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$PIP_INDEX_URL}"
  [ -n "${PIP_CERT:-}" ] && export SSL_CERT_FILE="${SSL_CERT_FILE:-$PIP_CERT}"
  return 0
}

# link_sources VENV SOURCES: the modules below SOURCES are importable there, and the products' commands stand in bin.
link_sources() {
  local directory sources command
  directory=$(realpath "$1") sources=$(realpath "$2")
  printf '%s\n' "$sources" >"$("$directory/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/sources.pth"
  for command in qd:quarterdeck.cli shakeout:shakeout.cli; do
    printf '#!%s\nimport sys\nfrom %s.__main__ import main\nsys.exit(main())\n' \
      "$directory/bin/python" "${command#*:}" >"$directory/bin/${command%%:*}"
    chmod +x "$directory/bin/${command%%:*}"
  done
}
