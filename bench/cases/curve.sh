# The chapter's curve model: the whole trainer, CSV on, against a loop fused by hand and against plain torch.

curve_by_hand=$BIN/peer-by_hand_curve
curve_torch=("$PYTHON" "$here/peers/curve_torch.py")

# curve_ours DIRECTORY FLAG...: sets `ours`, the command of a run without checkpoints.
curve_ours()
{
    ours=("$CURVE" --no-progress --no-checkpoint --log-dir "$1" --name curve "${@:2}")
}

# curve_agrees NAME PEER FLAG... -- COMMAND...: do we and the peer, which writes "$WORK/theirs.csv", have the
# same 30 epochs?
curve_agrees()
{
    local name="$1 ($2)" flags=() why
    shift 2
    while [ "$1" != -- ]; do
        flags+=("$1")
        shift
    done
    shift
    rm -rf "$WORK/log" "$WORK/theirs.csv"
    curve_ours "$WORK/log" "${flags[@]}"
    run_quietly 60 "${ours[@]}" || { disagree "$name: no figure, ours failed: ${ours[*]}"; return 1; }
    run_quietly 60 "$@" "${flags[@]}" || { disagree "$name: no figure, the peer failed: $*"; return 1; }
    why=$(same_losses "$WORK"/log/curve/version_0/metrics.csv "$WORK/theirs.csv") && return 0
    disagree "$name: no figure, the losses differ: $why"
    return 1
}

# step_curve NAME HIDDEN BATCH: a step's time is the difference of two run lengths, so that start-up cancels.
step_curve()
{
    benchmark "$1" && have "$1" "$CURVE" || return 0
    local name=$1 flags=(--seed 42 --points 1024 --hidden "$2" --batch-size "$3")
    local per_epoch=$(((1024 + $3 - 1) / $3))
    local epochs=$((32000 / per_epoch + 1))
    local short=("${flags[@]}" --epochs "$epochs") long=("${flags[@]}" --epochs $((2 * epochs)))
    local steps=$((epochs * per_epoch)) ours_short ours_long
    curve_ours '{}' "${short[@]}" && ours_short=("${ours[@]}")
    curve_ours '{}' "${long[@]}" && ours_long=("${ours[@]}")

    if have "$name (by-hand)" "$curve_by_hand" &&
        curve_agrees "$name" by-hand "${flags[@]}" -- "$curve_by_hand" --csv "$WORK/theirs.csv"; then
        local times
        if times=$(best_ns 25 -- "${ours_short[@]}" -- "$curve_by_hand" --csv '{}/m' "${short[@]}" \
            -- "${ours_long[@]}" -- "$curve_by_hand" --csv '{}/m' "${long[@]}"); then
            # shellcheck disable=SC2086
            set -- $times
            result "$name" by-hand "$(calc "($3 - $1) / $steps / 1e3")" "$(calc "($4 - $2) / $steps / 1e3")" us
        else
            disagree "$name (by-hand): no figure, a program failed"
        fi
    fi
    [ "$name" = step/curve ] || return 0
    step_curve_torch torch sliced
    step_curve_torch torch-dataloader dataloader
}

# step_curve_torch PEER LOOP, a part of step_curve, whose variables it uses: torch tells its own time per
# step, without start-up. The best of 5 processes, ours in between.
step_curve_torch()
{
    local peer=$1 python=("${curve_torch[@]}" --loop "$2") round times theirs=() short_times=() long_times=()
    have_torch "$name ($peer)" || return 0
    curve_agrees "$name" "$peer" "${flags[@]}" -- "${python[@]}" --losses "$WORK/theirs.csv" || return 0
    for round in 1 2 3 4 5; do
        if times=$(best_ns 5 -- "${ours_short[@]}" -- "${ours_long[@]}"); then
            short_times+=("${times% *}") long_times+=("${times#* }")
            theirs+=("$(timeout 60 "${python[@]}" "${flags[@]}" --epochs 30 || echo 0)") # result refuses a time of 0
        else
            disagree "$name ($peer): no figure, ours failed in round $round"
            return
        fi
    done
    result "$name" "$peer" "$(calc "($(least "${long_times[@]}") - $(least "${short_times[@]}")) / $steps / 1e3")" \
        "$(calc "$(least "${theirs[@]}") / 1e3")" us
}

# process_curve: the chapter's last program from start to end, checkpoints too.
process_curve()
{
    benchmark process/curve && have process/curve "$CURVE" && have process/curve "$curve_by_hand" || return 0
    curve_agrees process/curve by-hand --seed 42 -- "$curve_by_hand" --csv "$WORK/theirs.csv" || return 0
    local times
    times=$(best_ns 400 -- "$CURVE" --no-progress --log-dir '{}' -- "$curve_by_hand" --csv '{}/metrics.csv') || {
        disagree 'process/curve (by-hand): no figure, a program failed'
        return
    }
    result process/curve by-hand "$(calc "${times% *} / 1e6")" "$(calc "${times#* } / 1e6")" ms
}

step_curve step/curve 16 32
step_curve step/curve-h17-b32 17 32
step_curve step/curve-h16-b33 16 33
step_curve step/curve-h17-b33 17 33
step_curve step/curve-h20-b48 20 48
process_curve
