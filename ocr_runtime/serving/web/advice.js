// An error's code -> what went wrong and what to do about it, in each language.

const ENGLISH = {
  unauthorized: ["This service needs an API key.", "Enter the key that its operator gave you."],
  wrong_key: ["This API key is not accepted.", "Check it for missing characters, or ask the operator for another one."],
  password_required: ["This PDF is locked.", "Enter its password."],
  wrong_password: ["The password does not open this PDF.", "Check it, and try again."],
  missing_image: ["The file is empty.", "Choose another one."],
  body_too_large: ["The file is too large: this service takes up to {megabytes} MiB.", "Save it with fewer pages or a smaller picture, and try that."],
  image_too_large: ["The picture has too many pixels.", "Make it smaller, or cut out the part with the text."],
  too_many_pages: ["The document has more pages than are read at once.", "Name some of them under Options, Pages."],
  page_too_slow: ["Drawing this page takes too long.", "Save the PDF anew with another program, or send a picture of the page."],
  unsupported_image: ["This file cannot be read as a picture.", "It may be damaged, or of another kind. Save it as PNG, JPEG or PDF."],
  unsupported_document: ["This file cannot be read.", "It may be damaged, or of another kind. Save it as PDF, PNG or JPEG."],
  empty_document: ["The document has no pages.", "Choose another file."],
  invalid_option: ["One of the options does not fit.", "Correct it under Options, and try again."],
  busy: ["The service is busy.", "Try again in a moment."],
  timeout: ["The service took too long.", "Name fewer pages under Options, or try again later."],
  slow_body: ["The file took too long to arrive.", "Try a better connection or a smaller file."],
  jobs_off: ["The PDF takes longer than one request may.", "Name fewer pages under Options, Pages, and read again. For whole documents the operator can turn on jobs."],
  too_many_jobs: ["Too many documents are waiting.", "Try again in a few minutes."],
  jobs_full: ["The service has no room for this document now.", "Try again later."],
  jobs_unavailable: ["The service cannot take this document now.", "Try again later."],
  job_not_found: ["The service no longer has this PDF.", "Make it once more."],
  job_failed: ["The PDF could not be made.", "Try fewer pages, or try again later."],
  not_found: ["The service does not answer as it should.", "Check the address of this page, and reload it."],
  network: ["The service does not answer.", "Check your connection and that the service runs, and try again."],
  cut_off: ["The connection ended before all pages were read.", "Try again: what was read so far stays below."],
  cut_short: ["The connection ended before the answer was complete.", "Try again."],
  clipboard: ["The browser does not allow copying.", "Use Save, or select the text and copy it by hand."],
  internal: ["Something went wrong in the service.", "Try again. If it happens again, tell the operator the number of the request."],
};

const CHINESE = {
  unauthorized: ["本服务需要 API 密钥。", "请输入管理员提供的密钥。"],
  wrong_key: ["密钥无效。", "请检查是否漏了字符，或向管理员索取新的密钥。"],
  password_required: ["这个 PDF 已加密。", "请输入密码。"],
  wrong_password: ["密码不正确，无法打开这个 PDF。", "请检查后重试。"],
  missing_image: ["文件是空的。", "请选择其他文件。"],
  body_too_large: ["文件太大：本服务最多接受 {megabytes} MiB。", "请减少页数或缩小图片后再试。"],
  image_too_large: ["图片像素太多。", "请缩小图片，或只截取有文字的部分。"],
  too_many_pages: ["文档页数超过一次可识别的页数。", "请在“选项”的“页码”中指定部分页。"],
  page_too_slow: ["渲染这一页耗时太长。", "请用其他程序重新保存 PDF，或发送该页的图片。"],
  unsupported_image: ["无法把这个文件读作图片。", "文件可能已损坏或格式不支持。请另存为 PNG、JPEG 或 PDF。"],
  unsupported_document: ["无法读取这个文件。", "文件可能已损坏或格式不支持。请另存为 PDF、PNG 或 JPEG。"],
  empty_document: ["文档没有页面。", "请选择其他文件。"],
  invalid_option: ["有一个选项不正确。", "请在“选项”中更正后重试。"],
  busy: ["服务繁忙。", "请稍后重试。"],
  timeout: ["服务处理时间过长。", "请在“选项”中减少页数，或稍后重试。"],
  slow_body: ["文件上传太慢。", "请换用更好的网络或更小的文件。"],
  jobs_off: ["生成这个 PDF 的时间超过一次请求的限制。", "请在“选项”的“页码”中减少页数后重新识别。管理员可开启任务功能以处理整个文档。"],
  too_many_jobs: ["排队的文档太多。", "请几分钟后重试。"],
  jobs_full: ["服务暂时没有空间处理这个文档。", "请稍后重试。"],
  jobs_unavailable: ["服务暂时无法接收这个文档。", "请稍后重试。"],
  job_not_found: ["服务中已没有这个 PDF。", "请重新生成。"],
  job_failed: ["未能生成 PDF。", "请减少页数，或稍后重试。"],
  not_found: ["服务的响应不正确。", "请检查本页地址并重新加载。"],
  network: ["服务没有响应。", "请检查网络以及服务是否在运行，然后重试。"],
  cut_off: ["连接在识别完所有页之前中断。", "请重试：已识别的内容保留在下方。"],
  cut_short: ["连接在接收完结果之前中断。", "请重试。"],
  clipboard: ["浏览器不允许复制。", "请使用“保存”，或手动选中文字后复制。"],
  internal: ["服务内部出错。", "请重试。如果再次出现，请把请求编号告诉管理员。"],
};

export const ADVICE = { en: ENGLISH, zh: CHINESE };

const BY_STATUS = {
  401: "unauthorized",
  404: "not_found",
  408: "slow_body",
  413: "body_too_large",
  415: "unsupported_document",
  422: "invalid_option",
  429: "busy",
  502: "network",
  503: "busy",
  504: "timeout",
};

/** The code under which there is advice for an error: its own, or that of its status. */
export function known(code, status) {
  if (Object.hasOwn(ENGLISH, code)) return code;
  return BY_STATUS[status] ?? (status >= 400 && status < 500 ? "invalid_option" : "internal");
}
