# Sources of data, beside what is there to read them with.

# beside NAME FILE PEER COMMAND...: ours (bench-source_NAME; of tar-gz, bench-source_tar) and a peer in turn, five processes of each; both print milliseconds and
# what they have read, which must be the same, or - if the peer does not look at it. The best counts.
beside()
{
    local name=$1 file=$2 peer=$3 program=$BIN/bench-source_${1%%-*} round line ours=() theirs=() a= b=
    shift 3
    for round in 1 2 3 4 5; do
        line=$("$program" "$file") || { disagree "source/$name: no figure, ours failed"; return; }
        ours+=("${line% *}") a=${line#* }
        line=$(timeout 60 "$@" "$file") || { disagree "source/$name: no figure, $peer failed"; return; }
        theirs+=("${line% *}") b=${line#* }
    done
    [ "$a" = "$b" ] || [ "$b" = - ] || { disagree "source/$name: no figure, $peer has read something else: $a, $b"; return; }
    result "source/$name" "$peer" "$(least "${ours[@]}")" "$(least "${theirs[@]}")" ms
}

# begin_source NAME FILE: is it asked for? Makes the file.
begin_source()
{
    local program=$BIN/bench-source_${1%%-*}
    benchmark "source/$1" && have "source/$1" "$program" || return
    "$program" "$2" --make && return
    disagree "source/$1: no figure, the file could not be made"
    return 1
}

# A file of 48 MB to float32.
source_csv()
{
    local file=$WORK/rows.csv
    begin_source csv "$file" || return 0
    if "$PYTHON" -c 'import pandas' 2>/dev/null; then
        beside csv "$file" pandas "$PYTHON" "$here/peers/csv_pandas.py"
    else
        note "source/csv: left out, pandas is missing (Debian: python3-pandas)"
    fi
    rm -f "$file"
}

# Half a million rows of eleven numbers, by one reader.
source_sqlite()
{
    local file=$WORK/rows.db
    begin_source sqlite "$file" || return 0
    have source/sqlite "$BIN/peer-sqlite_step" && beside sqlite "$file" sqlite3_step "$BIN/peer-sqlite_step"
    rm -f "$file"
}

# Samples of 110 KB from the page cache.
source_tar()
{
    local file=$WORK/samples.tar
    begin_source tar "$file" || return 0
    have source/tar "$BIN/peer-tar_libarchive" && beside tar "$file" libarchive "$BIN/peer-tar_libarchive"
    beside tar "$file" page-cache "$BIN/peer-page_cache"
    beside tar "$file" tarfile "$PYTHON" "$here/peers/tar_tarfile.py"
    rm -f "$file"
}

# source_tar_packed SUFFIX: 110 MB of text in samples of 110 KB, packed.
source_tar_packed()
{
    local file=$WORK/samples.tar.$1
    begin_source "tar-$1" "$file" || return 0
    have "source/tar-$1" "$BIN/peer-tar_libarchive" && beside "tar-$1" "$file" libarchive "$BIN/peer-tar_libarchive"
    rm -f "$file"
}

# source_jpeg NAME [OPTION]: photographs of 500 x 375 to batches of RandomResizedCrop(224), in microseconds for an image; two workers
# beside torchvision's best number of them, the best of three processes each, in turn. First the pixels are compared.
source_jpeg()
{
    local name=$1 option=${2:-} program=$BIN/bench-source_jpeg peer=$here/peers/jpeg_torchvision.py folder=$WORK/photographs
    local bound=0 round workers line count wrong mean ours=() theirs=()
    [ -z "$option" ] || bound=2
    benchmark "$name" && have "$name" "$program" || return 0
    "$PYTHON" -c 'import torchvision' 2>/dev/null || { note "$name: left out, torchvision is missing (Debian: python3-torchvision)"; return; }
    [ -d "$folder" ] || "$PYTHON" "$peer" make "$folder" 512 || { disagree "$name: no figure, the photographs could not be made"; return; }
    "$program" "$folder" $option --write "$WORK/samples" || { disagree "$name: no figure, ours failed"; return; }
    line=$("$PYTHON" "$peer" check "$folder" "$WORK/samples")
    read -r count wrong mean _ <<<"$line"
    rm -f "$WORK/samples"
    awk -v count="$count" -v wrong="$wrong" -v mean="$mean" -v bound="$bound" 'BEGIN { exit !(count > 0 && wrong == 0 && mean != "" && mean <= bound) }' ||
        { disagree "$name: no figure, of the samples '$count' '$wrong' have other labels, pixels differ by '$mean'"; return; }
    for round in 1 2 3; do
        line=$("$program" "$folder" $option) || { disagree "$name: no figure, ours failed"; return; }
        ours+=("$line")
        for workers in 1 2 3; do
            line=$(timeout 120 "$PYTHON" -W ignore "$peer" time "$folder" "$workers") || { disagree "$name: no figure, torchvision failed"; return; }
            theirs+=("$line")
        done
    done
    result "$name" torchvision "$(least "${ours[@]}")" "$(least "${theirs[@]}")" us
}

source_csv
source_sqlite
source_tar
source_tar_packed gz
source_tar_packed zst
source_jpeg source/jpeg
source_jpeg source/jpeg-draft --draft
