import type { Endpoint, TrafficRule } from '#contracts/endpoints';
import { percentText } from '#wording/text';
import { command } from '../../command.js';
import { fields } from '../../output.js';
import { showJson } from '../../show.js';
import { splitText } from './words.js';

export const endpointsShow = command({
  name: 'endpoints show',
  summary: 'Show an endpoint with its rules, split, shadow and stickiness',
  args: ['endpoint'],
  watches: 'endpoint,alias',
  run: async ({ client, args, io, json }) => {
    const endpoint = await client.endpoints.read({ params: { endpoint: args.endpoint } });
    if (json) showJson({ io }, endpoint);
    else io.stdout(fields(io, fieldsOf(endpoint)));
    return undefined;
  },
});

function fieldsOf(endpoint: Endpoint): [string, string][] {
  const { rules, sticky, shadow, hedge } = endpoint.traffic;
  return [
    ['endpoint', endpoint.name],
    ['model', endpoint.model],
    ...rules.map((rule, index): [string, string] => [`rule ${index + 1}`, ruleText(rule)]),
    ['split', splitText(endpoint)],
    ['sticky', sticky ? `by ${sticky.by} ${sticky.name}` : 'no'],
    ['shadow', shadow ? `${percentText(shadow.share)} to ${shadow.version}` : 'no'],
    ['hedge', hedge ? 'yes' : 'no'],
    ['revision', `${endpoint.revision}, ${endpoint.updated_at} by ${endpoint.updated_by}`],
  ];
}

function ruleText(rule: TrafficRule): string {
  const matches = 'match' in rule ? rule.match : [rule];
  const words = matches.map((match) =>
    'claim' in match ? `claim ${match.claim} is ${match.value}` : `header ${match.header} is ${match.value}`,
  );
  return `${words.join(' and ')} → ${rule.version}`;
}
