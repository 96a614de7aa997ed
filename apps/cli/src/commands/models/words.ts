/** `champion → 2, challenger → 3` */
export const aliasesText = (aliases: Readonly<Record<string, number>>): string =>
  Object.entries(aliases)
    .map(([alias, version]) => `${alias} → ${version}`)
    .join(', ') || '-';
