# What the files in cases/ are written with. Sourced by run, which sets BUILD, BIN, CURVE, PYTHON, ONLY, LIST,
# JSON, LIMIT and WORK (a directory that goes away at the end).

# benchmark NAME: is it asked for, and is there time? Every case begins with this.
benchmark()
{
    # shellcheck disable=SC2254  # ONLY is meant as a pattern
    case $1 in
    ${ONLY:-*}) found=1 ;;
    *) return 1 ;;
    esac
    if [ -n "$LIST" ]; then
        echo "$1"
        return 1
    fi
    if [ "$SECONDS" -ge "$LIMIT" ]; then
        note "$1: left out, the time is over"
        return 1
    fi
}

# note TEXT: says why a line is missing.
note()
{
    echo "# $*" >&2
}

# disagree TEXT: a pair that gives different results, or a program that fails; it makes the whole run fail.
disagree()
{
    note "$@"
    failed=1
}

# have NAME PROGRAM: is the program there? If not, a note.
have()
{
    [ -x "$2" ] && return 0
    note "$1: left out, $2 is missing"
    return 1
}

# have_torch NAME: can the Python peers run?
have_torch()
{
    : "${torch_found:=$("$PYTHON" -c 'import torch; print("yes")' 2>/dev/null || echo no)}"
    [ "$torch_found" = yes ] && return 0
    note "$1: left out, $PYTHON has no torch"
    return 1
}

# run_quietly SECONDS COMMAND...: the command with nothing of what it prints, killed after that time.
run_quietly()
{
    local most=$1
    shift
    timeout "$most" "$@" >/dev/null 2>&1
}

# same_losses OURS THEIRS: do two metrics files have the same epochs and steps, and losses within 1e-5 of
# max(|loss|, 0.05)?
same_losses()
{
    awk -F, -v ours="$1" -v theirs="$2" '
        function bad(text) { print text; failed = 1; exit 1 }
        BEGIN {
            while ((getline a < ours) > 0) {
                if ((getline b < theirs) <= 0) bad("more rows than the peer: " a)
                gsub(/\r/, "", a); gsub(/\r/, "", b)
                split(a, x, ","); split(b, y, ",")
                if (++rows == 1) {
                    if (a != b) bad("header " a " is not " b)
                    continue
                }
                bound = y[1] < 0 ? -y[1] : y[1] + 0
                bound = 1e-5 * (bound > 0.05 ? bound : 0.05)
                off = x[1] - y[1]
                if (x[2] != y[2] || x[3] != y[3] || !(x[1] ~ /^[-+.0-9e]+$/) || !(off <= bound && off >= -bound))
                    bad("row " rows ": " a " is not " b)
            }
            if ((getline b < theirs) > 0) bad("fewer rows than the peer")
            if (rows < 2) bad("no rows")
        }'
}

# best_ns ROUNDS -- COMMAND... [-- COMMAND...]...: the best nanoseconds of each, interleaved, on one line (see
# spawn_timer.c).
best_ns()
{
    local rounds=$1
    shift
    timeout 120 "$BIN/bench-spawn_timer" -n "$rounds" -s 60 "$@"
}

# least NUMBER...: the smallest.
least()
{
    printf '%s\n' "$@" | sort -g | head -n 1
}

# calc EXPRESSION: its value, by awk.
calc()
{
    awk "BEGIN { printf \"%.6g\", $1 }"
}

# result NAME PEER OURS THEIRS UNIT: one line of the table and of the file. Times only: smaller is better.
result()
{
    awk -v ours="$3" -v theirs="$4" 'BEGIN { exit !(ours > 0 && theirs > 0) }' || {
        disagree "$1 ($2): the times $3 and $4 make no sense, too much noise"
        return
    }
    [ -s "$JSON" ] || printf '%-22s %-16s %10s %10s %-5s %s\n' benchmark peer ours theirs unit 'times faster'
    printf '%-22s %-16s %10.4g %10.4g %-5s %.3g\n' "$1" "$2" "$3" "$4" "$5" "$(calc "$4 / $3")"
    printf '{"name": "%s", "peer": "%s", "ours": %.4g, "theirs": %.4g, "unit": "%s", "ratio": %.4g}\n' \
        "$1" "$2" "$3" "$4" "$5" "$(calc "$4 / $3")" >>"$JSON"
}
