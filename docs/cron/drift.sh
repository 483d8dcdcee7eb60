#!/bin/sh
# Refresh, then ask every plan of a folder whether its decision still holds. Writes only what somebody should
# read, so that cron mails only then: what `advisor drift` says of a plan that should change, and what failed.
# Ends with 0 if every plan holds, 3 if one should change, else with the code of what failed.
#   ADVISOR  the command            PLANS  folder of plan files, as `advisor recommend --format json` writes them
set -u
advisor=${ADVISOR:-advisor}
said=$(mktemp) || exit 1
trap 'rm -f "$said"' EXIT

"$advisor" refresh >"$said" 2>&1
worst=$?
case $worst in
    0 | 5) worst=0 ;;       # 5: published, but not everything came; rows that did not come keep their old dates
    *) cat "$said" >&2 ;;   # old prices are asked all the same: a plan says itself when they are too old
esac

for plan in "${PLANS:?name the folder of your plans}"/*.json; do
    "$advisor" drift "$plan" --format markdown 2>"$said"
    code=$?
    case $code in
        0) ;;
        3) [ "$worst" -ne 0 ] || worst=3 ;;
        *) echo "$plan:" >&2; cat "$said" >&2; worst=$code ;;
    esac
done
exit "$worst"
