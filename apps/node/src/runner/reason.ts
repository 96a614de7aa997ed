/** ONNX Runtime's error messages as a caller may see them: without our paths and its C++ source locations. */

/** ONNX's numbers of the element types that the binding refuses, for words instead of a number. */
const refusedTypes: Readonly<Record<string, string>> = {
  14: 'complex64',
  15: 'complex128',
  16: 'bfloat16',
  17: 'float8e4m3fn',
  18: 'float8e4m3fnuz',
  19: 'float8e5m2',
  20: 'float8e5m2fnuz',
};
const maxChars = 4_000;
const sourceLocation = /(?:\/[\w.+-]+)+\.(?:cc|h|hpp):\d+\s+[^\n]*?\)\s*/g;

/** @param entryPath the model's file, which the message must not show */
export function cleanReason(error: unknown, entryPath?: string): string {
  const message = error instanceof Error ? error.message : String(error);
  const text = entryPath ? message.replaceAll(entryPath, 'the model') : message;
  const refused = /Unsupported data type: (\d+)/.exec(text)?.[1];
  if (refused !== undefined)
    return `an input or output has the unsupported datatype ${refusedTypes[refused] ?? `number ${refused}`}`;
  return text
    .replace(/^Load model from the model failed:\s*/, '')
    .replace(sourceLocation, '')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, maxChars);
}
