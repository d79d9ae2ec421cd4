# Training steps of larger models, and an epoch of Fashion-MNIST, against torch in its best configuration.

models_ours=$BIN/bench-models
models_torch=$here/peers/models_torch.py
models_names=(mlp cnn lstm transformer)

# The configurations of torch that are tried; the best one counts. Plain `threads 2` is often the slowest.
models_configurations=("1" "2" "2 OMP_PROC_BIND=close" "2 OPENBLAS_NUM_THREADS=1")

# torch_with CONFIGURATION SCRIPT ARGUMENT...: runs it, the number of threads as its first argument.
torch_with()
{
    local threads=${1%% *} setting=()
    [ "$1" = "$threads" ] || setting=("${1#* }")
    shift
    timeout 120 env "${setting[@]}" "$PYTHON" "$1" "$threads" "${@:2}"
}

# near OURS THEIRS: do two lists of five losses agree within 1e-4?
near()
{
    paste -d' ' <(printf '%s\n' "$1") <(printf '%s\n' "$2") | awk '
        { d = $1 - $2; if (NF != 2 || !(d <= 1e-4 && d >= -1e-4)) bad = 1 } END { exit bad || NR != 5 }'
}

# have_openblas NAME: is torch's BLAS the one that the comparison is made with?
have_openblas()
{
    : "${openblas_found:=$("$PYTHON" -c 'import torch
torch.rand(64, 64) @ torch.rand(64, 64)
print("yes" if "openblas" in open("/proc/self/maps").read() else "no")' 2>/dev/null || echo no)}"
    [ "$openblas_found" = yes ] && return 0
    note "$1: left out, torch's BLAS is not OpenBLAS (Debian: libopenblas0-pthread)"
    return 1
}

# step_models: the best of five processes of each configuration, ours in between.
step_models()
{
    local name round configuration line ours theirs wanted=() best=()
    declare -A ours_best=() theirs_best=()
    for name in "${models_names[@]}"; do
        benchmark "step/$name" && have "step/$name" "$models_ours" && have_torch "step/$name" &&
            have_openblas "step/$name" || continue
        ours=$("$models_ours" "$name" --losses) && theirs=$(torch_with 1 "$models_torch" --losses "$name") &&
            near "$ours" "$theirs" || { disagree "step/$name (torch): no figure, the losses differ"; continue; }
        wanted+=("$name")
    done
    [ ${#wanted[@]} -gt 0 ] || return 0
    for round in 1 2 3 4 5; do
        for configuration in "${models_configurations[@]}"; do
            while read -r name line; do
                theirs_best[$name]=$(least ${theirs_best[$name]:-} "${line% *}")
            done < <(torch_with "$configuration" "$models_torch" "${wanted[@]}")
            for name in "${wanted[@]}"; do
                line=$("$models_ours" "$name") && ours_best[$name]=$(least ${ours_best[$name]:-} "${line% *}")
            done
        done
    done
    for name in "${wanted[@]}"; do
        result "step/$name" torch "${ours_best[$name]:-0}" "${theirs_best[$name]:-0}" ms
    done
}

fashion=/usr/share/datasets/fashion-mnist

# epoch_fashion: the loader included.
epoch_fashion()
{
    local name=epoch/fashion_mlp script=$here/peers/fashion_torch.py program=$BIN/bench-fashion_mlp
    local ours=() theirs=() configuration round a b
    benchmark "$name" && have "$name" "$program" && have_torch "$name" && have_openblas "$name" || return 0
    [ -r "$fashion/train-images-idx3-ubyte.gz" ] || { note "$name: left out, Debian's dataset-fashion-mnist is missing"; return; }
    gzip -dc "$fashion/train-images-idx3-ubyte.gz" >"$WORK/images"
    gzip -dc "$fashion/train-labels-idx1-ubyte.gz" >"$WORK/labels"
    a=$("$program" "$WORK/images" "$WORK/labels" --losses) &&
        b=$(torch_with 1 "$script" "$WORK/images" "$WORK/labels" --losses) &&
        near "$a" "$b" || { disagree "$name (torch): no figure, the losses differ"; return; }
    for round in 1 2 3 4 5; do
        for configuration in "${models_configurations[@]}"; do
            [ "$round" -le 2 ] || [ "$configuration" != 2 ] || continue # the slowest by far, and long
            [ "$SECONDS" -lt 740 ] || [ ${#ours[@]} -eq 0 ] || break 2 # the whole run is to end within a quarter of an hour
            theirs+=("$(torch_with "$configuration" "$script" "$WORK/images" "$WORK/labels" || echo 1e9)")
            ours+=("$("$program" "$WORK/images" "$WORK/labels" || echo 1e9)")
        done
    done
    result "$name" torch "$(least "${ours[@]}")" "$(least "${theirs[@]}")" ms
}

# share_mlp: how much of a step its products would take at the rate of oneDNN's.
share_mlp()
{
    local name=share/mlp-512 program=$BIN/peer-sgemm_mlp round ours=() theirs=()
    benchmark "$name" && have "$name" "$models_ours" && have "$name" "$program" || return 0
    for round in 1 2 3 4 5; do
        theirs+=("$("$program" 512 || echo 0)")
        ours+=("$("$models_ours" mlp-512 | cut -d' ' -f1)")
    done
    result "$name" dnnl_sgemm "$(least "${ours[@]}")" "$(least "${theirs[@]}")" ms
}

# threads_models: two threads beside one.
threads_models()
{
    local name round one two
    for name in "${models_names[@]}"; do
        benchmark "threads/$name" && have "threads/$name" "$models_ours" || continue
        one=() two=()
        for round in 1 2 3; do
            one+=("$("$models_ours" "$name" --threads 1 | cut -d' ' -f1)")
            two+=("$("$models_ours" "$name" --threads 2 | cut -d' ' -f1)")
        done
        result "threads/$name" one-thread "$(least "${two[@]}")" "$(least "${one[@]}")" ms
    done
}

step_models
share_mlp
epoch_fashion
threads_models
