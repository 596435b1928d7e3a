#!/usr/bin/env bash
# Checks that no tracked file names a package index or its host, and that the locks pin by hash.
# Where packages come from is the machine's business: any mirror must serve.
#
# The patterns are written with character classes so that this file does not match itself.
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/.."

findings=0
found() { # message, then what was found
  findings=1
  printf 'lock-check: %s\n' "$1" >&2
  sed 's/^/  /' >&2
}

search() { # message, extended regular expression, pathspec...
  local message=$1 pattern=$2 matches status=0
  shift 2
  matches=$(git grep --line-number -I --ignore-case --extended-regexp -e "$pattern" -- "$@") || status=$?
  # 0: found, 1: nothing; anything else is git's own failure and must not look like a pass.
  if [ "$status" -gt 1 ]; then
    exit "$status"
  fi
  if [ -n "$matches" ]; then
    found "$message" <<<"$matches"
  fi
}

hosts='p[y]pi\b|pythonhos[t]ed|npm[j]s|yarn[p]kg|anaconda[.]or[g]|crates[.]i[o]|rubygem[s]|dev[p]i\b'
hosts+='|(deb|security|snapshot|archive|ftp|http)[.]([a-z]+[.])?(debian|ubuntu)[.]'
hosts+='|://mirrors?[.]|://[^ ]*/simpl[e]\b|artifactor[y]'
search 'a package index or its host is named' "$hosts" .

options='(extra|default)?[-_ ]*index[-_]ur[l]|--(default-)?inde[x][= ]|--find[-]links|trusted[-]host'
options+='|UV_(DEFAULT_)?INDE[X]|tool[.]uv[.]inde[x]|tool[.]uv[.]source[s]'
options+='|^(@[a-z0-9-]+:)?registr[y] *=|--registr[y]\b|npm_config_registr[y]'
search 'an option chooses a package index' "$options" .

search 'an address is in a lock' '[:]//' 'requirements*.lock' '*package-lock.json'

# These record addresses by their nature.
forbidden=$(git ls-files -- '*uv.lock' '*pylock*.toml' '*poetry.lock' '*Pipfile.lock' '*.npmrc' '*pip.conf')
if [ -n "$forbidden" ]; then
  found 'a file of this kind records addresses; it has no place here' <<<"$forbidden"
fi

locks=0
while IFS= read -r lock; do
  locks=$((locks + 1))
  # A requirement and its hashes are one line, continued with backslashes.
  unhashed=$(sed -e ':join' -e '/\\$/{N;s/\\\n//;b join' -e '}' "$lock" |
    grep --extended-regexp --invert-match '^ *(#|$)' |
    grep --extended-regexp --invert-match '^[A-Za-z0-9._-]+(\[[^]]*\])?==[^ ]+.* --hash=sha256:[0-9a-f]{64}') || true
  if [ -n "$unhashed" ]; then
    found "a requirement in $lock has no version or no hash" <<<"$unhashed"
  fi
done < <(git ls-files -- 'requirements*.lock')
if [ "$locks" -eq 0 ]; then
  found 'no lock was checked' <<<'requirements*.lock is missing'
fi

exit "$findings"
