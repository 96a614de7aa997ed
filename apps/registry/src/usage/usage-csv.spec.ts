import { expect, it } from 'vitest';
import { toCsv } from './usage-csv.js';

it('quotes what needs quotes, and lets no name become a formula', () => {
  const amounts = { requests: 1, rows: 5, request_bytes: 2, response_bytes: 3, compute_us: 4 };
  const rows = [
    { endpoint: 'a "b", c', version: 1, ...amounts },
    { endpoint: '=1+1', version: 2, ...amounts },
  ];
  expect(toCsv(['endpoint', 'version'], rows)).toBe(
    'endpoint,version,requests,rows,request_bytes,response_bytes,compute_us\r\n"a ""b"", c",1,1,5,2,3,4\r\n\'=1+1,2,1,5,2,3,4\r\n',
  );
});
