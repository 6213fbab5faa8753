# Completion of imgtk for PowerShell 5.1 or newer.
Register-ArgumentCompleter -Native -CommandName imgtk -ScriptBlock {
    param($word, $ast, $cursor)
    $line = $ast.ToString()
    if ($line.Length -lt $cursor) { $line += ' ' }
    $env:COMP_LINE = $line
    $env:_IMGTK_COMPLETE = 'powershell_complete'
    try {
        imgtk 2>$null | ForEach-Object {
            $type, $value, $meaning = $_ -split "`t", 3
            if ($type -ne 'plain') { return }
            if (-not $meaning) { $meaning = $value }
            $quote = if ($word -match '^["'']') { $word[0] } elseif ($value -match '[\s|;()@]') { '"' } else { '' }
            [System.Management.Automation.CompletionResult]::new("$quote$value$quote", $value, 'ParameterValue', $meaning)
        }
    } finally {
        Remove-Item Env:COMP_LINE, Env:_IMGTK_COMPLETE
    }
}
