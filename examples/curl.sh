#!/bin/sh
# Print what the service reads in an image, as JSON: `examples/curl.sh IMAGE`.
set -eu
curl --fail-with-body --silent --show-error \
  ${RAPIDOCR_KEY:+--header "X-API-Key: $RAPIDOCR_KEY"} \
  --form "image_file=@$1" "${RAPIDOCR_URL:-http://localhost:3000}/ocr"
