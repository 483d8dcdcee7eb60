#!/bin/sh
# Refresh, then ask every plan of a folder whether its decision still holds. Writes only what somebody should
# read, so that cron mails only then: what `advisor watch` says of a plan for the first time, and what failed.
# Ends with 0 without news, 3 with news, else with the code of what failed.
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

"$advisor" watch --format markdown "${PLANS:?name the folder of your plans}"/*.json 2>"$said"
code=$?
case $code in
    0) ;;
    3) [ "$worst" -ne 0 ] || worst=3 ;;
    *) cat "$said" >&2; worst=$code ;;
esac
exit "$worst"
