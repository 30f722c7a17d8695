"""How shells ask for completions: the scripts they load, over click's protocol.

    eval "$(_DLADM_COMPLETE=bash_source dladm)"       in ~/.bashrc
    eval "$(_DLADM_COMPLETE=zsh_source dladm)"        in ~/.zshrc
    _DLADM_COMPLETE=fish_source dladm | source        in ~/.config/fish/config.fish

The scripts are our own: property lists have commas and equals signs, which those of click cut words at. bash breaks words at `=` by
itself, so it is asked for the line and the cursor, and is given the rest after its last break.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, ClassVar, Final

from click.shell_completion import (
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
    shell_complete,
    split_arg_string,
)

from dladm.cli.complete import complete
from dladm.libdladm.handle import Dladm

MORE: Final = "more"
"""The type of an item after which no blank is wanted."""

_BASH: Final = """\
%(complete_func)s() {
    local type value
    COMPREPLY=()
    while IFS=, read -r type value; do
        case $type in
            dir) compopt -o dirnames ;;
            more) compopt -o nospace; COMPREPLY+=("$value") ;;
            plain) COMPREPLY+=("$value") ;;
        esac
    done < <(COMP_LINE="$COMP_LINE" COMP_POINT="$COMP_POINT" COMP_WORDBREAKS="$COMP_WORDBREAKS" \\
        %(complete_var)s=bash_complete "$1")
}
complete -F %(complete_func)s %(prog_name)s
"""

_ZSH: Final = """\
#compdef %(prog_name)s
%(complete_func)s() {
    local type key descr
    local -a plain described more response
    (( ! $+commands[%(prog_name)s] )) && return 1
    response=("${(@f)$(COMP_WORDS="${words[*]}" COMP_CWORD=$((CURRENT-1)) %(complete_var)s=zsh_complete %(prog_name)s)}")
    for type key descr in ${response}; do
        case $type in
            dir) _path_files -/ ;;
            more) more+=("$key") ;;
            plain) if [[ $descr == _ ]]; then plain+=("$key"); else described+=("$key:$descr"); fi ;;
        esac
    done
    (( $#described )) && _describe -V unsorted described -U
    (( $#plain )) && compadd -U -V unsorted -a plain
    (( $#more )) && compadd -U -S '' -V unsorted -a more
    return 0
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    %(complete_func)s "$@"
else
    compdef %(complete_func)s %(prog_name)s
fi
"""

_FISH: Final = """\
function %(complete_func)s
    for line in (COMP_WORDS=(commandline -cp) COMP_CWORD=(commandline -ct) %(complete_var)s=fish_complete %(prog_name)s)
        set -l item (string split -m 1 , -- $line)
        if test $item[1] = dir
            __fish_complete_directories $item[2]
        else
            echo $item[2]
        end
    end
end
complete --no-files --keep-order --command %(prog_name)s --arguments "(%(complete_func)s)"
"""


class _Shell(ShellComplete):
    """Takes the completions from `complete`, not from click's parameters."""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[str]]:
        open_handle: Callable[[], Dladm] = self.ctx_args["obj"].open_handle
        return [
            CompletionItem(one.text, "dir" if one.directory else MORE if one.more else "plain", one.help or None)
            for one in complete(args, incomplete, open_handle)
        ]


class Bash(_Shell):
    """See the module; the items end where bash's last word begins."""

    name: ClassVar[str] = "bash"
    source_template: ClassVar[str] = _BASH

    def get_completion_args(self) -> tuple[list[str], str]:
        line = os.environ["COMP_LINE"][: int(os.environ["COMP_POINT"])]
        words = split_arg_string(line)
        incomplete = "" if not words or line[-1:].isspace() else words.pop()
        return words[1:], incomplete

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[str]]:
        cut = max((incomplete.rfind(one) for one in os.environ.get("COMP_WORDBREAKS", "=:")), default=-1) + 1
        found = super().get_completions(args, incomplete)
        for item in found:
            item.value = item.value[cut:]
        return found

    def format_completion(self, item: CompletionItem[Any]) -> str:
        return f"{item.type},{item.value}"


class Zsh(_Shell, ZshComplete):
    """See the module."""

    source_template: ClassVar[str] = _ZSH


class Fish(_Shell, FishComplete):
    """See the module."""

    source_template: ClassVar[str] = _FISH


def answer(group: Any, session: object, program: str, variable: str, instruction: str) -> int:
    """Do what the completion variable asks for: print a script, or completions. Returns the exit status."""
    for shell in (Bash, Zsh, Fish):
        add_completion_class(shell)
    return shell_complete(group, {"obj": session}, program, variable, instruction)
