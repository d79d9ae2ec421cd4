# The trainer, with a CSV row at every step and the bar on, against a loop of one's own through the public interface.

overhead_trainer()
{
    benchmark overhead/trainer && have overhead/trainer "$BIN/bench-overhead" || return 0
    run_quietly 60 "$BIN/bench-overhead" "$WORK/overhead" --check || {
        disagree 'overhead/trainer (bare-loop): no figure, the weights differ'
        return
    }
    local times
    times=$(timeout 120 "$BIN/bench-overhead" "$WORK/overhead") || {
        disagree 'overhead/trainer (bare-loop): no figure, the program failed'
        return
    }
    result overhead/trainer bare-loop "${times% *}" "${times#* }" us
}

overhead_trainer
