/* completion_script.c: `farthing completion bash|zsh|fish`. */
#include "cli/commands.h"
#include "cli/completion.h"

#include <stdio.h>

/* Where the binary offers nothing, each shell offers files. */
static const char bash_script[] = "# Completion of farthing for bash: source <(farthing completion bash)\n"
                                  "_farthing() {\n"
                                  "    local word meaning\n"
                                  "    COMPREPLY=()\n"
                                  "    while IFS=$'\\t' read -r word meaning; do\n"
                                  "        COMPREPLY+=(\"$word\")\n"
                                  "    done < <(\"${COMP_WORDS[0]}\" " COMPLETION_COMMAND
                                  " \"${COMP_WORDS[@]:1:COMP_CWORD}\" 2>/dev/null)\n"
                                  "}\n"
                                  "complete -o default -F _farthing farthing\n";

/* As a file on $fpath it is the body of the function that it defines; sourced, it registers that function. */
static const char zsh_script[] =
    "#compdef farthing\n"
    "# Completion of farthing for zsh: source <(farthing completion zsh), behind compinit\n"
    "_farthing() {\n"
    "    local -a offered\n"
    "    offered=(\"${(@f)$($words[1] " COMPLETION_COMMAND " \"${(@)words[2,CURRENT]}\" 2>/dev/null)}\")\n"
    "    offered=(\"${(@)offered//:/\\\\:}\")\n"
    "    offered=(\"${(@)offered/$'\\t'/:}\")\n"
    "    if [[ -n $offered[1] ]]; then\n"
    "        _describe farthing offered\n"
    "    else\n"
    "        _files\n"
    "    fi\n"
    "}\n"
    "if [[ $funcstack[1] == _farthing ]]; then\n"
    "    _farthing \"$@\"\n"
    "else\n"
    "    compdef _farthing farthing\n"
    "fi\n";

static const char fish_script[] =
    "# Completion of farthing for fish: farthing completion fish | source\n"
    "function __farthing_offer\n"
    "    set -l before (commandline -opc)\n"
    "    set -l typed (commandline -ct)\n"
    "    set -l offered ($before[1] " COMPLETION_COMMAND " $before[2..-1] \"$typed\" 2>/dev/null)\n"
    "    if test (count $offered) -gt 0\n"
    "        printf '%s\\n' $offered\n"
    "    else\n"
    "        __fish_complete_path \"$typed\"\n"
    "    end\n"
    "end\n"
    "complete -c farthing -f -a '(__farthing_offer)'\n";

enum exit_code command_completion(struct invocation *invocation)
{
    static const struct {
        const char *shell, *script;
    } scripts[] = {{"bash", bash_script}, {"zsh", zsh_script}, {"fish", fish_script}};

    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++)
        if (text_equal(invocation->operand, text_from_string(scripts[i].shell))) {
            fputs(scripts[i].script, stdout);
            return EXIT_DONE;
        }
    return complain(EXIT_USAGE, "completion is for bash, zsh or fish, not \"%.*s\"",
                    TEXT_FORMAT(invocation->operand));
}
