import { agoText } from '#wording/text';

/** How long ago, with the time itself behind it. */
export function Moment({ at, nowMs }: { readonly at: string; readonly nowMs: number }) {
  return (
    <time dateTime={at} title={new Date(at).toLocaleString()}>
      {agoText(nowMs - Date.parse(at))}
    </time>
  );
}
