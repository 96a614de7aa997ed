/** Finds things by the words in them. Sees only the kinds that the caller's scopes let it read. */
import type { Page } from '#contracts/common';
import { allows } from '#contracts/scopes';
import { searchKinds, searchScopes, wordsOf } from '#contracts/search';
import type { SearchHit, SearchQuery } from '#contracts/search';
import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { z } from 'zod';
import type { Caller } from '../http/caller.js';
import { decodePageToken, toPage } from '../http/page.js';

const PageKey = z.tuple([z.number(), z.enum(searchKinds), z.uuid()]);

interface Row extends SearchHit {
  readonly rank: number;
}

/** Ranks before it reads the things themselves, so only a page of them is read. */
const statement = `
  WITH found AS (
    SELECT kind, id, hidden, ts_rank(words, query)::float8 AS rank, query
    FROM search_documents, to_tsquery('simple', $1) AS query
    WHERE words @@ query AND kind = ANY($2) AND (NOT hidden OR $3)),
  page AS (
    SELECT * FROM found WHERE $4::float8 IS NULL OR rank < $4 OR (rank = $4 AND (kind, id) > ($5, $6::uuid))
    ORDER BY rank DESC, kind, id LIMIT $7)
  SELECT p.kind, p.id, p.rank, p.hidden,
    coalesce(m.name, r.name, x.name, '') AS name, m.name AS model, v.number AS version,
    ts_headline('simple', left(concat_ws(' · ', e.name, r.name, x.name, v.description, c.markdown,
      CASE WHEN p.kind = 'model' THEN m.name || ' · ' || m.description || ' · ' || m.tags::text END,
      v.tags::text, x.tags::text), 20000), p.query, 'StartSel=«, StopSel=», MaxFragments=1, MaxWords=25, MinWords=8') AS excerpt
  FROM page p
  LEFT JOIN versions v ON p.kind = 'version' AND v.id = p.id
  LEFT JOIN endpoints e ON p.kind = 'endpoint' AND e.id = p.id
  LEFT JOIN models m ON m.id = CASE WHEN p.kind IN ('model', 'card') THEN p.id ELSE coalesce(v.model_id, e.model_id) END
  LEFT JOIN runs r ON p.kind = 'run' AND r.id = p.id
  LEFT JOIN experiments x ON p.kind = 'experiment' AND x.id = p.id
  LEFT JOIN LATERAL (SELECT markdown FROM model_cards WHERE p.kind = 'card' AND model_id = p.id
    ORDER BY revision DESC LIMIT 1) c ON true
  ORDER BY p.rank DESC, p.kind, p.id`;

@Injectable()
export class SearchService {
  constructor(private readonly dataSource: DataSource) {}

  async find(query: SearchQuery, caller: Caller): Promise<Page<SearchHit>> {
    const after = decodePageToken(query.page_token, PageKey);
    const kinds = (query.kinds ?? searchKinds).filter((kind) => allows(caller.scopes, searchScopes[kind]));
    const rows = await this.dataSource.query<Row[]>(statement, [
      wordsOf(query.q)
        .map((word) => `${word}:*`)
        .join(' & '),
      kinds,
      query.archived === 'any',
      ...(after ?? [null, null, null]),
      query.page_size + 1,
    ]);
    const page = toPage(rows, query.page_size, ({ rank, kind, id }) => [rank, kind, id]);
    return { ...page, items: page.items.map(toHit) };
  }
}

const toHit = ({ kind, id, name, model, version, hidden, excerpt }: Row): SearchHit => ({
  kind,
  id,
  name,
  model,
  version,
  hidden,
  excerpt,
});
