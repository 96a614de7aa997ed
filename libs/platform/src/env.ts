/**
 * The only reader of process.env. A program describes its settings in one zod schema and gets them parsed, once, at start.
 */
import { z } from 'zod';
import { StartError } from './start.js';

/** A setting is wrong; the message lists every one, for a person to read. The program should exit with code 1. */
export class ConfigError extends StartError {
  override readonly name = 'ConfigError';
}

/**
 * Parses the environment with a schema whose keys are variable names. Empty variables count as absent.
 * @throws ConfigError that names each wrong variable
 */
export function loadEnv<T extends z.ZodObject>(
  schema: T,
  source: NodeJS.ProcessEnv = process.env,
): z.output<T> {
  const known = Object.keys(schema.shape);
  const values = Object.fromEntries(known.filter((key) => source[key]).map((key) => [key, source[key]]));
  const result = schema.safeParse(values);
  if (result.success) return result.data;
  const lines = result.error.issues.map((issue) => `  ${issue.path.join('.')}: ${issue.message}`);
  throw new ConfigError(`Wrong settings in the environment:\n${lines.join('\n')}`);
}

/** The environment for a child process: what this process inherited, with `extra` on top. */
export function inheritedEnv(extra: Record<string, string>): NodeJS.ProcessEnv {
  return { ...process.env, ...extra };
}

export const portSetting = z.coerce.number().int().min(0).max(65_535);
export const booleanSetting = z
  .enum(['true', 'false', '1', '0'])
  .transform((text) => text === 'true' || text === '1');
export const secretSetting = z.string().min(16, 'must have at least 16 characters');

/** Settings that every program has. */
export const commonSettings = {
  SLUICE_LOG_LEVEL: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
  OTEL_EXPORTER_OTLP_ENDPOINT: z.url({ protocol: /^https?$/ }).optional(),
  OTEL_TRACES_SAMPLER_ARG: z.coerce.number().min(0).max(1).default(0.01),
};
