// Print the lines of text in an image: `node examples/fetch.mjs IMAGE`.
// In a browser, take the file from an <input type="file">, and set OCR_CORS_ORIGINS for the page.
import { readFile } from "node:fs/promises";

const url = process.env.RAPIDOCR_URL ?? "http://localhost:3000";
const key = process.env.RAPIDOCR_KEY;

const form = new FormData();
form.append("image_file", new Blob([await readFile(process.argv[2])]), "page");
const response = await fetch(`${url}/ocr`, {
  method: "POST",
  body: form,
  headers: key ? { "X-API-Key": key } : {},
});
const answer = await response.json();
if (!response.ok) throw new Error(`${answer.code}: ${answer.error}`);
for (const line of Object.values(answer)) console.log(line.rec_txt);
