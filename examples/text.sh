#!/bin/sh
# Print the text of an image, columns one after another: `examples/text.sh IMAGE`.
set -eu
curl --fail-with-body --silent --show-error \
  ${RAPIDOCR_KEY:+--header "X-API-Key: $RAPIDOCR_KEY"} \
  --form "image_file=@$1" --form layout=auto "${RAPIDOCR_URL:-http://localhost:3000}/text"
