"""`qd completion`: scripts by which shells complete what is typed. What may stand where, `completing` tells them."""

import argparse
from collections.abc import Mapping

from quarterdeck.cli.console import Console

_BASH = r"""# eval "$(qd completion bash)"
_qd() {
  local line=${COMP_LINE:0:COMP_POINT} candidate files= before=
  COMPREPLY=()
  while IFS= read -r candidate; do
    if [[ $candidate == :files ]]; then files=yes; else COMPREPLY+=("${candidate%%$'\t'*}"); fi
  done < <("$1" __complete --line "$line" 2>/dev/null)
  if [[ $files && ${#COMPREPLY[@]} -eq 0 ]]; then
    compopt -o default
    return
  elif [[ $files ]]; then
    while IFS= read -r candidate; do
      [[ -d $candidate ]] && candidate+=/
      COMPREPLY+=("$(printf %q "$candidate")")
    done < <(compgen -f -- "$2")
  fi
  line=${line##*[[:space:]]}
  [[ $line == *[:=]* && $COMP_WORDBREAKS == *:* ]] && before=${line%"${line##*[:=]}"}
  COMPREPLY=("${COMPREPLY[@]#"$before"}")
  [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[:=/] ]] && compopt -o nospace
}
complete -F _qd qd
"""

_ZSH = r"""#compdef qd
# eval "$(qd completion zsh)", after compinit
_qd() {
  local candidate files=
  local -a whole open whole_about open_about
  while IFS= read -r candidate; do
    if [[ $candidate == :files ]]; then
      files=yes
    elif [[ ${candidate%%$'\t'*} == *[:=] ]]; then
      open+=("${candidate%%$'\t'*}") open_about+=("${candidate/$'\t'/  -- }")
    else
      whole+=("${candidate%%$'\t'*}") whole_about+=("${candidate/$'\t'/  -- }")
    fi
  done < <("${words[1]}" __complete "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)
  (( ${#whole} )) && compadd -l -d whole_about -a whole
  (( ${#open} )) && compadd -l -S '' -d open_about -a open
  [[ $files ]] && _files
}
compdef _qd qd
"""

_FISH = r"""# qd completion fish | source
function __qd_candidates
    set -l words (commandline -opc) (commandline -ct)
    $words[1] __complete $words[2..-1] 2>/dev/null
end
complete -c qd -f -n 'not __qd_candidates | string match -q :files' -a '(__qd_candidates)'
complete -c qd -F -n '__qd_candidates | string match -q :files' -a '(__qd_candidates | string match -v :files)'
"""

SCRIPTS: Mapping[str, str] = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def completion(given: argparse.Namespace, console: Console) -> int:
    """Print the script of a shell."""
    if console.as_json:
        console.json({"shell": given.shell, "script": SCRIPTS[given.shell]})
    else:
        console.text(SCRIPTS[given.shell])
    return 0
