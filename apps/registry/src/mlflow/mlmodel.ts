/** What the registry needs to know of an `MLmodel` file, and the one it makes up for a version that has none. */

export interface MlModel {
  readonly flavors: readonly string[];
  /** The .onnx file, when there is the flavour for it. */
  readonly onnxFile: string | undefined;
}

/** Reads the lines that MLflow's own writer makes (block style, two spaces); anything else yields no flavour. */
export function readMlModel(text: string): MlModel {
  const section = /^flavors:\s*\n((?: .*\n?|\s*\n)*)/m.exec(text)?.[1] ?? '';
  const flavors = [...section.matchAll(/^ {2}([\w.-]+):/gm)].map((match) => match[1] ?? '');
  const onnx = /^ {2}onnx:\s*\n((?: {3,}.*\n?)*)/m.exec(section)?.[1] ?? '';
  const file = /^ {4}data: *(.+?) *$/m.exec(onnx)?.[1]?.replace(/^(['"])(.*)\1$/, '$2');
  return { flavors, onnxFile: flavors.includes('onnx') ? (file ?? 'model.onnx') : undefined };
}

/** An MLmodel file with which MLflow's client loads an ONNX file. JSON's strings are YAML's. */
export const onnxMlModel = (entryFile: string): string =>
  [
    'flavors:',
    '  onnx:',
    `    data: ${JSON.stringify(entryFile)}`,
    '    providers:',
    '    - CPUExecutionProvider',
    '  python_function:',
    `    data: ${JSON.stringify(entryFile)}`,
    '    loader_module: mlflow.onnx',
    '',
  ].join('\n');
