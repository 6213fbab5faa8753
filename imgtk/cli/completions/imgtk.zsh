#compdef imgtk
# Completion of imgtk for zsh.
_imgtk() {
    local type value meaning
    local -a values shown
    while IFS=$'\t' read -r type value meaning; do
        case $type in
            file) _files ;;
            dir) _files -/ ;;
            plain) values+=("$value"); shown+=("$value${meaning:+  -- $meaning}") ;;
        esac
    done < <(COMP_LINE="${(j: :)words[1,CURRENT]}" _IMGTK_COMPLETE=zsh_complete $words[1] 2>/dev/null)
    (( $#values )) && compadd -S '' -V imgtk -l -d shown -a values
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _imgtk "$@"
else
    compdef _imgtk imgtk
fi
