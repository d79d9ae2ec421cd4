#!/bin/sh
# The program `order`: what it prints beside the order of torch's DataLoader (golden/order.txt), and what it says of
# wrong flags.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0
order=$MR_BIN/order

# check NAME COMMAND...: counts whether it succeeds, and prints what failed.
check()
{
    name=$1
    shift
    if "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "failed: $name"; fi
}

# run FLAG...: the status is in $status, what it printed in $work/out and $work/err.
run()
{
    status=0
    "$order" "$@" >"$work/out" 2>"$work/err" || status=$?
}

# ---- torch's order ----

# same FLAGS FILE: the run succeeds and prints the file, or what has the sum that the file holds.
same()
{
    run $1
    if [ "$3" = sum ]; then
        md5sum <"$work/out" | cut -d ' ' -f 1 >"$work/sum"
        set -- "$1" "$2" "$work/sum"
    else
        set -- "$1" "$2" "$work/out"
    fi
    [ "$status" = 0 ] && [ ! -s "$work/err" ] && cmp -s "$2" "$3"
}

awk -v dir="$work" '/^(run|sum) / { n++; file = dir "/want." n; printf "" > file; print > (dir "/runs"); next }
                    { print > file }' "$MR_TEST_DATA/order.txt"
n=0
while read -r kind flags; do
    n=$((n + 1))
    check "$flags" same "$flags" "$work/want.$n" "$kind"
    case $flags in *--workers*) continue ;; esac
    for workers in 1 2 7; do # the same for any number of workers
        check "$flags --workers $workers" same "$flags --workers $workers" "$work/want.$n" "$kind"
    done
done <"$work/runs"
check 'all runs of order.txt' [ "$n" = 182 ]

# What a wrong order looks like is seen: another seed is not the same.
run --seed 3 --length 10 --batch-size 4 --epochs 2
cp "$work/out" "$work/three"
check 'another seed, another order' eval '! same "--seed 4 --length 10 --batch-size 4 --epochs 2" "$work/three" run'
check 'high bits do not count' same '--seed 4294967299 --length 10 --batch-size=4 --epochs=2' "$work/three" run

# ---- failures ----

if [ -w /dev/full ]; then
    status=0
    "$order" --seed 0 --length 9 --batch-size 2 --epochs 1000000000 >/dev/full 2>"$work/err" || status=$?
    check 'unwritable output' [ "$status" = 1 ]
    check 'unwritable output: why' [ "$(cat "$work/err")" = 'order: cannot write to standard output: No space left on device' ]
fi

# says TEXT FLAG...: exits with 2 and this line, and prints nothing.
says()
{
    text=$1
    shift
    run "$@"
    [ "$status" = 2 ] && [ "$(cat "$work/err")" = "$text" ] && [ ! -s "$work/out" ] || {
        echo "$status"
        cat "$work/err"
        return 1
    }
}

# integer FLAG LOW HIGH BELOW ABOVE: what it takes and refuses.
integer()
{
    for value in $4 $5 1e3 1.0 nan 0x10 3x - +1 99999999999999999999 -99999999999999999999; do
        check "--$1 $value" says "order: --$1 takes a whole number from $2 to $3, not '$value'" "--$1" "$value"
        check "--$1=$value" says "order: --$1 takes a whole number from $2 to $3, not '$value'" "--$1=$value"
    done
    for value in '' ' 1' '1 '; do
        check "--$1 '$value'" says "order: --$1 takes a whole number from $2 to $3, not '$value'" "--$1" "$value"
    done
    check "--$1 without a value" says "order: a value is missing behind '--$1'; see order --help" "--$1"
    check "help has the range of --$1" grep -q -- "--$1 [A-Z] .*\b$2 to $3\b" "$work/help"
}

run --help
check 'help' [ "$status" = 0 ]
check 'help: stderr' [ ! -s "$work/err" ]
check 'help: width' [ "$(awk 'length > 110' "$work/out" | wc -l)" = 0 ]
mv "$work/out" "$work/help"

integer seed 0 18446744073709551615 -1 18446744073709551616
integer length 0 4294967295 -1 4294967296
integer batch-size 1 4294967295 0 4294967296
integer epochs 0 1000000000 -1 1000000001
integer workers 0 256 -1 257
for flag in no-shuffle drop-last generator; do
    check "help has --$flag" grep -q -- "^  --$flag " "$work/help"
    check "--$flag=1" says "order: --$flag takes no value, not '1'; see order --help" "--$flag=1"
done
for flag in seed length batch-size epochs; do
    without=
    for other in seed length batch-size epochs; do
        [ "$other" = "$flag" ] || without="$without --$other 3"
    done
    check "--$flag is missing" says "order: --$flag is missing; see order --help" $without
done
check 'nothing is there' says 'order: --seed is missing; see order --help'
check 'an unknown flag' says "order: unknown flag '--shuffle'; see order --help" --shuffle
check 'an argument' says "order: unknown argument 'now'; see order --help" now
check 'nothing to shuffle' says 'order: --length 0 leaves nothing to shuffle; it takes --no-shuffle' \
    --seed 0 --length 0 --batch-size 1 --epochs 1

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
