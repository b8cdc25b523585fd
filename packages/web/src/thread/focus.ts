/** @returns whether the message is in the page */
export function focusMessage(id: string): boolean {
  const message = document.querySelector<HTMLElement>(`[data-message-id="${CSS.escape(id)}"]`);
  message?.focus();
  return message !== null;
}

export function focusComposer(): void {
  document.querySelector<HTMLElement>("#composer")?.focus();
}
