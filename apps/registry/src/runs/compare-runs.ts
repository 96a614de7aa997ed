import type { Run, RunComparison } from '#contracts/runs';

/** Params and latest metrics as rows, runs as columns. What the machine did is no result, so `system/` is left out. */
export function compareRuns(runs: readonly Run[]): RunComparison {
  return {
    runs: runs.map(({ id, name, experiment, status }) => ({ id, name, experiment, status })),
    params: rowsOf(runs.map(({ params }) => params)),
    metrics: rowsOf(
      runs.map(({ metrics }) =>
        Object.fromEntries(
          Object.entries(metrics)
            .filter(([key]) => !key.startsWith('system/'))
            .map(([key, { value }]) => [key, value]),
        ),
      ),
    ),
  };
}

function rowsOf<T>(columns: readonly Readonly<Record<string, T>>[]) {
  const keys = [...new Set(columns.flatMap((column) => Object.keys(column)))].sort();
  return keys.map((key) => {
    const values = columns.map((column) => (Object.hasOwn(column, key) ? (column[key] ?? null) : null));
    return { key, values, differs: new Set(values).size > 1 };
  });
}
