#!/bin/sh
# Makes fuzz/corpus/survey from tests/corpus: each file as it is, each text as gzip, and the parts of
# each workbook with a NUL between them, as the target packs them.
set -eu
cd "$(dirname "$0")/.."
to=fuzz/corpus/survey
mkdir -p $to
for file in tests/corpus/*; do
  name=${file##*/}
  case $name in
  *.txt | users-*) continue ;;
  *.xlsx)
    (
      printf '\0\2'
      unzip -p "$file" xl/worksheets/sheet1.xml
      printf '\0'
      unzip -p "$file" xl/sharedStrings.xml 2>&- || printf '<sst/>'
      printf '\0'
      unzip -p "$file" xl/styles.xml 2>&- || printf '<styleSheet/>'
    ) >"$to/parts-$name" ;;
  *) (printf '\0\1' && cat "$file") >"$to/gzip-$name" ;;
  esac
  (printf '\0\0' && cat "$file") >"$to/$name"
done
