import type { Endpoint } from '#contracts/endpoints';
import { percentText } from '#wording/text';

/** `1: 90 %, champion: 10 %` */
export function splitText({ traffic: { split } }: Pick<Endpoint, 'traffic'>): string {
  const total = split.reduce((sum, { weight }) => sum + weight, 0);
  return split.map(({ version, weight }) => `${version}: ${percentText(weight / total)}`).join(', ') || '-';
}
