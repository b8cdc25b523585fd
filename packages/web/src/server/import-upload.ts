import { BackscrollApiError, BackscrollConnectionError, type ImportResult, type Problem } from "backscroll-client";

interface UploadOptions {
  readonly signal: AbortSignal;
  /** @param share of the file that was sent, 0 to 1 */
  readonly onProgress: (share: number) => void;
}

/**
 * Sends an export to be read, straight from the disk however large it is, as `importConversations` of the SDK does; but
 * it says how far it is, which `fetch` cannot: https://developer.mozilla.org/en-US/docs/Web/API/XMLHttpRequest/upload
 *
 * @throws {BackscrollApiError} what the service refused
 * @throws {BackscrollConnectionError} it broke off; what was read until then is stored
 */
export function uploadExport(file: File, { signal, onProgress }: UploadOptions): Promise<ImportResult> {
  const request = new XMLHttpRequest();
  const sent = new Promise<ImportResult>((resolve, reject) => {
    const breakOff = (): void => reject(new BackscrollConnectionError("the import broke off"));
    request.upload.addEventListener("progress", ({ loaded, total }) => onProgress(total === 0 ? 1 : loaded / total));
    request.addEventListener("error", breakOff);
    request.addEventListener("abort", () => reject(signal.reason as Error));
    request.addEventListener("load", () => {
      if (request.status === 200) resolve(JSON.parse(request.responseText) as ImportResult);
      else reject(toError(request));
    });
  });
  signal.addEventListener("abort", () => request.abort());
  request.open("POST", "/api/import");
  request.setRequestHeader("content-type", "application/json");
  request.send(file);
  return sent;
}

function toError({ status, responseText }: XMLHttpRequest): BackscrollApiError {
  const problem = JSON.parse(responseText) as Problem;
  return new BackscrollApiError({ status, code: problem.code, detail: problem.detail ?? problem.code });
}
