# Sources of data, beside what Python reads them with.

# source_csv: a file of 48 MB to float32, in milliseconds; the best of five processes each, in turn.
source_csv()
{
    local name=source/csv program=$BIN/bench-source_csv file=$WORK/rows.csv round line ours=() theirs=() a= b=
    benchmark "$name" && have "$name" "$program" || return 0
    "$PYTHON" -c 'import pandas' 2>/dev/null || { note "$name: left out, pandas is missing (Debian: python3-pandas)"; return; }
    "$program" "$file" --make || { disagree "$name: no figure, the file could not be made"; return; }
    for round in 1 2 3 4 5; do
        line=$("$program" "$file") || { disagree "$name: no figure, ours failed"; return; }
        ours+=("${line% *}") a=${line#* }
        line=$(timeout 60 "$PYTHON" "$here/peers/csv_pandas.py" "$file") || { disagree "$name: no figure, pandas failed"; return; }
        theirs+=("${line% *}") b=${line#* }
    done
    rm -f "$file"
    [ "$a" = "$b" ] || { disagree "$name: no figure, the sums differ: $a, $b"; return; }
    result "$name" pandas "$(least "${ours[@]}")" "$(least "${theirs[@]}")" ms
}

source_csv
