import type { SearchSpace } from '#contracts/studies';

type Dimension = SearchSpace[string];

/** Why the params do not lie in the space; undefined if they do. Params that the space does not name are free. */
export function outsideOf(space: SearchSpace, params: Readonly<Record<string, string>>): string | undefined {
  for (const [key, value] of Object.entries(params)) {
    const dimension = Object.hasOwn(space, key) ? space[key] : undefined;
    if (dimension !== undefined && !holds(dimension, value))
      return `The param "${key}" is ${JSON.stringify(value.slice(0, 100))}, but the study searches ${describe(dimension)}.`;
  }
  return undefined;
}

function holds(dimension: Dimension, text: string): boolean {
  if (dimension.type === 'categorical') return dimension.choices.includes(text);
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (!(value >= dimension.low && value <= dimension.high)) return false;
  return dimension.type === 'float' || (value - dimension.low) % dimension.step === 0;
}

function describe(dimension: Dimension): string {
  switch (dimension.type) {
    case 'categorical':
      return `one of ${dimension.choices.slice(0, 20).join(', ')}`;
    case 'float':
      return `from ${dimension.low} to ${dimension.high}`;
    case 'int':
      return `whole numbers from ${dimension.low} to ${dimension.high} by ${dimension.step}`;
  }
}
