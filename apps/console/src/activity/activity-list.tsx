import { Badge } from '../parts/badge.js';
import type { Tone } from '../parts/badge.js';
import { Moment } from '../parts/moment.js';
import type { ActivityEntry } from './activity.js';

interface ActivityListProps {
  readonly entries: readonly ActivityEntry[];
  readonly nowMs: number;
}

export function ActivityList({ entries, nowMs }: ActivityListProps) {
  return (
    <ol className="activity card" aria-live="polite" aria-relevant="additions">
      {entries.map((entry) => (
        <li key={entry.id}>
          <details>
            <summary>
              <Badge tone={toneOf(entry.type)}>{entry.type}</Badge>
              <span className="activity-subject">{entry.subject}</span>
              <span className="muted">{entry.actor}</span>
              <span className="muted activity-at">
                <Moment at={entry.at} nowMs={nowMs} />
              </span>
            </summary>
            <pre>{JSON.stringify(entry.data, null, 2)}</pre>
          </details>
        </li>
      ))}
    </ol>
  );
}

const bad = /\.(?:lost|failed|corrupt)/;
const warn = /\.(?:alert|delete|disable|revoke|archive|drain|expired)/;
const good = /\.(?:ready|create|register|restore|resume|enable)/;

function toneOf(type: string): Tone {
  if (bad.test(type)) return 'bad';
  if (warn.test(type)) return 'warn';
  return good.test(type) ? 'good' : 'accent';
}
