/** What a person sees when the platform is up. Pure text. */
import type { TokenResponse } from '#contracts/clients';
import { inferPath, type Prediction } from './prediction.js';
import { type Sample, sampleRequest } from './sample.js';
import type { PartStatus } from './supervise/part.js';

type Row = readonly string[];

/** Columns aligned by their widest cell. */
export function table(rows: readonly Row[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) => `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('   ')}`.trimEnd())
    .join('\n');
}

export function partsTable(parts: readonly PartStatus[]): string {
  return table([
    ['PART', 'ADDRESS', 'STATE'],
    ...parts.map((part) => [part.name, part.address ?? '-', part.state]),
  ]);
}

/** What the admin signs in with, as a person and as a client: in full the first time, later where to find it. */
export function credentialText(options: {
  login: string;
  password: string;
  clientId: string;
  clientSecret: string;
  secretsPath: string;
  shownBefore: boolean;
}): string {
  if (options.shownBefore)
    return `Admin    login ${options.login}, client ${options.clientId}; their secrets are in ${options.secretsPath}`;
  return [
    'Admin credentials (shown this one time, kept in ' + options.secretsPath + ')',
    `  console  login          ${options.login}`,
    `           password       ${options.password}`,
    `  API      client_id      ${options.clientId}`,
    `           client_secret  ${options.clientSecret}`,
  ].join('\n');
}

/** Lines to copy: one prediction, and fifty that show which versions answer. The first sets the token for the second. */
export function tryItText(options: { gatewayUrl: string; token: TokenResponse; sample: Sample }): string {
  const { gatewayUrl, token, sample } = options;
  const url = `${gatewayUrl}${inferPath(sample.model)}`;
  const headers = `-H "authorization: Bearer $TOKEN" -H 'content-type: application/json'`;
  const body = `-d '${JSON.stringify(sampleRequest(sample, 1))}'`;
  return [
    `Predict (the token lasts ${Math.round(token.expires_in / 60)} minutes):`,
    '',
    `TOKEN=${token.access_token}; curl -sS -i ${url} ${headers} ${body}`,
    '',
    'See the canary: which version answers, out of 50 predictions:',
    '',
    `for i in $(seq 50); do curl -sS -o /dev/null -D - ${url} ${headers} ${body}; done | grep -i x-sluice-version | sort | uniq -c`,
  ].join('\n');
}

/** One line for a prediction of `--once`. */
export function predictionText(sample: Sample, prediction: Prediction, how: string): string {
  const [label = -1] = prediction.label;
  const shown = prediction.probabilities.slice(0, sample.classes.length).map((value) => value.toFixed(4));
  return `  ${how}: version ${prediction.servedBy} says ${sample.classes[label] ?? label} (${shown.join(', ')}) for the first of ${prediction.label.length} flowers`;
}
