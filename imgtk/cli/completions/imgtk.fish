# Completion of imgtk for fish.
function _imgtk_completion
    for line in (COMP_LINE=(commandline -cp) _IMGTK_COMPLETE=fish_complete imgtk 2>/dev/null)
        set -l parts (string split -m 2 \t -- $line)
        switch $parts[1]
            case file
                __fish_complete_path (commandline -ct)
            case dir
                __fish_complete_directories (commandline -ct)
            case plain
                printf '%s\t%s\n' $parts[2] $parts[3]
        end
    end
end
complete --no-files --keep-order --command imgtk --arguments '(_imgtk_completion)'
