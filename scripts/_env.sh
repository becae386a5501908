# Sourced by the other scripts: makes or updates the project's own .venv and sets `root` and `bin`. Says what it does on stderr.
# NONSELF_PYTHON names the Python (3.11 or newer) to use. Nothing is installed again until pyproject.toml or requirements.lock changes.
# shellcheck shell=bash

root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." >/dev/null && pwd -P)
bin=$root/.venv/bin

_say() { printf 'nonself: %s\n' "$*" >&2; }

# Whether $1 is a Python that this project runs on; $2 is a module it must have besides.
_runs() { "$1" -c "import sys, ${2:-sys}; sys.exit(sys.version_info < (3, 11))" >/dev/null 2>&1; }

_find_python() {
  local name
  if [ -n "${NONSELF_PYTHON:-}" ]; then
    _runs "$NONSELF_PYTHON" && { command -v -- "$NONSELF_PYTHON"; return; }
    _say "expected NONSELF_PYTHON to be a Python 3.11 or newer, got '$NONSELF_PYTHON'; set it to one, or unset it to search PATH"
    return 2
  fi
  for name in python3.11 python3 python3.12 python3.13 python3.14 python; do
    _runs "$name" && { command -v -- "$name"; return; }
  done
  _say "expected a Python 3.11 or newer on PATH, found none (python3 is: $(python3 --version 2>&1 || true)); install one" \
    "(Debian, Ubuntu: apt install python3.11 python3.11-venv; macOS: brew install python@3.12; anywhere: uv python install 3.12)" \
    "or set NONSELF_PYTHON to its path"
  return 2
}

# What the environment was made from; where it equals the stamp there is nothing to do. A venv does not survive being moved: hence root.
_wanted() {
  printf '%s\n' "$root" "${NONSELF_PYTHON:-}"
  cat -- "$root/pyproject.toml" "$root/requirements.lock"
}

_version() { "$1" -c 'import sys; print(sys.version)' 2>/dev/null; }

_install_with_pip() {
  local python=$1
  if ! { _runs "$bin/python" pip && [ "$(_version "$bin/python")" = "$(_version "$python")" ]; }; then
    if ! _runs "$python" ensurepip; then
      _say "expected $python to have the modules venv and ensurepip, which Debian packs apart; run 'apt install python3-venv'" \
        "or set NONSELF_PYTHON to another Python"
      return 2
    fi
    "$python" -m venv --clear "$root/.venv" >&2 || return
  fi
  # pip 25.1 is the first that knows --group.
  "$bin/python" -m pip install --quiet --upgrade 'pip>=25.1' >&2 || return
  (cd -- "$root" && "$bin/python" -m pip install --quiet --constraint requirements.lock --editable . --group dev >&2)
}

_install_with_uv() {
  (cd -- "$root" && uv venv --quiet --allow-existing --python "$1" .venv >&2 &&
    uv pip install --quiet --python .venv/bin/python --constraint requirements.lock --editable . --group dev >&2)
}

_make_env() {
  local stamp=$root/.venv/made-from python
  if [ -x "$bin/nonself" ] && _wanted | cmp -s - "$stamp"; then return; fi
  python=$(_find_python) || return
  _say "making $root/.venv with $python; the first time takes a minute or two"
  if command -v uv >/dev/null 2>&1; then
    _install_with_uv "$python" || return
  else
    _install_with_pip "$python" || return
  fi
  # An editable install is compiled at each start where Python may not write beside the sources.
  "$bin/python" -m compileall -q "$root/src" || return
  _wanted >"$stamp"
}

# Chained by `|| return` above, since bash forgets `set -e` inside a tested function.
_make_env || exit
