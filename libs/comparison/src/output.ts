/** One output of an answer, in whatever protocol it came. */
/** `number`: of a protocol that does not say which. */
export type OutputKind = 'float' | 'integer' | 'label' | 'number';

export interface Output {
  readonly name: string;
  readonly kind: OutputKind;
  readonly shape: readonly number[];
  readonly values: readonly (number | string | boolean)[];
}
