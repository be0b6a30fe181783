// What the page says, in each of its languages: key -> text, with {names} to be filled in.

const ENGLISH = {
  language: "中文",
  aboutThisPage: "This page",
  api: "API",
  title: "Read the text in a picture or PDF",
  lead: "The file is sent to this service and to nobody else.",
  invite: "Drop a file here, or paste a picture",
  inviteTouch: "Choose a file or take a photo",
  choose: "Choose a file",
  photograph: "Take a photo",
  kinds: "PDF, JPEG, PNG, WebP, TIFF, GIF, BMP, AVIF, up to {megabytes} MiB",
  release: "Let go to read it",

  pdf: "Searchable PDF",
  another: "Another file",
  again: "Read again",
  stop: "Stop",
  copy: "Copy",
  copyAll: "Copy all pages",
  copySome: "Copy {pages} of {total} pages",
  save: "Save",
  copied: "Copied",
  options: "Options",
  orientation: "Turn the page",
  orientationAuto: "Upright, by its text",
  orientation0: "Leave it",
  orientation90: "90° clockwise",
  orientation180: "180°",
  orientation270: "90° counter-clockwise",
  layout: "Order of the lines",
  layoutAuto: "Columns and tables",
  layoutNone: "From top to bottom",
  textLayer: "A PDF's own text",
  textLayerAuto: "Where it can be trusted",
  textLayerNever: "Never: read the pictures",
  textLayerOnly: "Nothing else",
  pages: "Pages",
  pagesHint: "all, or 1-3,7",
  dpi: "Pixels per inch of a PDF",
  dpiHint: "automatic",
  password: "Password of a PDF",
  passwordHint: "none",
  standard: "{name} (default)",
  key: "API key",
  keyNote: "This service asks for one. It is kept until you close this tab.",

  picture: "Picture",
  pictureOfPage: "Picture of the page",
  whatWasRead: "What was read",
  linesOfPage: "Lines of page {number}",
  enlarge: "Enlarge",
  previous: "Previous page",
  next: "Next page",
  place: "{place} of {count}",
  placeOfPage: "Page {number}: {place} of {count}",
  form: "Shown as",
  tabText: "Text",
  noText: "There is no text on this page.",
  noPicture: "This page has no picture to show.",
  pageUnread: "Page {number} was not read",
  sure: "{percent} % sure",
  unsure: "Dotted lines are less certain.",
  jsonOfPage: "Of this page. Copy and Save take all pages that were read.",

  progress: "Progress",
  sending: "Sending {name} …",
  reading: "Reading …",
  readingPage: "Reading page {done} of {total} …",
  readingSome: "{done} pages are read …",
  waiting: "The service is busy. Trying again in {seconds} s …",
  makingMarkdown: "Making Markdown …",
  makingPdf: "Making the PDF …",
  makingPdfPage: "Making the PDF: {done} of {total} pages …",
  done: "Read: {lines} lines on {pages} pages.",
  doneOne: "Read: {lines} lines.",
  doneLine: "Read: one line.",
  donePdf: "The PDF is made.",
  stopped: "Stopped.",
  readSoFar: "{pages} of {total} pages were read.",
  oneOfSeveral: "One file at a time: {name} is read.",

  tryAgain: "Try again",
  readRest: "Read the rest",
  useKey: "Use this key",
  fromService: "The service says:",
  requestId: "Request {id}",
};

const CHINESE = {
  language: "English",
  aboutThisPage: "本页",
  api: "API",
  title: "识别图片或 PDF 中的文字",
  lead: "文件只会发送到本服务，不会发给任何第三方。",
  invite: "把文件拖到这里，或粘贴图片",
  inviteTouch: "选择文件或拍照",
  choose: "选择文件",
  photograph: "拍照",
  kinds: "PDF、JPEG、PNG、WebP、TIFF、GIF、BMP、AVIF，最大 {megabytes} MiB",
  release: "松开即可识别",

  pdf: "可搜索的 PDF",
  another: "换一个文件",
  again: "重新识别",
  stop: "停止",
  copy: "复制",
  copyAll: "复制全部页",
  copySome: "复制 {total} 页中的 {pages} 页",
  save: "保存",
  copied: "已复制",
  options: "选项",
  orientation: "页面方向",
  orientationAuto: "按文字自动转正",
  orientation0: "不旋转",
  orientation90: "顺时针 90°",
  orientation180: "180°",
  orientation270: "逆时针 90°",
  layout: "文字行的顺序",
  layoutAuto: "按分栏和表格",
  layoutNone: "从上到下",
  textLayer: "PDF 自带的文字",
  textLayerAuto: "可信时采用",
  textLayerNever: "不采用，全部识别",
  textLayerOnly: "只采用自带文字",
  pages: "页码",
  pagesHint: "全部，或 1-3,7",
  dpi: "PDF 每英寸像素数",
  dpiHint: "自动",
  password: "PDF 密码",
  passwordHint: "无",
  standard: "{name}（默认）",
  key: "API 密钥",
  keyNote: "本服务需要密钥。关闭此标签页后不再保留。",

  picture: "图片",
  pictureOfPage: "页面图片",
  whatWasRead: "识别结果",
  linesOfPage: "第 {number} 页的文字行",
  enlarge: "放大",
  previous: "上一页",
  next: "下一页",
  place: "{place} / {count}",
  placeOfPage: "第 {number} 页：{place} / {count}",
  form: "显示方式",
  tabText: "文本",
  noText: "这一页没有文字。",
  noPicture: "这一页没有可显示的图片。",
  pageUnread: "第 {number} 页未能识别",
  sure: "置信度 {percent} %",
  unsure: "带点线的文字置信度较低。",
  jsonOfPage: "仅显示本页。复制和保存包含所有已识别的页。",

  progress: "进度",
  sending: "正在发送 {name} …",
  reading: "正在识别 …",
  readingPage: "正在识别第 {done} 页，共 {total} 页 …",
  readingSome: "已识别 {done} 页 …",
  waiting: "服务繁忙，{seconds} 秒后重试 …",
  makingMarkdown: "正在生成 Markdown …",
  makingPdf: "正在生成 PDF …",
  makingPdfPage: "正在生成 PDF：{done} / {total} 页 …",
  done: "识别完成：{pages} 页，{lines} 行。",
  doneOne: "识别完成：{lines} 行。",
  doneLine: "识别完成：1 行。",
  donePdf: "PDF 已生成。",
  stopped: "已停止。",
  readSoFar: "已识别 {pages} / {total} 页。",
  oneOfSeveral: "一次只能识别一个文件：正在识别 {name}。",

  tryAgain: "重试",
  readRest: "识别其余页",
  useKey: "使用此密钥",
  fromService: "服务返回：",
  requestId: "请求 {id}",
};

export const LANGUAGES = { en: ENGLISH, zh: CHINESE };

let current = "en";

/** The language in which the page speaks: "en" or "zh". */
export const language = () => current;

/** The language to begin with: the one chosen before, or the browser's. */
export function preferred() {
  const chosen = remembered();
  if (chosen in LANGUAGES) return chosen;
  const wanted = navigator.languages.find((each) => /^(zh|en)\b/i.test(each)) ?? "en";
  return wanted.toLowerCase().startsWith("zh") ? "zh" : "en";
}

/** The text of a key in the current language, with values for its {names}. */
export function say(key, values = {}) {
  return LANGUAGES[current][key].replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
}

/** Show the whole page in a language. */
export function speak(wanted) {
  current = wanted;
  document.documentElement.lang = { en: "en", zh: "zh-CN" }[wanted];
  for (const each of document.querySelectorAll("[data-text]")) {
    each.textContent = say(each.dataset.text, each.dataset);
  }
  for (const each of document.querySelectorAll("[data-label]")) {
    each.setAttribute("aria-label", say(each.dataset.label, each.dataset));
  }
  for (const each of document.querySelectorAll("[data-hint]")) {
    each.setAttribute("placeholder", say(each.dataset.hint));
  }
  document.title = `${say("title")} · rapidocr-bento`;
}

/** Remember a language for the next visit. */
export function remember(wanted) {
  try {
    localStorage.setItem("language", wanted);
  } catch {
    // the browser keeps nothing: then its own language is taken next time
  }
}

function remembered() {
  try {
    return localStorage.getItem("language") ?? "";
  } catch {
    return "";
  }
}
