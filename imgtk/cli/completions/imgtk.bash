# Completion of imgtk for bash 4.4 or newer.
_imgtk_completion() {
    local type value meaning
    COMPREPLY=()
    compopt -o nospace
    while IFS=$'\t' read -r type value meaning; do
        case $type in
            file) compopt -o default +o nospace ;;
            dir) compopt -o dirnames +o nospace ;;
            plain) COMPREPLY+=("$value") ;;
        esac
    done < <(COMP_LINE="${COMP_LINE:0:COMP_POINT}" COMP_WORDBREAKS="$COMP_WORDBREAKS" \
        _IMGTK_COMPLETE=bash_complete "$1" 2>/dev/null)
}
complete -o nosort -F _imgtk_completion imgtk
