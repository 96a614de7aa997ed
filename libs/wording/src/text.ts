/** Numbers and times as people read them. Pure. */

const number = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });
const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

/** `1,234`; from a million on `1.2M`. */
export const numberText = (value: number): string =>
  Math.abs(value) >= 1_000_000 ? compact.format(value) : number.format(value);

const byteUnits = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;

export function bytesText(bytes: number): string {
  const power = bytes === 0 ? 0 : Math.floor(Math.log2(Math.abs(bytes)) / 10);
  const step = Math.min(Math.max(power, 0), byteUnits.length - 1);
  return `${number.format(bytes / 1_024 ** step)} ${byteUnits[step] ?? 'B'}`;
}

const spans = [
  { unit: 'd', ms: 86_400_000 },
  { unit: 'h', ms: 3_600_000 },
  { unit: 'min', ms: 60_000 },
  { unit: 's', ms: 1_000 },
] as const;

/** The two greatest parts: `2 d 3 h`, `12 s`. */
export function spanText(ms: number): string {
  let restMs = Math.max(0, ms);
  const parts: string[] = [];
  for (const span of spans) {
    const count = Math.floor(restMs / span.ms);
    restMs -= count * span.ms;
    if (count > 0) parts.push(`${count} ${span.unit}`);
    else if (parts.length > 0) break;
    if (parts.length === 2) break;
  }
  return parts.length > 0 ? parts.join(' ') : '0 s';
}

export const agoText = (ms: number): string =>
  ms < 1_500 ? 'just now' : `${spanText(ms).split(' ').slice(0, 2).join(' ')} ago`;

export const percentText = (share: number): string => `${number.format(share * 100)} %`;
