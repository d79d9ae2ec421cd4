# The loader without a model, in nanoseconds a sample: beside torch's DataLoader with 0 and 2 workers, beside a bare memcpy, and two
# workers beside none.

loader_ours=$BIN/bench-loader
loader_torch=$here/peers/loader_torch.py

# loader_agrees NAME WORK: do we and torch deliver the same values in the same order? To 1e-6: sines differ in the last bits.
loader_agrees()
{
    local a b
    a=$("$loader_ours" "$2" --order) && b=$(timeout 60 "$PYTHON" "$loader_torch" "$2" --order) &&
        awk -v a="$a" -v b="$b" 'BEGIN { d = a - b; d = d < 0 ? -d : d; exit !(a > 0 && d <= 1e-6 * a) }' && return 0
    disagree "$1 (torch): no figure, the orders differ: $a, $b"
    return 1
}

# loader_work WORK: the best of five processes each, in turn.
loader_work()
{
    local name=loader/$1 round workers alone=() two=() bare=() torch0=() torch2=() times torch=
    benchmark "$name" && have "$name" "$loader_ours" || return 0
    [ "$1" != heavy ] && have_torch "$name" && loader_agrees "$name" "$1" && torch=yes
    for round in 1 2 3 4 5; do
        times=$("$loader_ours" "$1") || { disagree "$name: no figure, ours failed"; return; }
        # shellcheck disable=SC2086
        set -- "$1" $times
        alone+=("$2") two+=("$3") bare+=("${4:-0}")
        [ -n "$torch" ] && [ "$round" -le 3 ] || continue
        torch0+=("$(timeout 60 "$PYTHON" "$loader_torch" "$1" || echo 0)")
        [ "$round" = 1 ] || continue # processes for two workers take most of the time
        torch2+=("$(timeout 60 "$PYTHON" "$loader_torch" "$1" --workers 2 || echo 0)")
    done
    [ "$1" != rows ] || result "$name" memcpy "$(least "${alone[@]}")" "$(least "${bare[@]}")" ns
    if [ -n "$torch" ]; then
        result "$name" torch "$(least "${alone[@]}")" "$(least "${torch0[@]}")" ns
        result "$name" torch-2-workers "$(least "${two[@]}")" "$(least "${torch2[@]}")" ns
    fi
    result "$name" no-workers "$(least "${two[@]}")" "$(least "${alone[@]}")" ns
}

loader_work rows
loader_work curve
loader_work heavy
