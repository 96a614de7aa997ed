/** One output of an answer, in whatever protocol it came. */
export type OutputKind = 'float' | 'integer' | 'label';

export interface Output {
  readonly name: string;
  readonly kind: OutputKind;
  readonly shape: readonly number[];
  readonly values: readonly (number | string | boolean)[];
}
